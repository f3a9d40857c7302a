//! What an image says of each of its store paths: the closure that it was made from.
//!
//! It stands in the history entry of the path's layer, as the word `paths=` of `created_by`, one
//! record for each path of the entry's list in that order, with commas in between. Copying tools keep
//! the configuration to the byte, and images that are made on top keep the history; readers that do not
//! know the word pass over it. 75 bytes a path, beside the 65 of its name.
//!
//! ```text
//! NARHASH:NARSIZE:REFERENCES[:root]
//! ```
//!
//! The hash is SHA-256 in base 64 without padding, the size is in bytes. References are positions,
//! separated by dots, in the list of all paths of this image's own layers, bottom layer first: numbers
//! instead of names are what keeps it small. A path does not count among its own references. `-` stands
//! for what is not known: of paths that are kept from an image of before, nobody says any more to what
//! they refer; and nothing says which hash a path has of which a file is left out.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64_NOPAD;
use layering::StorePath;

use super::layer::Layer;
use crate::closure::{Closure, NarHash, PathInfo};

/// One path's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathRecord {
    /// The hash of its NAR.
    pub nar_hash: Option<NarHash>,
    /// The size of its NAR in bytes.
    pub nar_size: Option<u64>,
    /// To which paths it refers, by their positions.
    pub references: Option<Vec<usize>>,
    /// Whether the image was asked for it, and has it not just because another needs it.
    pub root: bool,
}

/// A text that is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected NARHASH:NARSIZE:REFERENCES")]
pub struct NoRecord;

const UNKNOWN: &str = "-";
const ROOT: &str = "root";

impl fmt::Display for PathRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.nar_hash {
            Some(hash) => write!(f, "{}:", BASE64_NOPAD.encode_display(hash.as_bytes()))?,
            None => write!(f, "{UNKNOWN}:")?,
        }
        match self.nar_size {
            Some(size) => write!(f, "{size}:")?,
            None => write!(f, "{UNKNOWN}:")?,
        }
        match &self.references {
            Some(references) => {
                for (at, reference) in references.iter().enumerate() {
                    write!(f, "{}{reference}", if at > 0 { "." } else { "" })?;
                }
            }
            None => f.write_str(UNKNOWN)?,
        }
        if self.root { write!(f, ":{ROOT}") } else { Ok(()) }
    }
}

impl FromStr for PathRecord {
    type Err = NoRecord;

    fn from_str(text: &str) -> Result<Self, NoRecord> {
        let fields: Vec<&str> = text.split(':').collect();
        let (hash, size, references, root) = match fields[..] {
            [hash, size, references] => (hash, size, references, false),
            [hash, size, references, ROOT] => (hash, size, references, true),
            _ => return Err(NoRecord),
        };
        let nar_hash = known(hash, || {
            let bytes = BASE64_NOPAD.decode(hash.as_bytes()).ok()?;
            Some(NarHash::from_bytes(bytes.try_into().ok()?))
        })?;
        let nar_size = known(size, || size.parse().ok())?;
        let references = known(references, || match references {
            "" => Some(Vec::new()),
            list => list.split('.').map(|at| at.parse().ok()).collect(),
        })?;
        Ok(Self { nar_hash, nar_size, references, root })
    }
}

/// What a field says, unless it is not known.
fn known<T>(text: &str, parse: impl FnOnce() -> Option<T>) -> Result<Option<T>, NoRecord> {
    if text == UNKNOWN { Ok(None) } else { parse().map(Some).ok_or(NoRecord) }
}

/// The records of a closure's paths, as the layers of an image have them.
#[derive(Debug)]
pub(super) struct Records<'a> {
    /// What is known of each, and whether that is all.
    infos: BTreeMap<&'a StorePath, (&'a PathInfo, bool)>,
    positions: BTreeMap<&'a StorePath, usize>,
    closure: &'a Closure,
}

impl<'a> Records<'a> {
    /// `paths` are those of all layers, bottom layer first.
    pub(super) fn new(
        closure: &'a Closure,
        dead: &'a [PathInfo],
        paths: impl Iterator<Item = &'a StorePath>,
    ) -> Self {
        let dead = dead.iter().map(|info| (&info.path, (info, false)));
        let live = closure.paths.iter().map(|info| (&info.path, (info, true)));
        let infos = dead.chain(live).collect();
        let positions = paths.enumerate().map(|(at, path)| (path, at)).collect();
        Self { infos, positions, closure }
    }

    /// The word for a layer's history entry; `None` if it has no store paths.
    pub(super) fn word(&self, layer: &Layer) -> Option<String> {
        let records: Vec<String> = layer
            .paths
            .iter()
            .enumerate()
            .map(|(at, path)| {
                let hash = layer.nar_hashes.get(at).copied().flatten();
                self.record(path, hash.filter(|_| layer.omitted.is_empty())).to_string()
            })
            .collect();
        (!records.is_empty()).then(|| format!("paths={}", records.join(",")))
    }

    fn record(&self, path: &StorePath, nar_hash: Option<NarHash>) -> PathRecord {
        let info = self.infos.get(path);
        // A closed graph has them all, so that none is dropped here.
        let references = info.filter(|(_, is_live)| *is_live).map(|(info, _)| {
            let others = info.references.iter().filter(|reference| *reference != path);
            let mut references: Vec<usize> =
                others.filter_map(|reference| self.positions.get(reference).copied()).collect();
            references.sort_unstable();
            references
        });
        PathRecord {
            nar_hash,
            nar_size: info.map(|(info, _)| info.nar_size).filter(|&size| size > 0),
            references,
            root: self.closure.roots.iter().any(|root| root.path == *path),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            hash: Option<[u8; 32]>, nar_size: Option<u64>,
            references: Option<Vec<usize>>, root: bool,
        ) {
            let nar_hash = hash.map(NarHash::from_bytes);
            let record = PathRecord { nar_hash, nar_size, references, root };
            let text = record.to_string();
            prop_assert!(!text.contains([' ', ',']), "{}", text);
            prop_assert_eq!(text.parse(), Ok(record));
        }

        #[test]
        fn other_texts_are_refused(text in "[-:.0-9a-z]{0,60}") {
            let _ = text.parse::<PathRecord>();
        }
    }
}
