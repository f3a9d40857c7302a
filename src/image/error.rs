//! What can go wrong while an image is made.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use registry::Digest;

use super::config::ConfigError;
use super::machine::MachineError;
use super::root_files::RootFilesError;
use crate::closure::NarHash;
use crate::tree;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error(transparent)]
    Tree(#[from] tree::Error),
    #[error(
        "`{path}` changed: its NAR is {got} bytes now, and was {expected} when it was registered"
    )]
    NarSize { path: String, expected: u64, got: u64 },
    #[error(
        "`{path}` changed: the hash of its NAR is {got} now, and was {expected} when it was registered"
    )]
    NarHash { path: String, expected: NarHash, got: NarHash },
    #[error("`{path}` changed while its layer was made")]
    Changed { path: String },
    #[error(
        "`{path}` cannot be in an image layer: names that begin with `.wh.` delete files there"
    )]
    Whiteout { path: String },
    #[error(
        "`{path}` cannot be in a table of contents, which is JSON: its name or its target is not UTF-8"
    )]
    NotUtf8 { path: String },
    #[error("the table of contents of a layer has {got} bytes, expected less than 4 GiB")]
    Contents { got: usize },
    #[error(
        "a store path changed after it was measured: its layer has {got} bytes or more, expected {expected}"
    )]
    TarSize { got: u64, expected: u64 },
    #[error("cannot keep a layer in `{}`", place.display())]
    Spool {
        place: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot compress a layer")]
    Compress(#[source] io::Error),
    #[error("a layer that was known as `{expected}` came out as `{got}`")]
    NotAsKnown { got: Digest, expected: Digest },
    #[error("stopped, since another layer failed")]
    Stopped,
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    RootFiles(#[from] RootFilesError),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tree(error) => error.hint(),
            Self::NarSize { .. } | Self::Changed { .. } | Self::TarSize { .. } => Some(
                "store paths must not change: find out what writes there, then `nix-store --repair-path`".into(),
            ),
            Self::NarHash { path, .. } => Some(format!(
                "restore it with `nix-store --repair-path {path}`, or take it as it is without `--verify`"
            )),
            Self::Whiteout { .. } => {
                Some("leave such files out of the image with `--whiteouts omit`".into())
            }
            Self::NotUtf8 { .. } => {
                Some("use `--compress zstd` or `--compress gzip`, which have no such table".into())
            }
            Self::Contents { .. } => {
                Some("allow for more layers with `--max-layers`, or use `--compress zstd`".into())
            }
            Self::Spool { place, source } => no_place(place, source),
            Self::NotAsKnown { .. } => {
                Some("make all layers anew with `--no-cache`".into())
            }
            Self::Machine(error) => Some(error.hint()),
            Self::Config(error) => error.hint(),
            Self::RootFiles(error) => error.hint(),
            Self::Compress(_) | Self::Stopped => None,
        }
    }
}

/// A hint for a full disk.
pub(crate) fn room(error: &io::Error) -> Option<String> {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
    .then(|| "make room there, or let TMPDIR or `-o` point to a file system with more".into())
}

/// A hint for when nothing can be written in `dir`.
pub(crate) fn no_place(dir: &Path, error: &io::Error) -> Option<String> {
    let there = dir.exists();
    let dir = dir.display();
    match error.kind() {
        ErrorKind::NotFound if !there => {
            Some(format!("create the directory first: `mkdir -p {dir}`"))
        }
        ErrorKind::NotADirectory => Some(format!("name a directory: `{dir}` is none")),
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Some(format!("write elsewhere, or run as a user who may write to `{dir}`"))
        }
        _ => room(error),
    }
}
