//! `closure2img oci`: images from the closures of roots, written, pushed or both.

mod args;
mod made;
mod meaning;
mod order;
mod part;

use std::sync::Arc;

use anyhow::Context;
use closure2img::image::{self, Image, ImageName, Images, LayerOptions, Storage, Whiteouts};
use closure2img::progress::{Event, Progress};
use closure2img::push::{self, Sender};

pub(crate) use args::OciArgs;
use args::WhiteoutsArg;
use made::Made;
use order::{Given, Ready};
use part::Part;

use super::previous;

/// Makes the images and takes them where they are wanted.
pub(crate) fn run(args: &OciArgs) -> anyhow::Result<()> {
    let parts = args.parts()?;
    let destination = args.destination()?;
    let progress = args.closure.progress();
    let progress = &*progress;
    let registries = args.registries()?;
    let mut targets = args.targets(&registries)?;
    args.survey(&mut targets)?;
    let source = args.base(&registries)?;
    if let Some(source) = &source {
        tell_digest(&**source, progress);
    }
    let mut ready = Vec::new();
    for part in &parts {
        let base = source.as_ref().map(|source| part.base(&**source)).transpose()?;
        if let (Some(base), Some(source)) = (&base, &source)
            && let Some(repository) = source.repository()
        {
            for target in &mut targets {
                target.on_base(repository, base);
            }
        }
        let base = base.map(Arc::new);
        let given = Given { targets: &targets, registries: &registries, base, progress };
        ready.push(of_part(part, args.ready(part, &given))?);
    }
    let spool = destination.spool();
    let images = push::sending(&targets, progress, |sender| -> anyhow::Result<_> {
        for base in ready.iter().filter_map(|one| one.order.base.as_ref()) {
            sender.add_base(base);
        }
        let mut images = Vec::new();
        for (part, one) in parts.iter().zip(&ready) {
            let storage = match &parts[..] {
                [_] => destination.storage(one.order.dialect, &spool),
                // In an archive each layer has its place, which is for one image to say.
                _ => Storage::Spool(&spool),
            };
            images.push(of_part(part, make(args, one, &storage, sender, progress))?);
        }
        Ok(match images.pop() {
            Some(image) if parts[0].platform().is_none() => Images::One(Box::new(image)),
            last => Images::indexed(images.into_iter().chain(last).collect()),
        })
    })?;
    let name = args.tag.clone().or_else(|| {
        let closure = &ready.first()?.order.closure;
        ImageName::of_store_path(closure.roots.first()?.path.name())
    });
    destination.write(&images, name.as_ref(), progress)?;
    let runs = ready.iter().all(|one| !one.run.entrypoint.is_empty() || !one.run.cmd.is_empty());
    let made = Made { args, images: &images, name: name.as_ref(), runs };
    made.tell_written(progress);
    let mut pushed = Vec::new();
    for target in &targets {
        // Told one by one: should the next fail, this one is there all the same.
        let references = push::finish(target, &images, progress)?;
        made.tell_pushed(&references, progress)?;
        pushed.extend(references);
    }
    made.tell_all(&pushed)
}

/// Of a tag, says which image it is now: that is what to name for the same result later.
fn tell_digest(source: &dyn closure2img::copy::Source, progress: &dyn Progress) {
    if let Some(reference) = source.repository().filter(|it| it.digest().is_none()) {
        let text = format!("on top of {}@{}", reference.name(), source.root().digest);
        progress.report(Event::Made { text: &text });
    }
}

/// What went wrong with one of several images says with which.
fn of_part<T>(part: &Part<'_>, result: anyhow::Result<T>) -> anyhow::Result<T> {
    match part.platform() {
        Some(platform) => result.with_context(|| format!("no image for `{platform}`")),
        None => result,
    }
}

/// Makes the layers, which go where they are wanted as soon as they are there, and the image.
fn make(
    args: &OciArgs,
    ready: &Ready,
    storage: &Storage<'_>,
    sender: &Sender<'_, '_>,
    progress: &dyn Progress,
) -> anyhow::Result<Image> {
    let Ready { order, earlier, run, sources } = ready;
    let options = LayerOptions {
        compression: args.compress,
        whiteouts: match args.whiteouts {
            WhiteoutsArg::Refuse => Whiteouts::Refuse,
            WhiteoutsArg::Omit => Whiteouts::Omit,
        },
        dedup: !args.no_dedup,
        verify: args.verify,
        threads: args.closure.threads(),
    };
    let layers = image::build(sources, options, storage, progress, &|layer| sender.add(layer))?;
    previous::check_dead(&order.plan, &layers, earlier.as_ref())?;
    for omitted in &layers.omitted {
        let text = format!("left out `{omitted}`, which no layer can hold");
        progress.report(Event::Warning { text: &text });
    }
    let image = order.image(&layers, run.clone())?;
    sender.add(&Arc::new(image.config.clone()));
    Ok(image)
}
