//! What can be wrong with a pipeline, in itself or for a graph.

use crate::{Budget, StoreDirError};

/// Why a pipeline makes no layers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PipelineError {
    #[error(
        "expected a list of stages such as [[\"popularity_contest\"], [\"limit_layers\", 100]], got {0}"
    )]
    NoStages(String),
    #[error("expected a stage such as [\"limit_layers\", 100], got {0}")]
    NoStage(String),
    #[error("no stage is called `{name}`; there are {known}")]
    Unknown { name: String, known: String },
    #[error("expected {expected}, got {got}")]
    Arguments { expected: &'static str, got: String },
    #[error(transparent)]
    Path(#[from] StoreDirError),
    #[error("it works on {expected}, and is given {got}")]
    Shape { expected: &'static str, got: String },
    #[error("there is no `{key}`, only {known}")]
    NoKey { key: String, known: String },
    #[error("layers that the pipeline makes: got {layers}, expected at most {budget}")]
    TooMany { layers: usize, budget: Budget },
    #[error("stage {number} (`{name}`): {error}")]
    Stage { number: usize, name: String, error: Box<Self> },
}

impl PipelineError {
    /// Says in which stage of a list, counted from 0, it went wrong.
    pub(super) fn at(self, index: usize, name: &str) -> Self {
        Self::Stage { number: index + 1, name: name.into(), error: Box::new(self) }
    }

    /// What a user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Stage { error, .. } => error.hint(),
            Self::TooMany { budget, .. } => Some(format!(
                "end the pipeline with [\"flatten\"], [\"limit_layers\", {budget}], or raise the number of layers"
            )),
            Self::Shape { expected, .. } if *expected == ONE_GRAPH => {
                Some("put it into [\"map\", …] or [\"over\", KEY, …]".into())
            }
            Self::Shape { expected, .. } if *expected == PARTS => None,
            Self::Shape { .. } => Some("put [\"flatten\"] before it".into()),
            _ => None,
        }
    }
}

/// What most stages work on.
pub(super) const ONE_GRAPH: &str = "one graph";

/// What `over` works on.
pub(super) const PARTS: &str = "parts by key, as `split_paths` makes them";
