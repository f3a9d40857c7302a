//! To a registry: blobs, then what names them, and the tag last.

use registry::{Client, Error as RegistryError};

use super::selected::{Node, Selected};
use super::{BODIES, Error, Source};
use crate::parallel::in_parallel;
use crate::progress::{Event, Progress};
use crate::push::Forward;

/// Puts the image under the tag that `client` is for.
pub(super) fn push(
    image: &Selected<'_>,
    client: &Client,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let root = image.root();
    let tag = client.reference().target();
    let at_tag = has(client, &tag)? == Some(root.digest);
    send(image, client, at_tag, progress)?;
    if !at_tag {
        client.put_manifest(&tag, &root.media_type, &root.bytes)?;
    }
    Ok(())
}

/// Puts all manifests but the last in the repository, and the blobs of all. `complete` says that the
/// last is there.
pub(super) fn send(
    image: &Selected<'_>,
    client: &Client,
    complete: bool,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let root = image.root().digest;
    let mut missing: Vec<&Node> = Vec::new();
    for node in image.nodes() {
        let digest = node.manifest.digest;
        // What a registry has a manifest of, it has all of; only of an index it may lack images.
        let is_there = match digest == root {
            true => complete,
            false => has(client, &digest.to_string())? == Some(digest),
        };
        if !is_there {
            missing.push(node);
        }
    }
    let blobs = Selected::blobs(missing.iter().copied());
    let order: Vec<usize> = (0..blobs.len()).collect();
    in_parallel(&order, BODIES, |at| send_blob(image.source, client, blobs[at], progress))?;
    for node in missing.into_iter().filter(|node| node.manifest.digest != root) {
        let manifest = &node.manifest;
        client.put_manifest(&manifest.digest.to_string(), &manifest.media_type, &manifest.bytes)?;
    }
    Ok(())
}

/// Sees to it that the repository has the blob.
fn send_blob(
    source: &dyn Source,
    client: &Client,
    blob: &registry::Descriptor,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let target = client.reference();
    let mount_from = source
        .repository()
        .filter(|it| it.registry() == target.registry())
        .map(registry::Reference::repository)
        .filter(|repository| *repository != target.repository());
    let blob = source.blob(blob)?;
    let placed = client.ensure_blob_from(&*blob, mount_from, &Forward(progress))?;
    progress.report(Event::Uploaded { sent: placed == registry::Placed::Uploaded });
    Ok(())
}

/// Whether the repository has the manifest of this digest.
pub(super) fn is_there(client: &Client, digest: &str) -> Result<bool, Error> {
    Ok(has(client, digest)?.is_some())
}

/// The digest of what is at a tag or digest. That a registry does not let us look, as some do for
/// repositories that are not there yet, says nothing: what counts is whether it lets us write.
fn has(client: &Client, target: &str) -> Result<Option<registry::Digest>, Error> {
    match client.head_manifest(target) {
        Ok(found) => Ok(found.map(|found| found.digest)),
        Err(RegistryError::Refused { status: 401 | 403, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
