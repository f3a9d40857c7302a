//! Images and plans of before, as arguments: a file, a directory, or a name in a registry.

use closure2img::earlier::{self, Earlier, Place};
use closure2img::image::Machine;
use registry::{Reference, Registries};

/// Reads what `text` names. Of an image for several machines it is that for `machine`.
pub(crate) fn read(
    text: &str,
    registries: &Registries,
    machine: &Machine,
) -> anyhow::Result<Earlier> {
    match Place::find(text)? {
        Place::Local(path) => Ok(earlier::read_local(&path, machine)?),
        Place::Registry(reference) => {
            Ok(earlier::read_registry(&registries.client(reference)?, machine)?)
        }
    }
}

/// What `text` names, if that is in a registry.
pub(crate) fn in_registry(text: &str) -> Option<Reference> {
    match Place::find(text) {
        Ok(Place::Registry(reference)) => Some(reference),
        _ => None,
    }
}
