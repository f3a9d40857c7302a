//! Why there is no image.

use std::io;

use ::squashfs::write::{self, Kind, Node};

use crate::tree;

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    /// Of a store path, which nothing may change.
    #[error(transparent)]
    Store(tree::Error),
    /// Of a directory, which may be anybody's.
    #[error(transparent)]
    Directory(tree::Error),
    #[error("no image can hold what is there")]
    Image(#[source] write::Error),
    /// Whoever made the output knows what to call it.
    #[error("cannot write the image")]
    Write(#[source] io::Error),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Directory(tree::Error::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("run as a user who may read all of the directory".into())
            }
            Self::Directory(tree::Error::Io { .. }) => None,
            Self::Directory(_) => {
                Some("wait until nothing writes to the directory any more, then try again".into())
            }
            Self::Image(write::Error::BlockSize(_)) => {
                Some("give a size such as 128K, 256K or 1M".into())
            }
            Self::Image(write::Error::Name(..) | write::Error::Target { .. }) => {
                Some("rename it, or leave it out".into())
            }
            Self::Image(_) | Self::Write(_) => None,
        }
    }
}

impl From<write::Error> for Error {
    fn from(error: write::Error) -> Self {
        match error {
            write::Error::Write(source) => Self::Write(source),
            // What could not be read says by itself where it is.
            write::Error::Read { path, source } => match source.downcast::<Self>() {
                Ok(error) => error,
                Err(source) => Self::Image(write::Error::Read { path, source }),
            },
            error => Self::Image(error),
        }
    }
}

/// Bytes in all files.
pub(super) fn content(nodes: &[Node]) -> u64 {
    let sizes = nodes.iter().filter_map(|node| match &node.kind {
        Kind::File(content) => Some(content.size()),
        _ => None,
    });
    sizes.fold(0, u64::saturating_add)
}
