//! To a file: one tar, which is an OCI layout and, of a single image, what `docker load` takes.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use registry::Descriptor;

use super::selected::Selected;
use super::written::{copy_blob, documents, for_docker};
use super::{BODIES, Error};
use crate::image::archive::{BLOBS, blob_name};
use crate::image::tar;
use crate::output::{AtomicFile, OutputError, begin_writeback};
use crate::parallel::in_parallel;
use crate::progress::{Event, Progress};

/// Writes the archive, whole or not at all.
pub(super) fn write(
    image: &Selected<'_>,
    path: &Path,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let blobs = Selected::blobs(image.nodes());
    let mut out = AtomicFile::create(path)?;
    progress.report(Event::Write { bytes: blobs.iter().map(|blob| blob.size).sum() });
    let are_in_place = fill(image, &blobs, &out, progress)?;

    let failed = || OutputError::write(path);
    let mut header = Vec::new();
    for dir in BLOBS {
        tar::header(&mut header, dir.as_bytes(), 0o755, tar::Kind::Directory);
    }
    for blob in blobs {
        begin(&mut header, blob);
        out.write_all(&header).map_err(failed())?;
        header.clear();
        if are_in_place {
            out.skip(blob.size).map_err(failed())?;
        } else {
            copy_blob(image, blob, |piece, _| {
                progress.report(Event::Written { bytes: piece.len() as u64 });
                out.write_all(piece).map_err(failed())
            })?;
        }
        header.extend_from_slice(tar::padding(blob.size));
    }
    for (name, bytes) in documents(image).into_iter().chain(for_docker(image)) {
        let size = bytes.len() as u64;
        tar::header(&mut header, name.as_bytes(), 0o644, tar::Kind::File { size });
        header.extend_from_slice(&bytes);
        header.extend_from_slice(tar::padding(size));
    }
    header.extend_from_slice(&tar::TRAILER);
    out.write_all(&header).map_err(failed())?;
    Ok(out.commit()?)
}

fn begin(header: &mut Vec<u8>, blob: &Descriptor) {
    let kind = tar::Kind::File { size: blob.size };
    tar::header(header, blob_name(&blob.digest).as_bytes(), 0o644, kind);
}

/// Writes blobs to where they will be in the archive, several at once. `false` if the file can only
/// be written from its start to its end.
fn fill(
    image: &Selected<'_>,
    blobs: &[&Descriptor],
    out: &AtomicFile,
    progress: &dyn Progress,
) -> Result<bool, Error> {
    let Some((file, path)) = out.regular() else { return Ok(false) };
    let mut header = Vec::new();
    for dir in BLOBS {
        tar::header(&mut header, dir.as_bytes(), 0o755, tar::Kind::Directory);
    }
    let mut offset = header.len() as u64;
    let mut offsets = Vec::new();
    for blob in blobs {
        header.clear();
        begin(&mut header, blob);
        offset += header.len() as u64;
        offsets.push(offset);
        offset += blob.size + tar::padding(blob.size).len() as u64;
    }
    let order: Vec<usize> = (0..blobs.len()).collect();
    in_parallel(&order, BODIES, |index| {
        copy_blob(image, blobs[index], |piece, at| {
            let at = offsets[index] + at;
            file.write_all_at(piece, at).map_err(OutputError::write(path))?;
            begin_writeback(file, at, piece.len() as u64);
            progress.report(Event::Written { bytes: piece.len() as u64 });
            Ok(())
        })
    })?;
    Ok(true)
}
