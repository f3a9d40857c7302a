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
        Place::Registry(reference) => Ok(pull(&reference, registries, machine)?),
    }
}

/// Reads an image from the first of its mirrors that has it, or else from where it is.
fn pull(
    reference: &Reference,
    registries: &Registries,
    machine: &Machine,
) -> Result<Earlier, earlier::Error> {
    let mut clients = registries.pull_clients(reference)?;
    let last = clients.pop();
    for mirror in &clients {
        if let Ok(earlier) = earlier::read_registry(mirror, machine) {
            return Ok(earlier);
        }
    }
    let origin = last.map_or_else(|| registries.client(reference.clone()), Ok)?;
    earlier::read_registry(&origin, machine)
}

/// What `text` names, if that is in a registry.
pub(crate) fn in_registry(text: &str) -> Option<Reference> {
    match Place::find(text) {
        Ok(Place::Registry(reference)) => Some(reference),
        _ => None,
    }
}
