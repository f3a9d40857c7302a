//! What a layer is made from: store paths, or a few files at the root of the image.

use std::fmt::Write as _;
use std::path::PathBuf;

use layering::{Group, StorePath};
use registry::Digest;

use super::layer::LayerOptions;
use crate::closure::NarHash;

/// Raised whenever the same store paths would give another tar than before.
const TAR_VERSION: u32 = 2;

/// The recipe of a layer: the same bytes each time it is carried out.
#[derive(Clone, Debug)]
pub enum Source {
    /// Store paths.
    Store {
        /// The store directory and those above it, without a slash in front, outermost first.
        parents: Vec<String>,
        /// The paths, sorted.
        paths: Vec<PathSource>,
        /// Sum of their NAR sizes, as planned.
        nar_size: u64,
    },
    /// Files outside the store, parents before children.
    Root(Vec<RootEntry>),
}

/// One store path in a layer.
#[derive(Clone, Debug)]
pub struct PathSource {
    /// The path.
    pub path: StorePath,
    /// Its name in the archive: `nix/store/…`.
    pub name: String,
    /// Where it really is.
    pub real: PathBuf,
    /// The size of its NAR, where it is known beforehand; the content must agree.
    pub nar_size: Option<u64>,
    /// The hash of its NAR, where it is known beforehand; else it is hashed while it is read.
    pub nar_hash: Option<NarHash>,
}

/// One entry outside the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootEntry {
    /// Its name in the archive, without a slash in front.
    pub name: String,
    /// What it is.
    pub node: RootNode,
}

/// What an entry outside the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RootNode {
    Directory { mode: u32 },
    File { mode: u32, content: String },
    Symlink { target: String },
}

impl Source {
    /// The store paths in it.
    pub fn paths(&self) -> Vec<StorePath> {
        match self {
            Self::Store { paths, .. } => paths.iter().map(|source| source.path.clone()).collect(),
            Self::Root(_) => Vec::new(),
        }
    }

    /// What the layer's tar depends on, hashed: its paths with their contents' hashes, and how
    /// this program writes them. Two layers with the same key have the same diff ID. `None` for
    /// files outside the store.
    pub(crate) fn key(
        &self,
        options: LayerOptions,
        nar_hashes: &[Option<NarHash>],
    ) -> Option<Digest> {
        let Self::Store { paths, .. } = self else { return None };
        let LayerOptions { whiteouts, dedup, .. } = options;
        let dedup = if dedup { " dedup" } else { "" };
        let mut text = format!("closure2img tar {TAR_VERSION} {whiteouts:?}{dedup}\n");
        for (PathSource { name, .. }, nar_hash) in paths.iter().zip(nar_hashes) {
            let _ = writeln!(text, "{name} {}", nar_hash.as_ref()?);
        }
        Some(Digest::of(text.as_bytes()))
    }

    /// The hashes of its store paths' NARs, where they are known beforehand.
    pub(crate) fn nar_hashes(&self) -> Vec<Option<NarHash>> {
        match self {
            Self::Store { paths, .. } => paths.iter().map(|path| path.nar_hash).collect(),
            Self::Root(_) => Vec::new(),
        }
    }

    /// Sum of the NAR sizes of its store paths.
    pub(crate) fn nar_size(&self) -> Option<u64> {
        match self {
            Self::Store { nar_size, .. } => Some(*nar_size),
            Self::Root(_) => None,
        }
    }

    /// About how much there is to read, in bytes.
    pub fn weight(&self) -> u64 {
        match self {
            Self::Store { nar_size, .. } => *nar_size,
            Self::Root(_) => 0,
        }
    }
}

/// Names of the store directory and all directories above it, outermost first: `nix`, `nix/store`.
pub(crate) fn parents(store_dir: &layering::StoreDir) -> Vec<String> {
    let name = store_dir.as_str().trim_start_matches('/');
    let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
    ends.map(|end| name[..end].to_owned()).collect()
}

/// The recipe for a planned group of store paths.
pub fn store_layer(
    group: &Group,
    store_dir: &layering::StoreDir,
    mut locate: impl FnMut(&StorePath) -> (PathBuf, Option<u64>, Option<NarHash>),
) -> Source {
    let paths = group.paths.iter().map(|path| {
        let (real, nar_size, nar_hash) = locate(path);
        let name = store_dir.join(path).trim_start_matches('/').to_owned();
        PathSource { path: path.clone(), name, real, nar_size, nar_hash }
    });
    Source::Store { parents: parents(store_dir), paths: paths.collect(), nar_size: group.nar_size }
}
