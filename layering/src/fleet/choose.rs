//! What one image makes of a fleet plan.

use std::cmp::Reverse;

use super::{FleetPlan, members};
use crate::optimal::Scope;
use crate::{Budget, Graph, NodeId, NodeSet, Strategy};

/// How many groups an image can use that has `alone` paths in none of them: a quarter of its layers
/// is for those.
pub(super) fn slots(alone: usize, budget: Budget) -> usize {
    budget.get() - alone.min(budget.get().div_ceil(4))
}

impl FleetPlan {
    /// The nodes of `keep` in at most `budget` groups, bottom first: groups of the fleet, then what
    /// the default strategy makes of the others.
    pub(crate) fn group(
        &self,
        graph: &Graph,
        keep: &NodeSet,
        budget: Budget,
        scope: Scope,
    ) -> Vec<Vec<NodeId>> {
        let used = self.used(graph, keep, budget);
        let mut groups: Vec<Vec<NodeId>> = used.into_iter().map(|(_, ids)| ids).collect();
        let mut rest = keep.clone();
        for &id in groups.iter().flatten() {
            rest.remove(id);
        }
        if let Some(left) = budget.less(groups.len()) {
            groups.extend(Strategy::default().group(graph, &rest, left, scope));
        }
        groups
    }

    /// The groups of which more than half is in `keep`, by index, and what of them is there; the
    /// largest if there are too many. In the order of the plan, since what many images have belongs
    /// at the bottom.
    ///
    /// Not only whole groups: where one path has gone since the plan was made, the others are still
    /// the same in all images.
    pub(super) fn used(
        &self,
        graph: &Graph,
        keep: &NodeSet,
        budget: Budget,
    ) -> Vec<(usize, Vec<NodeId>)> {
        let mut held: Vec<(usize, Vec<NodeId>)> = members::find(self, graph, keep)
            .into_iter()
            .enumerate()
            .filter(|(index, ids)| 2 * ids.len() > self.groups()[*index].paths.len())
            .collect();
        let least = least(graph, keep, budget);
        held.retain(|(_, ids)| bytes(graph, ids) >= least);
        let alone = keep.len() - held.iter().map(|(_, ids)| ids.len()).sum::<usize>();
        let slots = slots(alone, budget);
        if held.len() > slots {
            // Whatever is left out needs a layer, too.
            let slots = slots.min(budget.get() - 1);
            held.sort_by_cached_key(|(_, ids)| Reverse(bytes(graph, ids)));
            held.truncate(slots);
            held.sort_by_key(|&(index, _)| index);
        }
        held
    }
}

/// What a group must have to be worth a layer.
///
/// Of s bytes in k layers, a change of one pulls about s / k, and s / (k (k + 1)) less with a layer
/// more. A group that is smaller than twice that saves more as a layer for other paths. Where all
/// paths can be alone, a layer costs nothing.
fn least(graph: &Graph, keep: &NodeSet, budget: Budget) -> u128 {
    if keep.len() <= budget.get() {
        return 0;
    }
    let kept: Vec<NodeId> = graph.ids().filter(|&id| keep.contains(id)).collect();
    2 * bytes(graph, &kept) / (budget.get() * (budget.get() + 1)) as u128
}

fn bytes(graph: &Graph, ids: &[NodeId]) -> u128 {
    ids.iter().map(|&id| u128::from(graph.node(id).nar_size)).sum()
}
