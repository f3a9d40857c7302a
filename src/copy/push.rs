//! To a registry: blobs, then what names them, and the tag last.

use registry::{Blob, Client, Error as RegistryError};

use super::selected::{Node, Selected};
use super::{Error, Source};
use crate::parallel::in_parallel;
use crate::progress::Progress;
use crate::push::Forward;

/// Questions at once, which cost a line nothing.
const QUESTIONS: usize = 16;

/// Puts the image under the tag that `client` is for.
pub(super) fn push(
    image: &Selected<'_>,
    client: &Client,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let root = image.root();
    let tag = client.reference().target();
    let at_tag = client.survey(&[])?.has(&tag, root.digest);
    send(image, client, at_tag, progress)?;
    if !at_tag {
        finish(image, client, &tag, progress)?;
    }
    Ok(())
}

/// Puts the manifest that names all others under a tag or its digest.
pub(super) fn finish(
    image: &Selected<'_>,
    client: &Client,
    target: &str,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let Some(root) = image.nodes().last() else { return Ok(()) };
    put(image.source, client, root, target, progress)
}

fn put(
    source: &dyn Source,
    client: &Client,
    node: &Node,
    target: &str,
    progress: &dyn Progress,
) -> Result<(), Error> {
    // Should the registry find that it lacks one of these after all, it gets it.
    let blobs = node.blobs.iter().map(|blob| source.blob(blob)).collect::<Result<Vec<_>, _>>()?;
    let blobs: Vec<&dyn Blob> = blobs.iter().map(|blob| &**blob).collect();
    registry::finish(client, &blobs, &node.manifest, &[target.to_owned()], &Forward(progress))?;
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
    // What a registry has a manifest of, it has all of; only of an index it may lack images.
    let nodes = image.nodes();
    let order: Vec<usize> = (0..nodes.len()).collect();
    let are_there = in_parallel(&order, QUESTIONS, |at| -> Result<bool, Error> {
        match nodes[at].manifest.digest {
            digest if digest == root => Ok(complete),
            digest => is_there(client, &digest.to_string()),
        }
    })?;
    let missing = nodes.iter().zip(are_there).filter(|(_, is_there)| !is_there);
    let missing: Vec<&Node> = missing.map(|(node, _)| node).collect();
    let blobs = Selected::blobs(missing.iter().copied());
    let mount_from = mount_from(image.source, client);
    registry::sending(&Forward(progress), |queue| {
        for blob in &blobs {
            if !queue.add(client, image.source.blob(blob)?.into(), mount_from) {
                break;
            }
        }
        Ok::<_, Error>(())
    })?;
    for node in missing.into_iter().filter(|node| node.manifest.digest != root) {
        put(image.source, client, node, &node.manifest.digest.to_string(), progress)?;
    }
    Ok(())
}

/// The repository of the image, if blobs can be mounted from there.
fn mount_from<'a>(source: &'a dyn Source, client: &Client) -> Option<&'a str> {
    let target = client.reference();
    source
        .repository()
        .filter(|it| it.registry() == target.registry())
        .map(registry::Reference::repository)
        .filter(|repository| *repository != target.repository())
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
