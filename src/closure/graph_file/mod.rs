//! A closure that somebody wrote down: the input where there is no store, or not yet.
//!
//! | file                                          | written by                                     |
//! |-----------------------------------------------|------------------------------------------------|
//! | list of objects with a `path`                 | `nix path-info --json -r`, Nix up to 2.18      |
//! | object keyed by path, full or base name       | the same, Nix 2.19 and later                   |
//! | the same below `info`, with `version`         | Nix 2.33 and later                             |
//! | `.attrs.json`                                 | builds with `__structuredAttrs`                |
//! | `path`, deriver, count, references            | the old `exportReferencesGraph`: without sizes |
//! | `path`, hash, size, deriver, count, references | `closureInfo`'s `registration`, `nix-store --dump-db` |
//!
//! The format is told by the content, never by the name. Files are not trusted.

mod error;
mod json;
mod names;
mod text;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use layering::{StoreDir, StorePath};

pub use error::GraphFileError;

use super::PathInfo;
use names::Names;

/// What a graph file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphFile {
    /// The store directory of the paths.
    pub store_dir: StoreDir,
    /// The paths, sorted, each once. A size of 0 means that the file does not tell it.
    pub paths: Vec<PathInfo>,
}

/// Reads a graph file of any of the formats; `name` is what errors call it.
///
/// Where all paths are base names, they are taken to be in `fallback`.
pub fn parse(bytes: &[u8], name: &str, fallback: &StoreDir) -> Result<GraphFile, GraphFileError> {
    let mut names = Names::new(name);
    let infos = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => json::parse(bytes, &mut names)?,
        Some(b'/') => text::parse(bytes, &mut names)?,
        _ => return Err(GraphFileError::Format { file: name.into() }),
    };
    let mut paths: BTreeMap<StorePath, PathInfo> = BTreeMap::new();
    for info in infos {
        match paths.entry(info.path.clone()) {
            Entry::Vacant(entry) => _ = entry.insert(info),
            // Closures of one build overlap; what they say of a path must be the same.
            Entry::Occupied(entry) if *entry.get() == info => {}
            Entry::Occupied(_) => {
                return Err(GraphFileError::Conflict { file: name.into(), path: info.path });
            }
        }
    }
    let store_dir = names.store_dir().cloned().unwrap_or_else(|| fallback.clone());
    Ok(GraphFile { store_dir, paths: paths.into_values().collect() })
}
