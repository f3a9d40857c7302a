//! Layers as lists of paths, from JSON.

use serde_json::Value;

use crate::json::{paths, shown};
use crate::{StoreDir, StoreDirError, StorePath};

/// Layers as lists of paths, bottom first; each list sorted, and none empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathLists(pub(super) Vec<PathList>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathList {
    /// Which of its file it is, counted from 1.
    pub(super) number: usize,
    pub(super) paths: Vec<StorePath>,
}

/// Why JSON is no list of lists of paths.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PathListsError {
    #[error("expected a list of lists of store paths, or a plan, got {0}")]
    NoLists(String),
    #[error("list {number}: expected store paths, got {got}")]
    NoPaths { number: usize, got: String },
    #[error("list {number}: {error}")]
    Path { number: usize, error: StoreDirError },
}

impl PathLists {
    /// Reads `[[PATH, …], …]`, as nixpkgs' `store_layers` are written, or a plan of ours,
    /// `{"layers": [{"paths": [PATH, …]}, …]}`. The paths are in `store`; empty lists are passed
    /// over, since nixpkgs writes some.
    pub fn from_json(value: &Value, store: &StoreDir) -> Result<Self, PathListsError> {
        let lists = value.get("layers").unwrap_or(value).as_array();
        let lists = lists.ok_or_else(|| PathListsError::NoLists(shown(value)))?;
        let list = |(index, value): (usize, &Value)| {
            let number = index + 1;
            let list = paths(value.get("paths").unwrap_or(value), store);
            let paths = list
                .ok_or_else(|| PathListsError::NoPaths { number, got: shown(value) })?
                .map_err(|error| PathListsError::Path { number, error })?;
            Ok(PathList { number, paths })
        };
        let mut lists: Vec<_> =
            lists.iter().enumerate().map(list).collect::<Result<_, PathListsError>>()?;
        lists.retain(|list| !list.paths.is_empty());
        Ok(Self(lists))
    }
}
