//! From a graph and a budget to layers.

use std::fmt;
use std::str::FromStr;

use crate::{Budget, Graph, NodeId, StorePath, by_popularity};

/// How paths are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// nixpkgs' `references-by-popularity`: the most popular paths alone, the rest together.
    #[default]
    Popularity,
}

impl Strategy {
    /// Every strategy, for help texts.
    pub const ALL: [Self; 1] = [Self::Popularity];

    /// Its name on the command line and in plan files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Popularity => "popularity",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A strategy that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no strategy is called `{0}`; there are {known}", known = Strategy::ALL.map(Strategy::name).join(", "))]
pub struct UnknownStrategy(String);

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|strategy| strategy.name() == text);
        found.ok_or_else(|| UnknownStrategy(text.into()))
    }
}

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
    let groups = match strategy {
        Strategy::Popularity => first_alone_rest_together(&by_popularity(graph), budget),
    };
    Plan { layers: groups.iter().map(|ids| Group::new(graph, ids)).collect() }
}

/// nixpkgs' `limit_layers`: all but the last layer hold one path.
fn first_alone_rest_together(order: &[NodeId], budget: Budget) -> Vec<Vec<NodeId>> {
    let alone = if order.len() <= budget.get() { order.len() } else { budget.get() - 1 };
    let (first, rest) = order.split_at(alone);
    let mut groups: Vec<Vec<NodeId>> = first.iter().map(|&id| vec![id]).collect();
    if !rest.is_empty() {
        groups.push(rest.to_vec());
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_found_by_name() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.name().parse(), Ok(strategy));
        }
        assert!("best".parse::<Strategy>().is_err());
    }

    #[test]
    fn an_empty_graph_has_no_layers() {
        let plan = plan(&Graph::default(), Budget::default(), Strategy::default());
        assert!(plan.layers().is_empty());
    }
}
