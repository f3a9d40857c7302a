//! The image before this one, around whose layers the new ones are planned.

use std::fmt;

use closure2img::cache::KnownLayers;
use closure2img::earlier::{self, Earlier};
use closure2img::image::{Layers, Machine};
use closure2img::progress::{Event, Progress, counted, human};
use closure2img::push::Target;
use layering::{Plan, StoreDir, StorePath};
use registry::{Client, Parts, Platform, Registries};

use super::earlier::read;

/// What `--previous` names; `None`, and told, if it says nothing of store paths.
pub(crate) fn named(
    text: &str,
    registries: &Registries,
    machine: &Machine,
    store: &StoreDir,
    progress: &dyn Progress,
) -> anyhow::Result<Option<Earlier>> {
    let earlier = read(text, registries, machine)?;
    earlier.check_store(store)?;
    Ok(with_plan(earlier, progress))
}

/// An image that is in a repository which is pushed to.
pub(crate) struct Seen {
    /// Whether it is at the tag itself.
    at_tag: bool,
    earlier: Earlier,
}

impl Seen {
    /// Its layers that the next image may have.
    pub(crate) fn known_layers(&self, target: &Target) -> KnownLayers {
        self.earlier.known_layers(Some(target.client.reference()))
    }
}

/// The images in the repository of `target`, as far as they are of use: nobody asked for them, so
/// nothing fails for want of one. Of several for one machine it is that for `platform`.
pub(crate) fn seen(
    target: &Target,
    machine: &Machine,
    platform: Option<&Platform>,
    store: &StoreDir,
    progress: &dyn Progress,
) -> Vec<Seen> {
    let Some(survey) = target.before() else { return Vec::new() };
    let warn = |error: &dyn fmt::Display| {
        let name = target.client.reference();
        let text = format!("planned without the image that is now `{name}`: {error}");
        progress.report(Event::Warning { text: &text });
    };
    survey.trouble.iter().for_each(|error| warn(error));
    let own = target.client.reference().target();
    let read = |seen: &registry::Seen| {
        let exact = platform.and_then(|platform| of_platform(&target.client, seen, platform));
        let earlier = earlier::read_seen(&target.client, exact.as_ref().unwrap_or(seen), machine)?;
        earlier.check_store(store)?;
        Ok::<_, earlier::Error>(earlier)
    };
    let images = survey.seen.iter().filter_map(|seen| {
        let at_tag = seen.target == own;
        match read(seen) {
            Ok(earlier) => Some(Seen { at_tag, earlier }),
            Err(error) => {
                if at_tag {
                    warn(&error);
                }
                None
            }
        }
    });
    images.collect()
}

/// The image that is now at the tag, if layers can be planned around its.
pub(crate) fn at_tag(seen: Vec<Seen>, progress: &dyn Progress) -> Option<Earlier> {
    with_plan(seen.into_iter().find(|seen| seen.at_tag)?.earlier, progress)
}

/// The manifest of an index that is for exactly this platform, its variant included.
fn of_platform(
    client: &Client,
    index: &registry::Seen,
    platform: &Platform,
) -> Option<registry::Seen> {
    let Ok(Parts::Index(parts)) = index.manifest.parts() else { return None };
    let mut fitting = parts
        .manifests
        .iter()
        .filter(|one| one.platform.as_ref().is_some_and(|other| other.is_same(platform)));
    let target = fitting.next()?.digest.to_string();
    // Whatever is wrong with it is told when the index is read.
    let manifest = client.get_manifest(&target).ok()??;
    Some(registry::Seen { target, manifest })
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

/// Checks that layers kept with paths that left the closure are what they were: nothing else says
/// whether such a path is still whole.
pub(crate) fn check_dead(
    plan: &Plan,
    made: &Layers,
    earlier: Option<&Earlier>,
) -> Result<(), Changed> {
    let kept = plan.layers().iter().filter(|layer| !layer.dead.is_empty());
    for group in kept {
        let was = earlier.iter().flat_map(|earlier| &earlier.layers);
        let was = was.filter(|layer| layer.paths == group.paths).find_map(|layer| layer.key);
        let is = made.layers.iter().filter(|layer| layer.paths == group.paths);
        let is = is.map(|layer| layer.key).next().flatten();
        if let (Some(was), Some(is)) = (was, is)
            && was != is
        {
            return Err(Changed(group.dead.clone()));
        }
    }
    Ok(())
}

/// A layer that was to be kept has come out as another.
#[derive(Debug)]
pub(crate) struct Changed(Vec<StorePath>);

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kept layer is not what it was; of its paths, these left the closure and may be damaged: ")?;
        let names: Vec<&str> = self.0.iter().map(StorePath::as_str).collect();
        f.write_str(&names.join(", "))
    }
}

impl std::error::Error for Changed {}

impl Changed {
    /// What the user can do about it.
    pub(crate) fn hint() -> &'static str {
        "leave them out with `--max-waste 0`, or plan all anew with `--no-previous`"
    }
}

/// Tells of paths that are only in the image since a layer of before is kept.
pub(crate) fn tell_dead(plan: &Plan, progress: &dyn Progress) {
    let Some(first) = plan.dead().next() else { return };
    let layers = plan.layers().iter().filter(|layer| !layer.dead.is_empty()).count();
    let text = format!(
        "{} in {} left the closure, {}, such as `{first}`; `--max-waste 0` takes them out, and `plan` lists them",
        counted(plan.dead().count(), "path"),
        counted(layers, "kept layer"),
        human(plan.dead_size()),
    );
    progress.report(Event::Warning { text: &text });
}
