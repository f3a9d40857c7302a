//! Fewer atoms to look at: in a large closure, most paths are tiny, and tiny ones that are alike go
//! together from the start.
//!
//! Merging compares every pair, which is quadratic. What is coarsened here is what no plan would
//! have kept apart: the smallest of thousands of paths, by what changes them.

use std::collections::BTreeMap;

use super::cluster::Cluster;
use super::model::Model;

/// Atoms up to which every pair is compared.
const MOST: usize = 1500;

/// The clusters themselves if they are few; or else the largest, and the others joined by how many
/// causes they have and by samples of which, as few samples as it takes.
pub(super) fn coarsen(clusters: Vec<Cluster>, model: &Model) -> Vec<Cluster> {
    if clusters.len() <= MOST {
        return clusters;
    }
    // A power of two and not a rank, so that one path more moves no other across.
    let mut least = 1.0;
    while clusters.iter().filter(|cluster| cluster.size >= least).count() > MOST / 2 {
        least *= 2.0;
    }
    let (mut coarse, small): (Vec<_>, Vec<_>) =
        clusters.into_iter().partition(|cluster| cluster.size >= least);
    let groups = (0..SAMPLES).rev().map(|samples| alike(&small, samples));
    if let Some(groups) = groups.into_iter().find(|groups| groups.len() <= MOST / 2) {
        coarse.extend(groups.into_values().map(|members| {
            let mut members = members.into_iter().map(|index| &small[index]);
            let mut joined = members.next().expect("a group has a member").clone();
            members.for_each(|member| joined.join(member, model));
            joined
        }));
    }
    coarse
}

/// Most samples of causes that tell groups apart; with none, only their number does.
const SAMPLES: u64 = 4;

/// Positions of clusters that are alike in so many samples.
fn alike(clusters: &[Cluster], samples: u64) -> BTreeMap<(u32, Vec<u64>), Vec<usize>> {
    let mut groups = BTreeMap::<_, Vec<usize>>::new();
    for (index, cluster) in clusters.iter().enumerate() {
        let reach = cluster.causes.len().ilog2();
        let drawn = (0..samples).map(|salt| cluster.causes.sample(salt)).collect();
        groups.entry((reach, drawn)).or_default().push(index);
    }
    groups
}
