//! From layers and an image to registries: layers are sent while later ones are still being made,
//! and the configuration with the last of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use registry::{Blob, Client, Digest, Manifest, Queue, Reference, Survey};

use crate::image::Image;
use crate::progress::{Event, Progress};

/// What was seen at a tag so long ago may have been replaced by somebody else.
const STALE: Duration = Duration::from_secs(10);
/// Shorter waits are not worth a line.
const TOLD_WAIT: Duration = Duration::from_secs(1);

/// A repository to push to, under one tag or several.
pub struct Target {
    /// The tags, as the user gave them.
    pub references: Vec<Reference>,
    /// Talks to it.
    pub client: Client,
    /// A repository of the same registry that may have the layers already.
    pub mount_from: Option<String>,
    /// What the repository has, and when that was.
    before: Option<(Survey, Instant)>,
}

impl Target {
    /// A repository of which nothing is known yet. All `references` are to be in it.
    pub fn new(client: Client, references: Vec<Reference>, mount_from: Option<String>) -> Self {
        Self { references, client, mount_from, before: None }
    }

    /// Finds out what the repository has. `known` are other tags or digests in it, which are asked
    /// for instead of the first of its own.
    pub fn survey(&mut self, known: &[String]) -> Result<(), registry::Error> {
        self.before = Some((self.client.survey(known)?, Instant::now()));
        Ok(())
    }

    /// What the survey found: the image at the first tag, or others.
    pub fn before(&self) -> Option<&Survey> {
        self.before.as_ref().map(|(survey, _)| survey)
    }

    /// Whether the first tag is at `digest`, and was so just now.
    fn is_at(&self, digest: Digest) -> Result<bool, registry::Error> {
        let target = self.client.reference().target();
        let Some((survey, when)) = &self.before else { return Ok(false) };
        if !survey.has(&target, digest) {
            return Ok(false);
        }
        if when.elapsed() < STALE {
            return Ok(true);
        }
        let now = self.client.get_manifest(&target)?;
        Ok(now.is_some_and(|manifest| manifest.digest == digest))
    }
}

/// Takes what is to be sent; given to the work of [`sending`].
pub struct Sender<'q, 'a> {
    queue: &'q Queue<'a>,
    targets: &'a [Target],
}

impl Sender<'_, '_> {
    /// Sends `blob` to all targets. Answers at once; `false` if sending has failed.
    pub fn add<B: Blob + 'static>(&self, blob: &Arc<B>) -> bool {
        self.targets.iter().all(|target| {
            let blob: Arc<dyn Blob> = Arc::<B>::clone(blob);
            self.queue.add(&target.client, blob, target.mount_from.as_deref())
        })
    }
}

/// Runs `work`, which hands over each blob as it is made, and sends meanwhile. All is in place when
/// this returns. `work` is told to stop when sending has failed.
pub fn sending<T, E: From<registry::Error>>(
    targets: &[Target],
    progress: &dyn Progress,
    work: impl FnOnce(&Sender<'_, '_>) -> Result<T, E>,
) -> Result<T, E> {
    registry::sending(&Forward(progress), |queue| work(&Sender { queue, targets }))
}

/// Completes a push whose blobs are in place: the manifest, under all tags of the target. Returns
/// `REPOSITORY@DIGEST` for each.
pub fn finish(
    target: &Target,
    image: &Image,
    progress: &dyn Progress,
) -> Result<Vec<String>, registry::Error> {
    let mut left = &target.references[..];
    if target.is_at(image.digest())? {
        left = &left[1..];
    }
    let tags: Vec<String> = left.iter().map(Reference::target).collect();
    let layers = image.layers.iter().map(|layer| &**layer as &dyn Blob);
    let blobs: Vec<&dyn Blob> = layers.chain([&image.config as &dyn Blob]).collect();
    let manifest = Manifest::new(image.dialect.manifest(), image.manifest.bytes());
    registry::finish(&target.client, &blobs, &manifest, &tags, &Forward(progress))?;
    // The next push plans around this image, and has its configuration at hand then.
    target.client.keep(&image.config);
    let pinned = |reference: &Reference| format!("{}@{}", reference.name(), manifest.digest);
    Ok(target.references.iter().map(pinned).collect())
}

/// Tells the registry's events as ours.
struct Forward<'a>(&'a dyn Progress);

impl registry::Progress for Forward<'_> {
    fn report(&self, event: registry::Event<'_>) {
        match event {
            registry::Event::Started { size, .. } => self.0.report(Event::Upload { bytes: size }),
            registry::Event::Sent { bytes, .. } | registry::Event::Resumed { bytes, .. } => {
                self.0.report(Event::Sent { bytes });
            }
            registry::Event::Rewound { bytes, .. } => self.0.report(Event::Rewound { bytes }),
            registry::Event::Present { .. } | registry::Event::Mounted { .. } => {
                self.0.report(Event::Uploaded { sent: false });
            }
            registry::Event::Done { .. } => self.0.report(Event::Uploaded { sent: true }),
            registry::Event::Retrying { error, wait } if wait >= TOLD_WAIT => {
                let text = format!("{error}; trying again in {} s", wait.as_secs());
                self.0.report(Event::Warning { text: &text });
            }
            _ => {}
        }
    }
}
