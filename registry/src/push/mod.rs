//! A whole image: blobs side by side, then the manifest that makes them one.
//!
//! Questions are cheap and bound by latency, so many are asked at once; bodies share one line, so a few connections
//! fill it. The biggest blobs start first, since one that starts last would be waited for alone. The manifest comes
//! when everything that it names is in place: a tag never points to half an image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::auth::lock;
use crate::{Blob, Client, Digest, Error, Event, Manifest, Progress};

/// `HEAD` requests at once.
const QUESTIONS: usize = 16;
/// Uploads at once.
const BODIES: usize = 6;

/// Pushes `blobs` and then `manifest`, under the tag or digest of the client's reference.
pub fn push(
    client: &Client,
    blobs: &[&dyn Blob],
    manifest: &Manifest,
    progress: &dyn Progress,
) -> Result<Digest, Error> {
    let unique: BTreeMap<Digest, &dyn Blob> =
        blobs.iter().map(|blob| (blob.digest(), *blob)).collect();
    let mut blobs: Vec<&dyn Blob> = unique.into_values().collect();

    let missing = Mutex::new(BTreeSet::new());
    let ask = |blob: &&dyn Blob| {
        let digest = blob.digest();
        if client.exists(&digest, blob.size())? {
            progress.report(Event::Present { digest: &digest });
        } else {
            lock(&missing).insert(digest);
        }
        Ok(())
    };
    // The first question goes alone and finds out how to log in: a wrong password is tried once, not sixteen times.
    let (first, others) = blobs.split_at(blobs.len().min(1));
    in_parallel(first, 1, ask)?;
    in_parallel(others, QUESTIONS, ask)?;

    let missing = missing.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    blobs.retain(|blob| missing.contains(&blob.digest()));
    blobs.sort_by_key(|blob| (std::cmp::Reverse(blob.size()), blob.digest()));
    in_parallel(&blobs, BODIES, |blob| client.upload(*blob, progress).map(drop))?;
    client.put_manifest(&client.reference().target(), &manifest.media_type, &manifest.bytes)
}

/// Runs `work` on all items, in order, by at most `threads` threads. The first error ends it, once what has begun is
/// finished.
fn in_parallel<T: Sync>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed)
                    && let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if let Err(error) = work(item) {
                        stop.store(true, Ordering::Relaxed);
                        lock(&failure).get_or_insert(error);
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
}
