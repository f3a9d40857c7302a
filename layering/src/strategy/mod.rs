//! How paths are grouped, one file for each way.
//!
//! Each groups the nodes of a set `keep`, which may leave some out: the others have a layer of
//! their own elsewhere. All know the whole graph's references and sizes.

mod auto;
mod nix2container;
mod popularity;
mod size;

use std::fmt;
use std::str::FromStr;

use crate::optimal::{self, Scope};
use crate::{Budget, Graph, NodeId, NodeSet};

pub use popularity::by_popularity;
pub(crate) use popularity::{name_first, popularity};

/// How paths are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// What is expected to move the fewest bytes over all updates.
    #[default]
    Optimal,
    /// nixpkgs' `references-by-popularity`: the most popular paths alone, the rest together.
    Popularity,
    /// nixpkgs' `auto-layer.py`: the largest paths with what only they need, and what several of
    /// them share by who shares it.
    Auto,
    /// guix's `pack --max-layers`: the largest paths alone, the rest together.
    Size,
    /// nix2container's `maxLayers`: the paths that most ways lead to alone, the rest together.
    Nix2container,
}

impl Strategy {
    /// Every strategy, for help texts.
    pub const ALL: [Self; 5] =
        [Self::Optimal, Self::Popularity, Self::Auto, Self::Size, Self::Nix2container];

    /// Its name on the command line and in plan files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Optimal => "optimal",
            Self::Popularity => "popularity",
            Self::Auto => "auto",
            Self::Size => "size",
            Self::Nix2container => "nix2container",
        }
    }

    /// The nodes of `keep` in at most `budget` groups, bottom first, none empty.
    pub(crate) fn group(
        self,
        graph: &Graph,
        keep: &NodeSet,
        budget: Budget,
        scope: Scope,
    ) -> Vec<Vec<NodeId>> {
        let order = match self {
            Self::Optimal => return optimal::group(graph, keep, budget, scope),
            Self::Popularity => by_popularity(graph),
            Self::Auto => return auto::group(graph, keep, budget),
            Self::Size => size::by_size(graph),
            Self::Nix2container => nix2container::by_ways(graph),
        };
        first_alone_rest_together(order.into_iter().filter(|&id| keep.contains(id)), budget)
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

/// nixpkgs' `limit_layers`: all but the last layer hold one path.
fn first_alone_rest_together(
    order: impl Iterator<Item = NodeId>,
    budget: Budget,
) -> Vec<Vec<NodeId>> {
    let mut groups: Vec<Vec<NodeId>> = order.map(|id| vec![id]).collect();
    if groups.len() > budget.get() {
        let rest = groups.split_off(budget.get() - 1).concat();
        groups.push(rest);
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
}
