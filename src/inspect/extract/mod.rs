//! The root file system of an image, as a container would see it, in a directory.
//!
//! It is made beside its place and renamed when it is whole and on the disk: a failure leaves nothing. Files are opened
//! name by name from that directory on and never through a link, so that no archive can write anywhere
//! else. What cannot be made as it is in the image is refused, or left out and counted.

mod apply;
mod error;
mod meta;
mod place;
mod removal;
mod tree;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub use error::ExtractError;

use super::image::Image;
use super::stream::{Sum, Wanted};
use apply::Apply;
use place::Place;
use tree::Tree;

/// How to extract.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExtractOptions {
    /// The most bytes that all files together may have.
    pub max_size: Option<u64>,
    /// Whether devices are left out; else an image that has some is refused.
    pub skip_devices: bool,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Files, links and directories.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Files, links and directories whose owner is not the one of the image, who only root can set.
    pub owned: u64,
    /// Files without the setuid or setgid bit that they have in the image, for the same reason.
    pub without_setuid: u64,
    /// Devices that were left out.
    pub devices: u64,
    /// Extended attributes that could not be set.
    pub xattrs: u64,
}

/// Writes what a container sees of `image` to `dir`, which must not be there or be empty.
pub fn extract(
    image: &Image,
    dir: &Path,
    options: ExtractOptions,
) -> Result<Extracted, ExtractError> {
    check_free(dir)?;
    let failed = |source| ExtractError::Place { dir: dir.into(), source };
    let place = Place::new(dir).map_err(failed)?;
    let owner = fs::metadata(place.path()).map_err(failed)?.uid();
    let mut tree = Tree::new(place.path(), owner == 0).map_err(failed)?;
    let (error, _place) = match fill(image, &mut tree, options) {
        Ok(extracted) => match place.commit() {
            Ok(()) => return Ok(extracted),
            Err((source, place)) => (failed(source), place),
        },
        Err(error) => (error, place),
    };
    // So that it can be removed.
    tree.unlock();
    Err(error)
}

fn fill(
    image: &Image,
    tree: &mut Tree,
    options: ExtractOptions,
) -> Result<Extracted, ExtractError> {
    let mut extracted = Extracted::default();
    for layer in &image.layers {
        let mut apply = Apply::new(tree, &mut extracted, options, image.has_whiteouts());
        let wanted = Wanted { sum: layer.diff_id().map(|_| Sum::DiffId), all: false };
        let name = layer.name();
        let streamed = image.stream(layer, wanted, &mut apply)?;
        // A blob that is not what its digest says fails before its last bytes.
        let failed = |source| super::Error::Blob { layer: name.clone(), source };
        streamed.read.map_err(failed)?;
        streamed.entries.map_err(|error| error.of_layer(layer))?;
        if let (Some(got), Some(expected)) = (streamed.diff_id, layer.diff_id())
            && got != expected
        {
            return Err(ExtractError::DiffId { layer: name, got, expected });
        }
    }
    tree.finish(&mut extracted)?;
    Ok(extracted)
}

/// Nothing that is there is ever overwritten.
fn check_free(dir: &Path) -> Result<(), ExtractError> {
    let place = |source| ExtractError::Place { dir: dir.into(), source };
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(place(error)),
        Ok(meta) if meta.is_dir() => match fs::read_dir(dir).map_err(place)?.next() {
            None => Ok(()),
            Some(_) => Err(ExtractError::NotEmpty { dir: dir.into() }),
        },
        Ok(_) => Err(ExtractError::NotEmpty { dir: dir.into() }),
    }
}
