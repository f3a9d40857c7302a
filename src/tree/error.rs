//! What can be wrong with a store path on disk.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

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
    #[error("`{}` changed while it was read: got {got} bytes or more, expected {expected}", path.display())]
    Size { path: PathBuf, expected: u64, got: u64 },
    #[error("`{}` changed while it was read: it was a regular file, then something else", path.display())]
    Replaced { path: PathBuf },
    #[error("`{}` changed while it was read: something was written to it", path.display())]
    Written { path: PathBuf },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Io { action, path: path.into(), source: errno.into() }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    "run as a user who may read the whole store path"
                }
                io::ErrorKind::NotFound => {
                    "the store path is not whole or was collected meanwhile: build it again and keep a link to it"
                }
                _ => return None,
            },
            Self::Kind { .. } => {
                "something other than Nix put it there: restore the store path with `nix-store --repair-path`"
            }
            Self::Size { .. } | Self::Replaced { .. } | Self::Written { .. } => {
                "nothing may write to a store path: find out what does, then `nix-store --repair-path`"
            }
        };
        Some(hint.into())
    }
}
