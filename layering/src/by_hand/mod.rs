//! Layers that somebody made by hand; a planner lays out the rest.

mod globs;
mod lists;

pub use globs::{Globs, GlobsError};
use lists::PathList;
pub use lists::{PathLists, PathListsError};

use crate::{Budget, Graph, NodeId, NodeSet, StoreDir, StorePath};

/// Layers made by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByHand {
    /// Of the paths, for globs that name it.
    pub store: StoreDir,
    /// The lowest layers, from the bottom up, as in nixpkgs' `store_layers`.
    pub lists: PathLists,
    /// The topmost layers, from below: an application or its data, as a rule.
    pub globs: Vec<Globs>,
}

/// Why layers made by hand do not fit a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ByHandError {
    #[error("no path of the closure matches `{0}`")]
    NoMatch(String),
    #[error("{layer} has `{path}`, which is not in the closure")]
    NotThere { layer: String, path: StorePath },
    #[error("`{path}` is in two layers made by hand: {first} and {second}")]
    Twice { path: StorePath, first: String, second: String },
    #[error("layers made by hand: got {made}, expected at most {budget}")]
    TooMany { made: usize, budget: Budget },
    #[error(
        "the budget of {budget} is used up by layers made by hand, and {rest} of the paths are in none of them"
    )]
    NoneLeft { rest: usize, budget: Budget },
}

impl ByHandError {
    /// What a user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoMatch(_) => {
                "a glob matches all of `/nix/store/HASH-NAME`, of `HASH-NAME` or of `NAME`; `*NAME*` finds it anywhere"
            }
            Self::NotThere { .. } => "take the path out, or name a root that needs it",
            Self::Twice { .. } => "take the path out of one of them, or use a narrower glob",
            Self::TooMany { .. } | Self::NoneLeft { .. } => {
                "make fewer by hand, or raise the number of layers"
            }
        }
    }
}

/// Layers made by hand, found in a graph.
pub(crate) struct Placed {
    /// From the bottom up.
    pub(crate) groups: Vec<Vec<NodeId>>,
    /// From below to the top.
    pub(crate) above: Vec<Vec<NodeId>>,
    /// All other nodes; none if `groups` and `above` use up the budget.
    pub(crate) rest: NodeSet,
}

impl ByHand {
    /// Finds the paths in `graph`.
    pub(crate) fn place(&self, graph: &Graph, budget: Budget) -> Result<Placed, ByHandError> {
        let lists = self.lists.0.iter().map(|PathList { number, paths }| {
            let name = format!("list {number}");
            let find = |path: &StorePath| {
                let missing = || ByHandError::NotThere { layer: name.clone(), path: path.clone() };
                graph.find(path).ok_or_else(missing)
            };
            let ids = paths.iter().map(find).collect::<Result<Vec<_>, _>>()?;
            Ok((name, ids))
        });
        let globs = self
            .globs
            .iter()
            .map(|globs| Ok((format!("`{globs}`"), globs.find(graph, &self.store)?)));
        let layers: Vec<(String, Vec<NodeId>)> =
            lists.chain(globs).collect::<Result<_, ByHandError>>()?;

        let made = layers.len();
        if made > budget.get() {
            return Err(ByHandError::TooMany { made, budget });
        }
        let mut rest = NodeSet::all(graph);
        for (index, (second, ids)) in layers.iter().enumerate() {
            if let Some(twice) = ids.iter().find(|&&id| !rest.contains(id)) {
                let has_it = |layer: &&(String, Vec<NodeId>)| layer.1.contains(twice);
                let first = layers[..index].iter().find(has_it);
                return Err(ByHandError::Twice {
                    path: graph.node(*twice).path.clone(),
                    first: first.map(|(name, _)| name.clone()).unwrap_or_default(),
                    second: second.clone(),
                });
            }
            for &id in ids {
                rest.remove(id);
            }
        }
        if made == budget.get() && !rest.is_empty() {
            return Err(ByHandError::NoneLeft { rest: rest.len(), budget });
        }
        let mut groups: Vec<Vec<NodeId>> = layers.into_iter().map(|(_, ids)| ids).collect();
        let above = groups.split_off(self.lists.0.len());
        Ok(Placed { groups, above, rest })
    }
}
