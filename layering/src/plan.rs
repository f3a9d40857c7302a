//! From a graph and a budget to layers.

use crate::by_hand::Placed;
use crate::fleet::FleetPlan;
use crate::{
    Budget, ByHand, ByHandError, Graph, NodeId, NodeSet, Pipeline, PipelineError, StorePath,
    Strategy,
};

/// The paths of one layer, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its paths, sorted, never empty.
    pub paths: Vec<StorePath>,
    /// Sum of their NAR sizes, in bytes.
    pub nar_size: u64,
}

impl Group {
    fn new(graph: &Graph, ids: &[NodeId]) -> Self {
        let mut paths: Vec<_> = ids.iter().map(|&id| graph.node(id).path.clone()).collect();
        paths.sort();
        let sizes = ids.iter().map(|&id| graph.node(id).nar_size);
        Self { paths, nar_size: sizes.fold(0, u64::saturating_add) }
    }
}

/// Layers, bottom first: each path of the graph in exactly one of them, but for those that a
/// [`Pipeline`] leaves out; none empty, never more than the budget.
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

    /// The paths that are in no layer, sorted: those that a pipeline removes, and no others.
    pub fn left_out(&self) -> &[StorePath] {
        &self.left_out
    }

    fn new(graph: &Graph, groups: &[Vec<NodeId>]) -> Self {
        let mut missing = NodeSet::all(graph);
        for &id in groups.iter().flatten() {
            missing.remove(id);
        }
        let left_out = graph.ids().filter(|&id| missing.contains(id));
        Self {
            layers: groups.iter().map(|ids| Group::new(graph, ids)).collect(),
            left_out: left_out.map(|id| graph.node(id).path.clone()).collect(),
        }
    }
}

/// Groups the paths of `graph` into at most `budget` layers.
pub fn plan(graph: &Graph, budget: Budget, strategy: Strategy) -> Plan {
    Plan::new(graph, &strategy.group(graph, &NodeSet::all(graph), budget))
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

/// Groups the paths of `graph` into at most `budget` layers, some of them made by hand: lists at
/// the bottom, then what `planner` makes of the rest, then globs.
///
/// A strategy knows the whole graph, including what was grouped by hand. A pipeline sees a graph
/// without it.
pub fn plan_around(
    graph: &Graph,
    budget: Budget,
    by_hand: &ByHand,
    planner: &Planner,
) -> Result<Plan, PlanError> {
    let Placed { mut groups, above, rest } = by_hand.place(graph, budget)?;
    // Without it, nothing is left to group.
    if let Some(budget) = budget.less(groups.len() + above.len()) {
        groups.extend(match planner {
            Planner::Strategy(strategy) => strategy.group(graph, &rest, budget),
            Planner::Pipeline(pipeline) => pipeline.group(graph, &rest, budget)?,
            Planner::Fleet(fleet) => fleet.group(graph, &rest, budget),
        });
    }
    groups.extend(above);
    Ok(Plan::new(graph, &groups))
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
