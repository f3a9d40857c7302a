//! From a graph and a budget to layers.

use crate::{Budget, Graph, NodeId, NodeSet, StorePath, Strategy};

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

/// Layers, bottom first: each path of the graph in exactly one of them, none empty, never more
/// than the budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    layers: Vec<Group>,
}

impl Plan {
    /// The layers, bottom first.
    pub fn layers(&self) -> &[Group] {
        &self.layers
    }
}

/// Groups the paths of `graph` into at most `budget` layers.
pub fn plan(graph: &Graph, budget: Budget, strategy: Strategy) -> Plan {
    let groups = strategy.group(graph, &NodeSet::all(graph), budget);
    Plan { layers: groups.iter().map(|ids| Group::new(graph, ids)).collect() }
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
