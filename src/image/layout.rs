//! Writing an image as a directory: an OCI image layout.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::archive::layout_files;
use super::image_name::ImageName;
use super::images::Images;
use crate::output::{AtomicFile, OutputError, parent};
use crate::progress::Progress;

/// Writes the layout beside `target` and then puts it in place. An image layout that is there
/// already is replaced; anything else in the way is left alone.
pub fn write_layout(
    images: &Images,
    name: Option<&ImageName>,
    target: &Path,
    progress: &dyn Progress,
) -> Result<(), OutputError> {
    put(target, |new| {
        for (name, content) in layout_files(images, name) {
            let mut file = AtomicFile::create(&new.join(name))?;
            content.copy(&mut file, progress).map_err(OutputError::write(target))?;
            file.commit()?;
        }
        Ok(())
    })
}

/// Has `fill` write a layout, whose directories for blobs are there, and puts it at `target`.
pub(crate) fn put<E: From<OutputError>>(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let occupied = check(target)?;
    let failed = || OutputError::write(target);
    let target = resolved(target);
    let beside = tempfile::Builder::new().tempdir_in(parent(&target)).map_err(failed())?;
    let new = beside.path().join("new");
    fs::create_dir_all(new.join("blobs/sha256")).map_err(failed())?;
    fill(&new)?;
    let put = if occupied { replace(&new, &target) } else { fs::rename(&new, &target) };
    Ok(put.map_err(failed())?)
}

/// Whether a directory that may be replaced is at `target`; an error if something else is, or if
/// nothing can be written there.
pub fn check(target: &Path) -> Result<bool, OutputError> {
    let occupied = match fs::read_dir(target) {
        Err(error) if error.kind() == ErrorKind::NotFound && !target.is_symlink() => false,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            // The file, or link to nowhere, is either the target or above it.
            return Err(match target.symlink_metadata() {
                Ok(_) => OutputError::Occupied(target.into()),
                Err(_) => OutputError::write(target)(error),
            });
        }
        Err(error) => return Err(OutputError::write(target)(error)),
        Ok(mut entries) => {
            let layout = target.join("oci-layout").is_file() && target.join("index.json").is_file();
            if !layout && entries.next().is_some() {
                return Err(OutputError::Occupied(target.into()));
            }
            true
        }
    };
    tempfile::tempfile_in(parent(&resolved(target))).map_err(OutputError::write(target))?;
    Ok(occupied)
}

/// Where `target` really is, so that a link goes on pointing to what is written.
fn resolved(target: &Path) -> PathBuf {
    fs::canonicalize(target).unwrap_or_else(|_| target.into())
}

/// Puts `new` where `target` is, in one step where the file system can: there is always a layout.
/// What was there is in the place of `new` or beside it, and goes away with the directory there.
fn replace(new: &Path, target: &Path) -> io::Result<()> {
    if renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE).is_ok() {
        return Ok(());
    }
    let old = new.with_file_name("old");
    fs::rename(target, &old)?;
    fs::rename(new, target).inspect_err(|_| {
        // Best effort: the error to tell of is the first.
        let _ = fs::rename(&old, target);
    })
}
