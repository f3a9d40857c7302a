//! Copies images between registries, archives and layouts, to the byte: a digest stays what it is.
//!
//! ```text
//! registry ─┐                                             ┌─► registry (mounted, or streamed through)
//! archive ──┼─► Source ──► Selected (manifests, blobs) ───┼─► archive
//! layout ───┘   `source`   `selected`                     └─► layout
//! ```
//!
//! What is copied is known in full from its manifests before the first blob moves; blobs go through
//! without a stop on this machine's disk, the large ones first, and whatever names others comes
//! after them. Docker's own archives (`docker save` before version 25) have no manifest to keep, and
//! get one. [`base()`] reads an image that another is put on.

mod archive;
mod attached;
mod base;
mod docker;
mod error;
mod index;
mod layout;
mod local;
mod push;
mod remote;
mod selected;
mod source;
mod unpacked;
mod written;

use std::path::{Path, PathBuf};

use registry::{Digest, Reference, Registries};

use crate::earlier::{self, Place};
use crate::progress::Progress;
pub use attached::Attached;
pub(crate) use attached::in_index;
pub use base::base;
pub use error::Error;
pub use index::index;
pub use selected::Selected;
pub(crate) use selected::{chosen, parts};
pub(crate) use source::document;
pub use source::{Source, open};

/// Blobs on their way at once: enough to fill a line, few enough that each gets on.
const BODIES: usize = 6;

/// Where an image is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A tag.
    Registry(Reference),
    /// A tar.
    Archive(PathBuf),
    /// A directory.
    Layout(PathBuf),
}

impl Destination {
    /// The tag, if it is one.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Registry(reference) => Some(reference),
            Self::Archive(_) | Self::Layout(_) => None,
        }
    }

    /// A file or directory if it can only be meant for one, else a tag: what is there already, what
    /// begins with `.`, `/` or `~`, and what ends as archives do. What ends in `.tar`, and whatever
    /// is no directory, is an archive; the rest are layouts.
    pub fn find(text: &str) -> Result<Self, Error> {
        let path = PathBuf::from(text);
        let is_archive = path.extension().is_some_and(|extension| extension == "tar");
        match Place::find(text) {
            Ok(Place::Registry(reference)) if reference.digest().is_some() => {
                Err(Error::Pinned { reference })
            }
            Ok(Place::Registry(reference)) => Ok(Self::Registry(reference)),
            Ok(Place::Local(path)) if !path.is_dir() => Ok(Self::Archive(path)),
            Err(earlier::Error::NoFile { .. }) if is_archive => Ok(Self::Archive(path)),
            Ok(Place::Local(path)) => Ok(Self::Layout(path)),
            Err(earlier::Error::NoFile { .. }) if is_packed(&path) => {
                Err(Error::Extension { path })
            }
            Err(earlier::Error::NoFile { .. }) => Ok(Self::Layout(path)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether it is named like a file of a form that is not written here.
fn is_packed(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| matches!(extension, "json" | "gz" | "tgz" | "zst"))
}

impl Selected<'_> {
    /// Takes the image to `destination`. Its digest there is its digest here.
    pub fn copy_to(
        &self,
        destination: &Destination,
        registries: &Registries,
        progress: &dyn Progress,
    ) -> Result<Digest, Error> {
        match destination {
            Destination::Registry(reference) => {
                let client = registries.client(reference.clone())?;
                push::push(self, &client, progress)?;
            }
            Destination::Archive(path) => archive::write(self, path, progress)?,
            Destination::Layout(path) => layout::write(self, path, progress)?,
        }
        Ok(self.root().digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let found = |text: &str| Destination::find(text).unwrap();
        assert_eq!(found("./no-such.tar"), Destination::Archive("./no-such.tar".into()));
        assert_eq!(found("no-such.tar"), Destination::Archive("no-such.tar".into()));
        assert_eq!(found("./no-such"), Destination::Layout("./no-such".into()));
        assert_eq!(found("/dev/null"), Destination::Archive("/dev/null".into()));
        let name = "registry.example/app:1";
        assert_eq!(found(name), Destination::Registry(name.parse().unwrap()));
        assert!(matches!(Destination::find("x.tar.gz"), Err(Error::Extension { .. })));
        let pinned = format!("registry.example/app@{}", Digest::of(b""));
        assert!(matches!(Destination::find(&pinned), Err(Error::Pinned { .. })));
    }
}
