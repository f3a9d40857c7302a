//! From layers and an image to registries: layers are sent while later ones are still being made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use registry::{Client, Placed, Reference};

use crate::image::{Image, Layer};
use crate::progress::{Event, Progress};

/// Blobs on their way at once, to all registries together: enough to hide the latency of asking
/// and few enough that each gets its share of the line.
const CONNECTIONS: usize = 8;

/// A repository to push to, under one tag or several.
pub struct Target {
    /// The tags, as the user gave them.
    pub references: Vec<Reference>,
    /// Talks to it.
    pub client: Client,
    /// A repository of the same registry that may have the layers already.
    pub mount_from: Option<String>,
}

/// Runs `build`, which tells of each layer as it is made, and sends those layers meanwhile. `build`
/// is told to stop when sending has failed.
pub fn layers_while<T, E: From<registry::Error>>(
    targets: &[Target],
    progress: &dyn Progress,
    build: impl FnOnce(&(dyn Fn(&Arc<Layer>) -> bool + Sync)) -> Result<T, E>,
) -> Result<T, E> {
    let (queue, taken) = mpsc::channel::<(&Target, Arc<Layer>)>();
    let taken = Mutex::new(taken);
    let stop = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let connections = if targets.is_empty() { 0 } else { CONNECTIONS };
    let result = thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let next = || taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok((target, layer)) = next() {
                    if stop.load(Ordering::Relaxed) {
                        continue;
                    }
                    if let Err(error) = send(target, &*layer, progress) {
                        stop.store(true, Ordering::Relaxed);
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                }
            });
        }
        let result = build(&|layer| {
            for target in targets {
                // The threads listen as long as this closure lives.
                let _ = queue.send((target, Arc::clone(layer)));
            }
            !stop.load(Ordering::Relaxed)
        });
        if result.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        drop(queue);
        result
    });
    // What went wrong first is what sending says: a build that it stopped has nothing to tell.
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error.into()),
        None => result,
    }
}

/// Completes a push whose layers are in place: configuration, then manifest under the tag of
/// `reference`, one of the target's. Returns `REPOSITORY@DIGEST`.
pub fn finish(
    target: &Target,
    reference: &Reference,
    image: &Image,
    progress: &dyn Progress,
) -> Result<String, registry::Error> {
    send(target, &image.config, progress)?;
    let media_type = image.dialect.manifest();
    let digest =
        target.client.put_manifest(&reference.target(), media_type, image.manifest.bytes())?;
    Ok(format!("{}@{digest}", reference.name()))
}

fn send(
    target: &Target,
    blob: &dyn registry::Blob,
    progress: &dyn Progress,
) -> Result<(), registry::Error> {
    let placed =
        target.client.ensure_blob_from(blob, target.mount_from.as_deref(), &Forward(progress))?;
    progress.report(Event::Uploaded { sent: placed == Placed::Uploaded });
    Ok(())
}

/// Tells the registry's events as ours.
pub(crate) struct Forward<'a>(pub(crate) &'a dyn Progress);

impl registry::Progress for Forward<'_> {
    fn report(&self, event: registry::Event<'_>) {
        match event {
            registry::Event::Started { size, .. } => self.0.report(Event::Upload { bytes: size }),
            registry::Event::Sent { bytes, .. } => self.0.report(Event::Sent { bytes }),
            registry::Event::Rewound { bytes, .. } => self.0.report(Event::Rewound { bytes }),
            registry::Event::Present { .. }
            | registry::Event::Mounted { .. }
            | registry::Event::Done { .. } => {}
        }
    }
}
