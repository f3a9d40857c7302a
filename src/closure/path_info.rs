//! What is known about one path of a closure, wherever it was learnt.

use layering::{Row, StorePath};

use super::NarHash;

/// One path with its size, its hash and what it refers to: Nix's `ValidPathInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// The path.
    pub path: StorePath,
    /// SHA-256 of its NAR; a scan finds it only when asked to.
    pub nar_hash: Option<NarHash>,
    /// Size of its NAR; 0 if the source does not tell, which no real NAR has.
    pub nar_size: u64,
    /// What it refers to: sorted, without repeats, itself among them if its bytes name it.
    pub references: Vec<StorePath>,
    /// The derivation that built it.
    pub deriver: Option<StorePath>,
    /// When it came into the store, in seconds since 1970.
    pub registration_time: Option<u64>,
    /// Whether it was built in its store rather than copied into it.
    pub ultimate: bool,
    /// `<key name>:<base64>`, sorted.
    pub signatures: Vec<String>,
    /// How its content was addressed, as in `fixed:r:sha256:<base32>`.
    pub ca: Option<String>,
}

impl PathInfo {
    /// A path of which only size and references are known; they are sorted here.
    pub fn new(path: StorePath, nar_size: u64, mut references: Vec<StorePath>) -> Self {
        references.sort();
        references.dedup();
        Self {
            path,
            nar_hash: None,
            nar_size,
            references,
            deriver: None,
            registration_time: None,
            ultimate: false,
            signatures: Vec::new(),
            ca: None,
        }
    }

    /// The part that planning needs.
    pub fn row(&self) -> Row {
        Row {
            path: self.path.clone(),
            nar_size: self.nar_size,
            references: self.references.clone(),
        }
    }
}
