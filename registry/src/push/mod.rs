//! A whole image: blobs side by side, then the manifest that makes them one.
//!
//! The manifest comes when everything that it names is in place: a tag never points to half an image. Should the
//! registry lack a blob that it was known to have, it says so, and gets it.

mod queue;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Blob, Client, Digest, Error, Manifest, Progress};
pub use queue::{Queue, sending};

/// How often the registry may find that it lacks something.
const HEALINGS: usize = 2;

/// Pushes `blobs` and then `manifest`, under the tag or digest of the client's reference. If that is what is there
/// already, one request finds it out.
pub fn push(
    client: &Client,
    blobs: &[&dyn Blob],
    manifest: &Manifest,
    progress: &dyn Progress,
) -> Result<Digest, Error> {
    let target = client.reference().target();
    if client.survey(&[])?.has(&target, manifest.digest) {
        client.learn(blobs.iter().map(Blob::digest));
        for blob in unique(blobs) {
            client.ensure_blob(blob, progress)?;
        }
        return Ok(manifest.digest);
    }
    place(client, blobs, None, progress)?;
    finish(client, blobs, manifest, &[target], progress)
}

/// Puts `manifest`, whose `blobs` are in place, under all `targets`: tags or its digest.
pub fn finish(
    client: &Client,
    blobs: &[&dyn Blob],
    manifest: &Manifest,
    targets: &[String],
    progress: &dyn Progress,
) -> Result<Digest, Error> {
    for healings in 0.. {
        match client.put_manifest_at(targets, &manifest.media_type, &manifest.bytes) {
            Err(Error::Refused { details, .. }) if healings < HEALINGS && details.lacks_blobs() => {
                client.distrust();
                let named = |blob: &&&dyn Blob| details.missing.contains(&blob.digest());
                let lacking: Vec<&dyn Blob> = blobs.iter().filter(named).copied().collect();
                // Not all registries say which.
                place(client, if lacking.is_empty() { blobs } else { &lacking }, None, progress)?;
            }
            result => return result,
        }
    }
    Ok(manifest.digest)
}

fn place(
    client: &Client,
    blobs: &[&dyn Blob],
    source: Option<&str>,
    progress: &dyn Progress,
) -> Result<(), Error> {
    sending(progress, |queue| {
        for blob in unique(blobs) {
            queue.add(client, Arc::new(blob), source);
        }
        Ok(())
    })
}

/// Each blob once.
fn unique<'a>(blobs: &[&'a dyn Blob]) -> impl Iterator<Item = &'a dyn Blob> {
    let unique: BTreeMap<Digest, &dyn Blob> =
        blobs.iter().map(|blob| (blob.digest(), *blob)).collect();
    unique.into_values()
}
