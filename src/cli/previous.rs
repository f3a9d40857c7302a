//! The image before this one, around whose layers the new ones are planned.

use std::path::PathBuf;

use closure2img::earlier::{self, Earlier, Error};
use closure2img::image::Machine;
use closure2img::progress::{Event, Progress, counted, human};
use closure2img::push::Target;
use layering::{Plan, StoreDir, StorePath};

use super::display::total;
use super::earlier::read;

/// What `--previous` names; `None`, and told, if it says nothing of store paths.
pub(crate) fn named(
    text: &str,
    ca: &[PathBuf],
    machine: &Machine,
    store: &StoreDir,
    progress: &dyn Progress,
) -> anyhow::Result<Option<Earlier>> {
    let earlier = read(text, ca, machine)?;
    earlier.check_store(store)?;
    Ok(with_plan(earlier, progress))
}

/// The image that is now at the tag of `target`, as far as it is of use: nobody asked for it, so
/// nothing fails for want of it.
pub(crate) fn at_tag(
    target: &Target,
    machine: &Machine,
    store: &StoreDir,
    progress: &dyn Progress,
) -> Option<Earlier> {
    let reference = target.references.first()?;
    let found = earlier::read_tag(&target.client, reference, machine)
        .and_then(|earlier| earlier.check_store(store).map(|()| earlier));
    match found {
        Ok(earlier) => with_plan(earlier, progress),
        // The first push of a tag.
        Err(Error::NoImage { .. }) => None,
        Err(error) => {
            let text = format!("planned without the image that is now `{reference}`: {error}");
            progress.report(Event::Warning { text: &text });
            None
        }
    }
}

fn with_plan(earlier: Earlier, progress: &dyn Progress) -> Option<Earlier> {
    if earlier.can_be_kept() {
        return Some(earlier);
    }
    let text =
        format!("planned without `{}`: it has no layers that closure2img made", earlier.name);
    progress.report(Event::Warning { text: &text });
    None
}

/// Tells of paths that are only in the image since a layer of before is kept.
pub(crate) fn tell_dead(plan: &Plan, progress: &dyn Progress) {
    let dead: Vec<&StorePath> = plan.layers().iter().flat_map(|layer| &layer.dead).collect();
    let Some(first) = dead.first() else { return };
    let layers = plan.layers().iter().filter(|layer| !layer.dead.is_empty()).count();
    let size = total(plan.layers().iter().map(|layer| layer.dead_size));
    let text = format!(
        "{} in {} left the closure, {}, such as `{first}`; `--max-waste 0` takes them out, and `plan` lists them",
        counted(dead.len(), "path"),
        counted(layers, "kept layer"),
        human(size),
    );
    progress.report(Event::Warning { text: &text });
}
