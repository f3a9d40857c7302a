//! From a graph and a budget to layers.

use crate::by_hand::Placed;
use crate::fleet::FleetPlan;
use crate::memory::Kept;
use crate::optimal::Scope;
use crate::{
    Budget, ByHand, ByHandError, Graph, Memory, NodeId, NodeSet, Pipeline, PipelineError,
    StorePath, Strategy,
};

/// The paths of one layer, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its paths, dead ones included: sorted, never empty.
    pub paths: Vec<StorePath>,
    /// Those of them that are not in the graph: an earlier image had them, and its layer is kept.
    pub dead: Vec<StorePath>,
    /// Sum of the NAR sizes of `paths`, in bytes.
    pub nar_size: u64,
    /// Sum of the NAR sizes of `dead`, in bytes.
    pub dead_size: u64,
}

impl Group {
    fn new(graph: &Graph, ids: &[NodeId]) -> Self {
        let mut paths: Vec<_> = ids.iter().map(|&id| graph.node(id).path.clone()).collect();
        paths.sort();
        let nar_size = graph.nar_size(ids.iter().copied());
        Self { paths, dead: Vec::new(), nar_size, dead_size: 0 }
    }

    fn kept(graph: &Graph, Kept { live, dead, dead_size }: Kept) -> Self {
        let mut group = Self::new(graph, &live);
        group.paths.extend(dead.iter().cloned());
        group.paths.sort();
        let nar_size = group.nar_size.saturating_add(dead_size);
        Self { dead, nar_size, dead_size, ..group }
    }
}

/// Layers, bottom first: each path of the graph in exactly one of them, but for those that a
/// [`Pipeline`] leaves out; none without such a path, never more than the budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    layers: Vec<Group>,
    left_out: Vec<StorePath>,
}

impl Plan {
    /// The layers, bottom first.
    pub fn layers(&self) -> &[Group] {
        &self.layers
    }

    /// The paths in kept layers that are not in the graph, bottom layer first.
    pub fn dead(&self) -> impl Iterator<Item = &StorePath> {
        self.layers.iter().flat_map(|layer| &layer.dead)
    }

    /// Sum of their NAR sizes, in bytes.
    pub fn dead_size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.dead_size).fold(0, u64::saturating_add)
    }

    /// The paths that are in no layer, sorted: those that a pipeline removes, and no others.
    pub fn left_out(&self) -> &[StorePath] {
        &self.left_out
    }

    fn new(graph: &Graph, layers: Vec<Group>) -> Self {
        let mut missing = NodeSet::all(graph);
        let paths = layers.iter().flat_map(|layer| &layer.paths);
        for id in paths.filter_map(|path| graph.find(path)) {
            missing.remove(id);
        }
        let left_out = graph.ids().filter(|&id| missing.contains(id));
        Self { layers, left_out: left_out.map(|id| graph.node(id).path.clone()).collect() }
    }
}

/// Groups the paths of `graph` into at most `budget` layers.
pub fn plan(graph: &Graph, budget: Budget, strategy: Strategy) -> Plan {
    let groups = strategy.group(graph, &NodeSet::all(graph), budget, Scope::All);
    Plan::new(graph, groups.iter().map(|ids| Group::new(graph, ids)).collect())
}

/// What groups the paths that no hand has grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planner {
    /// It always can.
    Strategy(Strategy),
    /// It may not fit the graph or the budget.
    Pipeline(Pipeline),
    /// What many images share, as far as this one has it; then the default strategy.
    Fleet(FleetPlan),
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PlanError {
    #[error(transparent)]
    ByHand(#[from] ByHandError),
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

impl PlanError {
    /// What a user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ByHand(error) => Some(error.hint().into()),
            Self::Pipeline(error) => error.hint(),
        }
    }
}

/// Groups the paths of `graph` into at most `budget` layers: lists made by hand at the bottom, then
/// what is kept of an earlier image, then what `planner` makes of the rest, then globs.
///
/// A strategy knows the whole graph, including what was grouped before. A pipeline sees a graph
/// without it.
pub fn plan_around(
    graph: &Graph,
    budget: Budget,
    by_hand: &ByHand,
    memory: &Memory,
    planner: &Planner,
) -> Result<Plan, PlanError> {
    let Placed { groups, above, mut rest } = by_hand.place(graph, budget)?;
    let made = |groups: Vec<Vec<NodeId>>| -> Vec<Group> {
        groups.iter().map(|ids| Group::new(graph, ids)).collect()
    };
    let (mut layers, above) = (made(groups), made(above));
    // Without it, nothing is left to group.
    if let Some(budget) = budget.less(layers.len() + above.len()) {
        let kept = memory.keep(graph, &mut rest, budget);
        let left = budget.less(kept.len());
        let scope = if kept.is_empty() { Scope::All } else { Scope::Update };
        layers.extend(kept.into_iter().map(|kept| Group::kept(graph, kept)));
        if let Some(budget) = left {
            layers.extend(made(match planner {
                Planner::Strategy(strategy) => strategy.group(graph, &rest, budget, scope),
                Planner::Pipeline(pipeline) => pipeline.group(graph, &rest, budget)?,
                Planner::Fleet(fleet) => fleet.group(graph, &rest, budget, scope),
            }));
        }
    }
    layers.extend(above);
    Ok(Plan::new(graph, layers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_graph_has_no_layers() {
        let plan = plan(&Graph::default(), Budget::default(), Strategy::default());
        assert!(plan.layers().is_empty());
    }
}
