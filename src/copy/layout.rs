//! To a directory: an OCI image layout.

use std::io::Write;
use std::path::Path;

use super::selected::Selected;
use super::written::{copy_blob, documents};
use super::{BODIES, Error};
use crate::image::archive::blob_name;
use crate::image::layout;
use crate::output::{AtomicFile, OutputError};
use crate::parallel::in_parallel;
use crate::progress::{Event, Progress};

/// Writes the layout, whole or not at all. A layout that is there already is replaced.
pub(super) fn write(
    image: &Selected<'_>,
    target: &Path,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let blobs = Selected::blobs(image.nodes());
    let failed = || OutputError::write(target);
    layout::put(target, |new| {
        progress.report(Event::Write { bytes: blobs.iter().map(|blob| blob.size).sum() });
        let order: Vec<usize> = (0..blobs.len()).collect();
        in_parallel(&order, BODIES, |index| -> Result<(), Error> {
            let mut file = AtomicFile::create(&new.join(blob_name(&blobs[index].digest)))?;
            copy_blob(image, blobs[index], |piece, _| {
                progress.report(Event::Written { bytes: piece.len() as u64 });
                file.write_all(piece).map_err(failed())
            })?;
            Ok(file.commit()?)
        })?;
        for (name, bytes) in documents(image) {
            let mut file = AtomicFile::create(&new.join(name))?;
            file.write_all(&bytes).map_err(failed())?;
            file.commit()?;
        }
        Ok(())
    })
}
