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
/// Each cluster knows its best partner, and what the others cost at least. Where a join took the
/// partner away, that bound is left, and most bounds are never put to the test.
pub(super) fn merge(clusters: &mut Vec<Cluster>, until: Until, model: &Model) {
    let mut best: Vec<Best> =
        (0..clusters.len()).map(|index| partner(clusters, index, until, model)).collect();
    while until.wants_fewer_than(clusters.len()) {
        let costs = best.iter().enumerate().map(|(index, best)| (index, best.cost()));
        let Some((one, cost)) = costs.min_by(|(_, a), (_, b)| a.total_cmp(b)) else { break };
        if cost == f64::INFINITY {
            break;
        }
        let Best::Partner { index: other, .. } = best[one] else {
            best[one] = partner(clusters, one, until, model);
            continue;
        };
        let (kept, gone) = (one.min(other), one.max(other));
        let joined = clusters.swap_remove(gone);
        best.swap_remove(gone);
        let last = clusters.len();
        clusters[kept].join(&joined, model);
        for (index, best) in best.iter_mut().enumerate() {
            if index == kept {
                *best = partner(clusters, index, until, model);
                continue;
            }
            if let Best::Partner { index: other, others, .. } = best {
                if *other == kept || *other == gone {
                    *best = Best::AtLeast(*others);
                } else if *other == last {
                    *other = gone;
                }
            }
            if let Some(cost) = pair(clusters, index, kept, until, model, best.limit()) {
                *best = best.or(kept, cost);
            }
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
enum Best {
    /// With the cluster at `index`; all others cost at least `others`.
    Partner { index: usize, cost: f64, others: f64 },
    /// Not known, but all cost at least this; infinite if there is nobody.
    AtLeast(f64),
}

impl Best {
    fn cost(self) -> f64 {
        let (Self::Partner { cost, .. } | Self::AtLeast(cost)) = self;
        cost
    }

    /// Below this, a cost makes a difference.
    fn limit(self) -> f64 {
        let (Self::Partner { others: limit, .. } | Self::AtLeast(limit)) = self;
        limit
    }

    /// With one more to choose from, whose `cost` is below the limit.
    fn or(self, new: usize, new_cost: f64) -> Self {
        match self {
            Self::Partner { index, cost, .. } if cost <= new_cost => {
                Self::Partner { index, cost, others: new_cost }
            }
            _ => Self::Partner { index: new, cost: new_cost, others: self.cost() },
        }
    }
}

/// The cheapest partner of the cluster at `index`.
fn partner(clusters: &[Cluster], index: usize, until: Until, model: &Model) -> Best {
    (0..clusters.len()).filter(|&other| other != index).fold(
        Best::AtLeast(f64::INFINITY),
        |best, other| match pair(clusters, index, other, until, model, best.limit()) {
            Some(cost) => best.or(other, cost),
            None => best,
        },
    )
}

/// What it costs to join two clusters, if that is less than `limit`.
fn pair(
    clusters: &[Cluster],
    index: usize,
    other: usize,
    until: Until,
    model: &Model,
    limit: f64,
) -> Option<f64> {
    let (one, two) = (&clusters[index], &clusters[other]);
    one.join_cost(two, model, limit.min(until.limit(one, two)))
}
