//! Fewer layers: the two that cost least together become one, again and again.

use super::cluster::Cluster;
use super::model::Model;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// There are this many.
    Count(usize),
    /// No two small ones are left that cost nothing together.
    Free,
}

/// Layers below this many bytes are merged as soon as that costs nothing.
const SMALL: f64 = 1e6;

/// Joins clusters, the cheapest pair first.
///
/// Each cluster knows its best partner; a join makes only those search anew whose partner it was.
pub(super) fn merge(clusters: &mut Vec<Cluster>, until: Until, model: &Model) {
    let mut best: Vec<Option<Partner>> =
        (0..clusters.len()).map(|index| partner(clusters, index, until, model)).collect();
    while until.wants_fewer_than(clusters.len()) {
        let pairs = best.iter().enumerate();
        let cheapest = pairs
            .filter_map(|(index, partner)| partner.map(|partner| (index, partner)))
            .min_by(|(_, a), (_, b)| a.cost.total_cmp(&b.cost));
        let Some((one, partner_of_one)) = cheapest else { break };
        let (kept, gone) = (one.min(partner_of_one.index), one.max(partner_of_one.index));
        let joined = clusters.swap_remove(gone);
        best.swap_remove(gone);
        let last = clusters.len();
        clusters[kept].join(&joined, model);
        for (index, best) in best.iter_mut().enumerate() {
            *best = match *best {
                Some(known) if index != kept && known.index != kept && known.index != gone => {
                    let index_now = if known.index == last { gone } else { known.index };
                    pair(clusters, index, kept, until, model, known.cost)
                        .or(Some(Partner { index: index_now, ..known }))
                }
                None if index != kept => pair(clusters, index, kept, until, model, f64::INFINITY),
                _ => partner(clusters, index, until, model),
            };
        }
    }
}

impl Until {
    fn wants_fewer_than(self, count: usize) -> bool {
        match self {
            Self::Count(most) => count > most,
            Self::Free => true,
        }
    }

    /// What a pair may cost at most.
    fn limit(self, one: &Cluster, other: &Cluster) -> f64 {
        match self {
            Self::Count(_) => f64::INFINITY,
            Self::Free if one.size + other.size < SMALL => 0.0,
            Self::Free => f64::NEG_INFINITY,
        }
    }
}

/// With whom to join.
#[derive(Clone, Copy, Debug)]
struct Partner {
    index: usize,
    cost: f64,
}

/// The cheapest partner of the cluster at `index`.
fn partner(clusters: &[Cluster], index: usize, until: Until, model: &Model) -> Option<Partner> {
    (0..clusters.len()).filter(|&other| other != index).fold(
        None,
        |best: Option<Partner>, other| {
            let limit = best.map_or(f64::INFINITY, |best| best.cost);
            pair(clusters, index, other, until, model, limit).or(best)
        },
    )
}

/// The partner `other`, if it costs less than `limit`.
fn pair(
    clusters: &[Cluster],
    index: usize,
    other: usize,
    until: Until,
    model: &Model,
    limit: f64,
) -> Option<Partner> {
    if index == other {
        return None;
    }
    let (one, two) = (&clusters[index], &clusters[other]);
    let limit = limit.min(until.limit(one, two));
    one.join_cost(two, model, limit).map(|cost| Partner { index: other, cost })
}
