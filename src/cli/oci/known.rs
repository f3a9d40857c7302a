//! Layers that need not be made, since images and lists elsewhere have them.

use closure2img::cache::{ARTIFACT_TYPE, KnownLayers, Published};
use closure2img::earlier::{self, Earlier, Place};
use closure2img::image::Machine;
use closure2img::progress::{Event, Progress};
use registry::{Reference, Registries};

use super::args::OciArgs;
use crate::cli::earlier::in_registry;

/// Lists that are attached to one image and read.
const MAX_LISTS: usize = 4;

impl OciArgs {
    /// What the image named by `--previous` gives.
    pub(super) fn known_of_previous(&self, earlier: &Earlier) -> KnownLayers {
        let home = self.layers.previous.as_deref().and_then(in_registry);
        earlier.known_layers(home.as_ref())
    }

    /// What `--cache-from` names. Nothing fails for want of it: it may be the first time.
    pub(super) fn known_elsewhere(
        &self,
        registries: &Registries,
        machine: &Machine,
        progress: &dyn Progress,
    ) -> KnownLayers {
        let mut known = KnownLayers::new();
        for text in &self.cache_from {
            match named(text, registries, machine) {
                Ok(layers) => known.extend(layers),
                Err(error) => {
                    let text = format!("no layers are known from `{text}`: {error}");
                    progress.report(Event::Warning { text: &text });
                }
            }
        }
        known
    }
}

fn named(
    text: &str,
    registries: &Registries,
    machine: &Machine,
) -> Result<KnownLayers, earlier::Error> {
    match Place::find(text)? {
        Place::Local(path) => Ok(earlier::read_local(&path, machine)?.known_layers(None)),
        Place::Registry(reference) => in_repository(&reference, registries, machine),
    }
}

/// What is there may be a list, or an image that has lists attached to it.
fn in_repository(
    reference: &Reference,
    registries: &Registries,
    machine: &Machine,
) -> Result<KnownLayers, earlier::Error> {
    let client = registries.client(reference.clone())?;
    let target = reference.target();
    let none = || earlier::Error::NoImage { name: reference.to_string() };
    let manifest = client.get_manifest(&target)?.ok_or_else(none)?;
    if let Some(published) = Published::read(&client, &manifest)? {
        return Ok(published.layers);
    }
    let digest = manifest.digest;
    let image = earlier::read_seen(&client, &registry::Seen { target, manifest }, machine)?;
    let mut known = image.known_layers(Some(reference));
    // Not every registry keeps lists, and none need have one.
    let lists = client.referrers(&digest, Some(ARTIFACT_TYPE)).unwrap_or_default();
    for list in lists.iter().rev().take(MAX_LISTS) {
        let manifest = client.get_manifest(&list.digest.to_string());
        let published =
            manifest.ok().flatten().and_then(|it| Published::read(&client, &it).ok()?);
        known.extend(published.map(|published| published.layers).unwrap_or_default());
    }
    Ok(known)
}
