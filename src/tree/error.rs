//! What can be wrong with a store path on disk.

use std::io;
use std::path::PathBuf;

/// Why a store path could not be read whole.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("cannot {action} `{}`", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is a {kind}, which no store path can hold", path.display())]
    Kind { path: PathBuf, kind: &'static str },
    #[error("`{}` changed while it was read: it was {expected} bytes long, then {got}", path.display())]
    Size { path: PathBuf, expected: u64, got: String },
    #[error("`{}` changed while it was read: it was a regular file, then something else", path.display())]
    Replaced { path: PathBuf },
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    Some("run as a user who may read the whole store path")
                }
                io::ErrorKind::NotFound => Some(
                    "the store path is not whole, or was collected meanwhile: `nix-store --verify-path` it, or build it again and keep a root (`nix-build -o result`)",
                ),
                _ => None,
            },
            Self::Kind { .. } => Some(
                "something other than Nix put it there: remove it or restore the store path with `nix-store --repair-path`",
            ),
            Self::Size { .. } | Self::Replaced { .. } => Some(
                "store paths must not change: find out what writes there, then `nix-store --repair-path`",
            ),
        }
    }
}
