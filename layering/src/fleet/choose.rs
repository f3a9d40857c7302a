//! What one image makes of a fleet plan.

use std::cmp::Reverse;

use super::{FleetPlan, members};
use crate::{Budget, Graph, NodeId, NodeSet, Strategy};

/// How many groups an image can use that has `alone` paths in none of them: a quarter of its layers
/// is for those.
pub(super) fn slots(alone: usize, budget: Budget) -> usize {
    budget.get() - alone.min(budget.get().div_ceil(4))
}

impl FleetPlan {
    /// The nodes of `keep` in at most `budget` groups, bottom first: groups of the fleet, then what
    /// the default strategy makes of the others.
    pub(crate) fn group(&self, graph: &Graph, keep: &NodeSet, budget: Budget) -> Vec<Vec<NodeId>> {
        let used = self.used(graph, keep, budget);
        let mut groups: Vec<Vec<NodeId>> = used.into_iter().map(|(_, ids)| ids).collect();
        let mut rest = keep.clone();
        for &id in groups.iter().flatten() {
            rest.remove(id);
        }
        if let Some(left) = budget.less(groups.len()) {
            groups.extend(Strategy::default().group(graph, &rest, left));
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
        let alone = keep.len() - held.iter().map(|(_, ids)| ids.len()).sum::<usize>();
        let slots = slots(alone, budget);
        if held.len() > slots {
            // Whatever is left out needs a layer, too.
            let slots = slots.min(budget.get() - 1);
            let size = |ids: &[NodeId]| {
                let sizes = ids.iter().map(|&id| graph.node(id).nar_size);
                sizes.fold(0, u64::saturating_add)
            };
            held.sort_by_cached_key(|(_, ids)| Reverse(size(ids)));
            held.truncate(slots);
            held.sort_by_key(|&(index, _)| index);
        }
        held
    }
}
