//! An index of images that are there already: one name for several platforms.

use registry::{Digest, Index, Reference, Registries};

use super::selected::{Leaf, Selected, leaves};
use super::{Error, Source, push};
use crate::progress::Progress;

/// Puts an index of all images of `sources` under the tag `reference`. What the repository lacks of
/// them is mounted or copied. Indexes among them are taken apart.
pub fn index(
    sources: &[Box<dyn Source>],
    reference: &Reference,
    registries: &Registries,
    progress: &dyn Progress,
) -> Result<Digest, Error> {
    let mut found: Vec<(&dyn Source, Leaf)> = Vec::new();
    for source in sources {
        for leaf in leaves(&**source)? {
            // The same image twice is one.
            if found.iter().any(|(_, other)| other.manifest.digest == leaf.manifest.digest) {
                continue;
            }
            // Attestations are for no platform, and there may be any number of them.
            let same = found.iter().find(|(_, other)| {
                !leaf.platform.is_unknown() && other.platform.is_same(&leaf.platform)
            });
            if let Some((first, _)) = same {
                return Err(Error::SamePlatform {
                    first: first.name().into(),
                    second: source.name().into(),
                    platform: leaf.platform.to_string(),
                });
            }
            found.push((&**source, leaf));
        }
    }
    let client = registries.client(reference.clone())?;
    // The images that are under the name now, or under the newest, answer for their blobs.
    client.survey(&[])?;
    let mut index = Index::default();
    for (source, Leaf { manifest, mut descriptor, platform }) in found {
        let digest = manifest.digest.to_string();
        let image = Selected::below(source, manifest)?;
        if !push::is_there(&client, &digest)? {
            push::send(&image, &client, false, progress)?;
            push::finish(&image, &client, &digest, progress)?;
        }
        descriptor.platform = Some(platform);
        index.manifests.push(descriptor);
    }
    let manifest = index.to_manifest();
    Ok(client.put_manifest(&reference.target(), &manifest.media_type, &manifest.bytes)?)
}
