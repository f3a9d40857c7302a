//! `closure2img oci`: images from the closures of roots, written, pushed or both.

mod args;
mod known;
mod made;
mod meaning;
mod order;
mod part;
mod share;
mod timed;

use std::sync::Arc;

use anyhow::Context;
use closure2img::cache::KnownLayer;
use closure2img::image::{self, Destination, Image, ImageName, Images, Spool, Storage, Work};
use closure2img::progress::{Event, Progress};
use closure2img::push::{self, Sender, Target};
use closure2img::timings::{Stage, time};

pub(crate) use args::OciArgs;
use made::Made;
pub(super) use meaning::created;
use order::{Given, Ready};
use part::Part;
use share::Share;
use timed::{Timed, Watch};

use super::previous;

/// Makes the images and takes them where they are wanted.
pub(crate) fn run(args: &OciArgs) -> anyhow::Result<()> {
    let watch = args.timings.then(Watch::start);
    let parts = args.parts()?;
    let destination = args.destination()?;
    let progress = args.closure.progress();
    let progress = &*progress;
    let cache = args.cache.open(progress)?;
    let registries = args.registries()?;
    let mut targets = args.targets(&registries)?;
    args.survey(&mut targets)?;
    let share = args.cache_to.as_ref();
    let share = share.map(|it| Share::new(it, &args.push, &registries)).transpose()?;
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
        let given = Given {
            targets: &targets,
            registries: &registries,
            base: base.map(Arc::new),
            cache: cache.as_deref(),
            share: share.as_ref(),
            progress,
        };
        ready.push(of_part(part, args.ready(part, &given))?);
    }
    let name = args.tag.clone().or_else(|| {
        let closure = &ready.first()?.order.closure;
        ImageName::of_store_path(closure.roots.first()?.path.name())
    });
    let spool = destination.spool().with_cache(cache.clone());
    let was_there = match cache.as_deref().filter(|_| destination.lasts()) {
        Some(cache) => known_images(&parts, &ready, &spool)?
            .is_some_and(|images| destination.holds(&images, name.as_ref(), cache)),
        None => false,
    };
    let destination = if was_there { Destination::Nowhere } else { destination };
    let elsewhere = share.iter().filter_map(Share::elsewhere);
    let takers: Vec<&Target> = targets.iter().chain(elsewhere).collect();
    let written = !matches!(destination, Destination::Nowhere);
    let wanted = |layer: &KnownLayer| written || takers.iter().any(|it| !it.has(layer));
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
            images.push(of_part(part, make(one, &storage, &wanted, sender, progress))?);
        }
        Ok(together(&parts, images))
    })?;
    time(Stage::Write, || destination.write(&images, name.as_ref(), cache.as_deref(), progress))?;
    let runs = ready.iter().all(|one| !one.run.entrypoint.is_empty() || !one.run.cmd.is_empty());
    let made = Made { args, images: &images, name: name.as_ref(), runs, was_there };
    made.tell_written(progress);
    let mut pushed = Vec::new();
    for target in &targets {
        // Told one by one: should the next fail, this one is there all the same.
        let references = time(Stage::Upload, || push::finish(target, &images, progress))?;
        made.tell_pushed(&references, progress)?;
        pushed.extend(references);
    }
    if let Some(share) = share {
        let reference = share.publish(&images, progress)?;
        progress.report(Event::Made { text: &format!("layers are listed at {reference}") });
    }
    let timed = watch.map(Watch::end);
    made.tell_all(&pushed, timed.as_ref())?;
    timed.iter().try_for_each(Timed::tell)?;
    Ok(())
}

/// One image by itself, or an index over those of several platforms.
fn together(parts: &[Part<'_>], mut images: Vec<Image>) -> Images {
    match images.pop() {
        Some(image) if parts[0].platform().is_none() => Images::One(Box::new(image)),
        last => Images::indexed(images.into_iter().chain(last).collect()),
    }
}

/// The images, if all about them is known already.
fn known_images(
    parts: &[Part<'_>],
    ready: &[Ready],
    spool: &Spool,
) -> anyhow::Result<Option<Images>> {
    let mut images = Vec::new();
    for one in ready {
        let layers = image::of_known(&one.sources, &one.recalled, one.options, spool);
        let Some(layers) = layers else { return Ok(None) };
        images.push(one.order.image(&layers, one.run.clone())?);
    }
    Ok(Some(together(parts, images)))
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
    ready: &Ready,
    storage: &Storage<'_>,
    wanted: &(dyn Fn(&KnownLayer) -> bool + Sync),
    sender: &Sender<'_, '_>,
    progress: &dyn Progress,
) -> anyhow::Result<Image> {
    let Ready { order, earlier, run, sources, recalled, options } = ready;
    let work = Work { sources, recalled, options: *options, storage, wanted };
    let layers = image::build(&work, progress, &|layer| sender.add_layer(layer))?;
    previous::check_dead(&order.plan, &layers, earlier.as_ref())?;
    for omitted in &layers.omitted {
        let text = format!("left out `{omitted}`, which no layer can hold");
        progress.report(Event::Warning { text: &text });
    }
    let image = order.image(&layers, run.clone())?;
    sender.add(&Arc::new(image.config.clone()));
    Ok(image)
}
