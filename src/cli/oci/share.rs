//! `--cache-to`: what is known of the layers, for other machines.

use closure2img::cache::{KnownLayers, Published};
use closure2img::image::{Image, ImageLayer, Images};
use closure2img::progress::Progress;
use closure2img::push::{self, Target};
use registry::{Reference, Registries};

/// Where the list of layers goes.
pub(super) struct Share {
    pub(super) target: Target,
    /// Whether the images go to the same repository.
    beside_images: bool,
    /// What is there now.
    before: Published,
}

impl Share {
    /// A list at `reference`, beside images that go to `pushed`; what it has now stays in it.
    pub(super) fn new(
        reference: &Reference,
        pushed: &[Reference],
        registries: &Registries,
    ) -> anyhow::Result<Self> {
        let client = registries.client(reference.clone())?;
        let here = pushed.iter().find(|it| it.registry() == reference.registry());
        let mount_from = here.map(|it| it.repository().to_owned());
        let mut target = Target::new(client, vec![reference.clone()], mount_from);
        target.survey(&[])?;
        let own = reference.target();
        let seen = target.before().and_then(|it| it.seen.iter().find(|seen| seen.target == own));
        let before =
            seen.map(|seen| Published::read(&target.client, &seen.manifest)).transpose()?;
        let beside_images = pushed.iter().any(|it| it.name() == reference.name());
        Ok(Self { target, beside_images, before: before.flatten().unwrap_or_default() })
    }

    /// The layers that are there.
    pub(super) fn known(&self) -> &KnownLayers {
        &self.before.layers
    }

    /// The repository, if layers must be sent there and go nowhere else.
    pub(super) fn elsewhere(&self) -> Option<&Target> {
        Some(&self.target).filter(|_| !self.beside_images)
    }

    /// Sends what the list is to name, and puts it there. Beside the images, it is also among what
    /// refers to them. Returns `REPOSITORY@DIGEST`.
    pub(super) fn publish(
        self,
        images: &Images,
        progress: &dyn Progress,
    ) -> anyhow::Result<String> {
        if let Some(target) = self.elsewhere() {
            push::sending(std::slice::from_ref(target), progress, |sender| {
                for layer in images.all().iter().flat_map(|image| &image.layers) {
                    if let ImageLayer::Own(layer) = layer {
                        sender.add_layer(layer);
                    }
                }
                Ok::<_, registry::Error>(())
            })?;
        }
        let shared: Vec<_> = images.all().iter().flat_map(Image::recognisable).collect();
        let layers = shared.iter().map(|(key, layer, _)| (*key, layer.clone())).collect();
        let descriptors = shared.into_iter().map(|(.., descriptor)| descriptor);
        let list = Published::new(layers, descriptors).with(self.before);
        let subject = self.beside_images.then(|| images.descriptor());
        let digest = push::publish(&self.target, &list, subject.as_ref(), progress)?;
        Ok(format!("{}@{digest}", self.target.client.reference().name()))
    }
}
