//! Images and plans of before, as arguments: a file, a directory, or a name in a registry.

use std::path::PathBuf;

use closure2img::earlier::{self, Earlier, Place};
use closure2img::image::Machine;
use registry::{Authority, Client, ClientOptions};

/// Reads what `text` names. Of an image for several machines it is that for `machine`.
pub(crate) fn read(text: &str, ca: &[PathBuf], machine: &Machine) -> anyhow::Result<Earlier> {
    match Place::find(text)? {
        Place::Local(path) => Ok(earlier::read_local(&path, machine)?),
        Place::Registry(reference) => {
            let authorities = ca.iter().cloned().map(Authority::File).collect();
            let options = ClientOptions { authorities, ..ClientOptions::default() };
            let client = Client::new(reference, options)?;
            Ok(earlier::read_registry(&client, machine)?)
        }
    }
}
