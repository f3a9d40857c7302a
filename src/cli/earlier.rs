//! Images and plans of before, as arguments: a file, a directory, or a name in a registry.

use closure2img::earlier::{self, Earlier, Place};
use closure2img::image::Machine;
use registry::Registries;

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
