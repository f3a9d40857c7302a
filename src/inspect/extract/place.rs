//! The directory that is filled, beside its place until it is whole.
//!
//! It is locked meanwhile, so that what a killed run has left can be told from what another one is filling.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::output::parent;

/// Letters behind the name, which make it nobody else's.
const LETTERS: usize = 6;

/// Such a directory.
pub(super) struct Place {
    made: TempDir,
    lock: File,
    target: PathBuf,
}

impl Place {
    /// Makes it, and removes what a run that was killed has left of the same target.
    pub(super) fn new(target: &Path) -> io::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}.closure2img-");
        let beside = parent(target);
        remove_left(beside, &prefix);
        let made =
            tempfile::Builder::new().prefix(&prefix).rand_bytes(LETTERS).tempdir_in(beside)?;
        let lock = File::open(made.path())?;
        // Some network file systems have no locks; then nothing is ever taken for left.
        let _ = flock(&lock, FlockOperation::NonBlockingLockExclusive);
        Ok(Self { made, lock, target: target.into() })
    }

    pub(super) fn path(&self) -> &Path {
        self.made.path()
    }

    /// Gives it its name, when all that is in it is on the disk; or gives it back, to be removed.
    pub(super) fn commit(self) -> Result<(), (io::Error, Self)> {
        // One call for thousands of files, of which none is of use without the others.
        if let Err(errno) = rustix::fs::syncfs(&self.lock) {
            return Err((errno.into(), self));
        }
        if let Err(error) = fs::rename(self.made.path(), &self.target) {
            return Err((error, self));
        }
        let _ = self.made.keep();
        // The name itself; where directories cannot be synced, there is nothing to do about it.
        let _ = File::open(parent(&self.target)).and_then(|dir| dir.sync_all());
        Ok(())
    }
}

/// Removes directories that begin so, belong to us, and are filled by nobody.
fn remove_left(beside: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(beside) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if rest.is_some_and(|rest| rest.len() == LETTERS) {
            // Another run may be removing it as well.
            let _ = remove_unless_filled(&entry.path());
        }
    }
}

fn remove_unless_filled(dir: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(dir)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let lock = File::open(dir)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    open_up(dir)?;
    fs::remove_dir_all(dir)
}

/// Lets all directories be removed: those of a store are read-only.
fn open_up(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Not through links.
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
