//! `closure2img oci`: an image from the closure of the roots, written, pushed or both.

mod args;
mod made;
mod meaning;

use std::sync::Arc;

use closure2img::image::{self, ImageName, LayerOptions, Whiteouts};
use closure2img::progress::Event;
use closure2img::push;

pub(crate) use args::OciArgs;
use args::WhiteoutsArg;
use made::Made;

use super::previous;

/// Makes the image and takes it where it is wanted.
pub(crate) fn run(args: &OciArgs) -> anyhow::Result<()> {
    let destination = args.destination()?;
    let progress = args.closure.progress();
    let progress = &*progress;
    let registries = args.registry.registries();
    let mut targets = args.targets(&registries)?;
    args.survey(&mut targets)?;
    let (order, earlier) = args.order(&targets, &registries, progress)?;
    let run = order.run_config()?;
    let sources = order.sources()?;
    let options = LayerOptions {
        compression: args.compress,
        whiteouts: match args.whiteouts {
            WhiteoutsArg::Refuse => Whiteouts::Refuse,
            WhiteoutsArg::Omit => Whiteouts::Omit,
        },
        threads: args.closure.threads(),
    };
    let spool = destination.spool();
    let runs = !run.entrypoint.is_empty() || !run.cmd.is_empty();
    let image = push::sending(&targets, progress, |sender| -> anyhow::Result<_> {
        let storage = destination.storage(order.dialect, &spool);
        let layers =
            image::build(&sources, options, &storage, progress, &|layer| sender.add(layer))?;
        previous::check_dead(&order.plan, &layers, earlier.as_ref())?;
        for omitted in &layers.omitted {
            progress.report(Event::Warning {
                text: &format!("left out `{omitted}`, which no layer can hold"),
            });
        }
        let image = order.image(layers, run)?;
        sender.add(&Arc::new(image.config.clone()));
        Ok(image)
    })?;
    let name = args
        .tag
        .clone()
        .or_else(|| ImageName::of_store_path(order.closure.roots.first()?.path.name()));
    destination.write(&image, name.as_ref(), progress)?;
    let made = Made { args, image: &image, name: name.as_ref(), runs };
    made.tell_written(progress);
    let mut pushed = Vec::new();
    for target in &targets {
        // Told one by one: should the next fail, this one is there all the same.
        let references = push::finish(target, &image, progress)?;
        made.tell_pushed(&references, progress)?;
        pushed.extend(references);
    }
    made.tell_all(&pushed)
}
