//! nixpkgs' `layeringPipeline`: layers as a list of stages says, for those who have one already.
//!
//! A stage turns one graph into several, or several into fewer; what is left at the end is
//! flattened, and each graph is a layer. What the stages do is what `flatten-references-graph` of
//! nixpkgs does, with the same names:
//!
//! ```
//! use layering::{Pipeline, StoreDir};
//!
//! let stages = serde_json::json!([
//!     ["split_paths", ["/nix/store/00000000000000000000000000000000-python3-3.11"]],
//!     ["over", "rest", ["pipe", [["popularity_contest"], ["limit_layers", 50]]]],
//! ]);
//! assert!(Pipeline::from_json(&stages, &StoreDir::default()).is_ok());
//! ```
//!
//! Where nixpkgs breaks off with a Python error, the error here names the stage. Where it breaks
//! off without need, here it goes on: `limit_layers` of fewer layers leaves them as they are.

mod apply;
mod error;
mod parse;
mod shape;
mod split;
mod subgraph;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use serde_json::Value;

use crate::{Budget, Graph, NodeId, NodeSet, StoreDir, StorePath};
pub use error::PipelineError;
use shape::Shape;
use subgraph::Subgraph;

/// Stages, applied one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline(Vec<Stage>);

/// One step. The names in JSON are those of [`name`](Self::name). Lists of paths are sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// `{main, rest}`: the paths and what they need, and the others.
    SubcomponentOut(Vec<StorePath>),
    /// `{main, rest}`: the paths and what needs them, and the others.
    SubcomponentIn(Vec<StorePath>),
    /// `{main, common, rest}`, as far as there is any: what only the paths need, themselves among
    /// it; what the others need, too; and the others.
    SplitPaths(Vec<SplitAt>),
    /// Each path alone, the most popular first.
    PopularityContest,
    /// So many paths in each graph, the smallest paths first.
    SplitEvery(NonZeroUsize),
    /// The first graphs as they are, all others as one: never more than this.
    LimitLayers(NonZeroUsize),
    /// Without the paths, which are then in no layer.
    RemovePaths(Vec<StorePath>),
    /// A list backwards.
    Reverse,
    /// All graphs as one list.
    Flatten,
    /// Another stage on what has this key.
    Over(String, Box<Self>),
    /// Another stage on each of a list.
    Map(Box<Self>),
    /// Stages one after another.
    Pipe(Vec<Self>),
    /// These keys first, then the others.
    Reorder(Vec<String>),
}

/// Where `split_paths` cuts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SplitAt {
    Path(StorePath),
    /// Whatever these refer to.
    ChildrenOf(Vec<StorePath>),
}

impl Pipeline {
    /// Reads a list of stages, `[["popularity_contest"], ["limit_layers", 100]]`, whose paths are
    /// in `store`. From parsed JSON, so that a pipeline can be part of a larger file.
    pub fn from_json(stages: &Value, store: &StoreDir) -> Result<Self, PipelineError> {
        Ok(Self(parse::stages(stages, store)?))
    }

    /// The groups, bottom first, of the nodes of `keep`, the others being cut out of the graph, as
    /// nixpkgs' `exclude_paths` are. Paths that a stage removed are in none.
    pub(crate) fn group(
        &self,
        graph: &Graph,
        keep: &NodeSet,
        budget: Budget,
    ) -> Result<Vec<Vec<NodeId>>, PipelineError> {
        let whole = Shape::Graph(Subgraph::new(graph, keep));
        let mut groups: Vec<Vec<NodeId>> = apply::all(&self.0, whole, graph)?
            .into_graphs()
            .into_iter()
            .map(Subgraph::into_ids)
            .collect();
        groups.retain(|group| !group.is_empty());
        if groups.len() > budget.get() {
            return Err(PipelineError::TooMany { layers: groups.len(), budget });
        }
        Ok(groups)
    }
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::SubcomponentOut(_) => "subcomponent_out",
            Self::SubcomponentIn(_) => "subcomponent_in",
            Self::SplitPaths(_) => "split_paths",
            Self::PopularityContest => "popularity_contest",
            Self::SplitEvery(_) => "split_every",
            Self::LimitLayers(_) => "limit_layers",
            Self::RemovePaths(_) => "remove_paths",
            Self::Reverse => "reverse",
            Self::Flatten => "flatten",
            Self::Over(..) => "over",
            Self::Map(_) => "map",
            Self::Pipe(_) => "pipe",
            Self::Reorder(_) => "reorder",
        }
    }
}
