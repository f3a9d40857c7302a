//! Fewer atoms to look at: in a large closure most paths are tiny, and tiny ones that are alike go
//! together from the start.
//!
//! Merging compares every pair, which is quadratic; and it joins the cheapest pair and no better
//! one later, so that with a hundred paths for each layer it goes astray. Both are better for
//! having the smallest paths sorted first by what changes them.

use std::collections::BTreeMap;

use super::cluster::Cluster;
use super::model::Model;

/// So many atoms for each layer are looked at one by one.
const FOR_EACH: usize = 12;

/// But at least so many,
const FEW: usize = 100;

/// and at most so many, or a plan would take more than a tenth of a second.
const MANY: usize = 960;

/// The clusters themselves if they are few for `count` layers; or else the largest, and the others
/// joined by how many causes they have and by samples of which, in as much detail as there is room
/// for.
pub(super) fn coarsen(clusters: Vec<Cluster>, count: usize, model: &Model) -> Vec<Cluster> {
    let most = (FOR_EACH * count).clamp(FEW, MANY);
    if clusters.len() <= most {
        return clusters;
    }
    // A step of a fixed scale and not a rank, so that one path more moves no other across.
    let mut least = 1.0;
    while clusters.iter().filter(|cluster| cluster.size >= least).count() > most / 2 {
        least *= 1.25;
    }
    let (mut coarse, small): (Vec<_>, Vec<_>) =
        clusters.into_iter().partition(|cluster| cluster.size >= least);
    let mut finer = DETAIL.iter().map(|&detail| alike(&small, detail));
    let groups = finer.find(|groups| groups.len() <= most / 2);
    let groups = groups.unwrap_or_else(|| alike(&small, LEAST_DETAIL));
    coarse.extend(groups.into_values().map(|members| {
        let mut members = members.into_iter().map(|index| &small[index]);
        let first = members.next().expect("a group has a member").clone();
        first.joined(members, model)
    }));
    coarse
}

/// How many samples of causes tell groups apart, and in how many values.
const DETAIL: [(u64, u64); 7] =
    [(3, u64::MAX), (2, u64::MAX), (1, u64::MAX), (1, 256), (1, 128), (1, 64), (1, 16)];

/// Only how many causes there are: a dozen groups.
const LEAST_DETAIL: (u64, u64) = (0, 1);

/// Positions of clusters that are alike in so much detail.
fn alike(
    clusters: &[Cluster],
    (samples, values): (u64, u64),
) -> BTreeMap<(u32, Vec<u64>), Vec<usize>> {
    let mut groups = BTreeMap::<_, Vec<usize>>::new();
    for (index, cluster) in clusters.iter().enumerate() {
        let reach = cluster.causes.len().ilog2();
        let drawn = (0..samples).map(|salt| cluster.causes.sample(salt) % values).collect();
        groups.entry((reach, drawn)).or_default().push(index);
    }
    groups
}
