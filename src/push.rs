//! From layers and an image to registries: layers are sent while later ones are still being made,
//! and the configuration with the last of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use registry::{Blob, Client, Descriptor, Digest, Queue, Reference, Survey};

use crate::cache::{KnownLayer, Published};
use crate::image::{Base, BaseLayer, Image, Images, Layer};
use crate::progress::{Event, Progress};
use crate::timings::{self, Origin, Stage, time};

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
    /// The repository of the same registry that the image underneath is in.
    base: Option<String>,
    /// What the repository has, and when that was.
    before: Option<(Survey, Instant)>,
}

impl Target {
    /// A repository of which nothing is known yet. All `references` are to be in it.
    pub fn new(client: Client, references: Vec<Reference>, mount_from: Option<String>) -> Self {
        Self { references, client, mount_from, base: None, before: None }
    }

    /// Finds out what the repository has. `known` are other tags or digests in it, which are asked
    /// for instead of the first of its own.
    pub fn survey(&mut self, known: &[String]) -> Result<(), registry::Error> {
        self.before = Some((self.client.survey(known)?, Instant::now()));
        Ok(())
    }

    /// Takes note of an image, in the repository `of`, that the next one is put on: what this
    /// repository lacks of it is then mounted from there, if it is in the same registry.
    pub fn on_base(&mut self, of: &Reference, base: &Base) {
        let own = self.client.reference();
        if of.registry() != own.registry() {
            return;
        }
        if of.repository() == own.repository() {
            self.client.learn(base.layers.iter().map(|layer| layer.digest()));
        } else {
            self.base = Some(of.repository().to_owned());
        }
    }

    /// What the survey found: the image at the first tag, or others.
    pub fn before(&self) -> Option<&Survey> {
        self.before.as_ref().map(|(survey, _)| survey)
    }

    /// Whether a layer need not be sent: the repository has it, or can take it from another one of
    /// its registry. Should that turn out wrong, it is sent all the same.
    pub fn has(&self, layer: &KnownLayer) -> bool {
        self.client.has(&layer.digest) || self.home(layer.home.as_ref()).is_some()
    }

    /// The repository `home`, if it is in this registry.
    fn home<'a>(&self, home: Option<&'a Reference>) -> Option<&'a str> {
        let registry = self.client.reference().registry();
        home.filter(|home| home.registry() == registry).map(Reference::repository)
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

    /// As [`Self::add`], for a layer that may be in another repository already.
    pub fn add_layer(&self, layer: &Arc<Layer>) -> bool {
        self.targets.iter().all(|target| {
            let source = target.home(layer.home.as_ref()).or(target.mount_from.as_deref());
            let blob: Arc<dyn Blob> = Arc::<Layer>::clone(layer);
            self.queue.add(&target.client, blob, source)
        })
    }

    /// As [`Self::add`], for all layers of an image underneath, which are taken from where that is.
    pub fn add_base(&self, base: &Base) -> bool {
        self.targets.iter().all(|target| {
            let source = target.base.as_deref().or(target.mount_from.as_deref());
            base.layers.iter().all(|layer| {
                let blob: Arc<dyn Blob> = Arc::<BaseLayer>::clone(layer);
                self.queue.add(&target.client, blob, source)
            })
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
    let origin = timings::origin();
    let uploads = Uploads { forward: Forward(progress), origin: origin.clone() };
    // When the work is done, this thread has nothing to do but to wait.
    time(Stage::Wait, || {
        registry::sending(&uploads, |queue| origin.resume(|| work(&Sender { queue, targets })))
    })
}

/// Completes a push whose blobs are in place: the manifests of several images by their digests, then
/// the only one or the index under all tags of the target. Returns `REPOSITORY@DIGEST` for each.
pub fn finish(
    target: &Target,
    images: &Images,
    progress: &dyn Progress,
) -> Result<Vec<String>, registry::Error> {
    let mut left = &target.references[..];
    let is_there = target.is_at(images.digest())?;
    if is_there {
        left = &left[1..];
    }
    let tags: Vec<String> = left.iter().map(Reference::target).collect();
    let forward = Forward(progress);
    let put = |image: &Image, targets: &[String]| {
        let blobs: Vec<&dyn Blob> = image.blobs().collect();
        registry::finish(&target.client, &blobs, &image.to_manifest(), targets, &forward)
    };
    match images {
        Images::One(image) => {
            put(image, &tags)?;
        }
        Images::Several { images, index } => {
            // What names them all names only what is there.
            for image in images.iter().filter(|_| !is_there) {
                put(image, &[image.digest().to_string()])?;
            }
            registry::finish(&target.client, &[], index, &tags, &forward)?;
        }
    }
    // The next push plans around these images, and has their configurations at hand then.
    images.all().iter().for_each(|image| target.client.keep(&image.config));
    let pinned = |reference: &Reference| format!("{}@{}", reference.name(), images.digest());
    Ok(target.references.iter().map(pinned).collect())
}

/// Puts a list of layers, which are in place, at the tag of the target, and among what refers to
/// `subject`.
pub fn publish(
    target: &Target,
    list: &Published,
    subject: Option<&Descriptor>,
    progress: &dyn Progress,
) -> Result<Digest, registry::Error> {
    list.publish(&target.client, subject, &Forward(progress))
}

/// Tells the registry's events as ours, and watches the threads that send.
struct Uploads<'a> {
    forward: Forward<'a>,
    origin: Origin,
}

impl registry::Progress for Uploads<'_> {
    fn report(&self, event: registry::Event<'_>) {
        match event {
            registry::Event::Started { size, .. } => {
                self.origin.begin("upload", Stage::Upload);
                timings::count(Stage::Upload, usize::try_from(size).unwrap_or(usize::MAX));
            }
            registry::Event::Done { .. } => timings::end("upload"),
            _ => {}
        }
        self.forward.report(event);
    }
}

/// Tells the registry's events as ours.
pub(crate) struct Forward<'a>(pub(crate) &'a dyn Progress);

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
