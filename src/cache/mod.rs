//! Layers that were made before: what they are, for good, and their blobs, within bounds.
//!
//! ```text
//! DIR/layers/ab/cd…   what a layer is, by the key of what it is made of
//! DIR/blobs/ef01…     its blob, by digest; the one used longest ago goes first
//! DIR/outputs/23…     which file an image was written to, and how that looked
//! ```
//!
//! What a registry has of all this is in `published`, and in the histories of images.
//!
//! Nothing depends on what is here. A file that cannot be read or is not what it says is dropped,
//! and the layer is made again. Files appear whole, whoever is killed when; several processes may
//! use one folder at once. Nothing is synced: what a power cut damages is found like other damage.

mod blobs;
mod document;
mod known;
mod layers;
mod outputs;
mod published;
mod upkeep;

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use blobs::BLOBS;
pub use known::{KnownLayer, KnownLayers};
pub use published::{ARTIFACT_TYPE, Published};
pub use upkeep::{Content, Freed};

/// Bytes of blobs that are kept unless somebody says otherwise: several versions of a few images.
pub const DEFAULT_SIZE: u64 = 10_000_000_000;

/// A folder of layers.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
    max_size: u64,
}

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum CacheError {
    #[error("cannot keep layers in `{}`", dir.display())]
    Unusable {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` belongs to user {owner}, and this is user {user}", dir.display())]
    Foreign { dir: PathBuf, owner: u32, user: u32 },
    #[error("others than its owner may write to `{}` (mode {mode:o})", dir.display())]
    Open { dir: PathBuf, mode: u32 },
}

impl CacheError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unusable { .. } | Self::Foreign { .. } => {
                "name another folder with `--cache DIR`, or do without with `--no-cache`".into()
            }
            Self::Open { dir, .. } => format!("close it: `chmod go-w {}`", dir.display()),
        }
    }

    /// Whether somebody else might have put something there, rather than there being no folder.
    pub fn is_suspicious(&self) -> bool {
        !matches!(self, Self::Unusable { .. })
    }
}

impl Cache {
    /// Opens the folder, or makes it. It must be the user's own, also where a link leads to it:
    /// whoever can write there decides what is in the next image.
    pub fn open(dir: &Path, max_size: u64) -> Result<Self, CacheError> {
        let unusable = |source| CacheError::Unusable { dir: dir.into(), source };
        private(dir).map_err(unusable)?;
        let meta = fs::metadata(dir).map_err(unusable)?;
        let user = rustix::process::geteuid().as_raw();
        if meta.uid() != user {
            return Err(CacheError::Foreign { dir: dir.into(), owner: meta.uid(), user });
        }
        let mode = meta.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(CacheError::Open { dir: dir.into(), mode });
        }
        let cache = Self { dir: dir.into(), max_size };
        private(&cache.dir.join(BLOBS)).map_err(unusable)?;
        Ok(cache)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Puts a small file in place, whole. That it cannot be is no reason to fail.
    fn put(&self, file: &Path, bytes: &[u8]) {
        let file = self.dir.join(file);
        let write = || -> io::Result<()> {
            let folder = file.parent().unwrap_or(&self.dir);
            private(folder)?;
            let mut beside = NamedTempFile::new_in(folder)?;
            beside.write_all(bytes)?;
            beside.persist(&file)?;
            Ok(())
        };
        let _ = write();
    }
}

/// Makes a folder for its owner alone, if it is not there.
fn private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    #[test]
    fn a_folder_is_made_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(&dir.path().join("a/b"), 1).unwrap();
        assert_eq!(fs::metadata(cache.dir()).unwrap().mode() & 0o777, 0o700);
        fs::set_permissions(cache.dir(), fs::Permissions::from_mode(0o770)).unwrap();
        let error = Cache::open(cache.dir(), 1).unwrap_err();
        assert!(matches!(error, CacheError::Open { mode: 0o770, .. }), "{error}");
        fs::write(dir.path().join("file"), "").unwrap();
        let error = Cache::open(&dir.path().join("file"), 1).unwrap_err();
        assert!(!error.is_suspicious(), "{error}");
    }

    #[test]
    fn a_link_to_the_folder_of_somebody_else_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        // Only root can give a folder away.
        if chown(&theirs, Some(65534), None).is_err() {
            return;
        }
        symlink(&theirs, dir.path().join("link")).unwrap();
        let error = Cache::open(&dir.path().join("link"), 1).unwrap_err();
        assert!(matches!(error, CacheError::Foreign { owner: 65534, .. }), "{error}");
        assert!(error.is_suspicious());
    }
}
