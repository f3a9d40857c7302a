//! Writing an image as a directory: an OCI image layout.

use std::fs;
use std::path::Path;

use super::archive::{ImageName, layout_files};
use super::manifest::Image;
use crate::output::{AtomicFile, OutputError, parent};
use crate::progress::Progress;

/// Writes the layout beside `target` and then puts it in place. An image layout that is there
/// already is replaced; anything else in the way is left alone.
pub fn write_layout(
    image: &Image,
    name: Option<&ImageName>,
    target: &Path,
    progress: &dyn Progress,
) -> Result<(), OutputError> {
    let occupied = check(target)?;
    let beside =
        tempfile::Builder::new().tempdir_in(parent(target)).map_err(OutputError::write(target))?;
    let new = beside.path().join("new");
    let blobs = new.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(OutputError::write(target))?;
    for (name, content) in layout_files(image, name) {
        let mut file = AtomicFile::create(&new.join(name))?;
        content.copy(&mut file, progress).map_err(OutputError::write(target))?;
        file.commit()?;
    }
    let swap = || {
        if occupied {
            fs::rename(target, beside.path().join("old"))?;
        }
        fs::rename(&new, target)
    };
    swap().map_err(OutputError::write(target))
}

/// Whether an image layout is at `target`; an error if something else is.
pub fn check(target: &Path) -> Result<bool, OutputError> {
    match fs::read_dir(target) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(OutputError::write(target)(error)),
        Ok(mut entries) => {
            let layout = target.join("oci-layout").is_file() && target.join("index.json").is_file();
            if layout || entries.next().is_none() {
                Ok(true)
            } else {
                Err(OutputError::Occupied(target.into()))
            }
        }
    }
}
