//! A layer as globs: `*-myapp-*,*-data`.

use std::fmt;
use std::str::FromStr;

use glob::Pattern;

use super::ByHandError;
use crate::{Graph, NodeId, StoreDir};

/// Globs of one layer, separated by commas, which no store path has.
///
/// `*`, `?` and `[…]` as in a shell. Each is tried on the full path, on `<hash>-<name>` and on the
/// name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Globs(Vec<Pattern>);

/// Why a text is no list of globs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum GlobsError {
    #[error("`{0}` has an empty glob, expected GLOB or GLOB,GLOB,…")]
    Empty(String),
    #[error("`{glob}` is not a glob: {reason} at character {at}")]
    Pattern { glob: String, reason: &'static str, at: usize },
}

impl Globs {
    /// All nodes that a glob matches, sorted. Each glob must match one.
    pub(super) fn find(&self, graph: &Graph, store: &StoreDir) -> Result<Vec<NodeId>, ByHandError> {
        let mut found = Vec::new();
        for glob in &self.0 {
            let before = found.len();
            found.extend(graph.ids().filter(|&id| {
                let path = &graph.node(id).path;
                glob.matches(path.name())
                    || glob.matches(path.as_str())
                    || glob.matches(&store.join(path))
            }));
            if found.len() == before {
                return Err(ByHandError::NoMatch(glob.to_string()));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

impl FromStr for Globs {
    type Err = GlobsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let glob = |glob: &str| match Pattern::new(glob) {
            _ if glob.is_empty() => Err(GlobsError::Empty(text.into())),
            Ok(pattern) => Ok(pattern),
            Err(e) => Err(GlobsError::Pattern { glob: glob.into(), reason: e.msg, at: e.pos + 1 }),
        };
        text.split(',').map(glob).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let globs: Vec<&str> = self.0.iter().map(Pattern::as_str).collect();
        f.write_str(&globs.join(","))
    }
}
