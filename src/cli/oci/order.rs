//! What each image is to be, from flags, files, closure, the image underneath and the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use closure2img::cache::{Cache, KnownLayers};
use closure2img::closure::Closure;
use closure2img::copy;
use closure2img::earlier::Earlier;
use closure2img::image::root_files::{RootFiles, User};
use closure2img::image::{
    self, Base, BaseError, Dialect, LayerOptions, Machine, Order, Packing, Recalled, RootNode,
    RunConfig, Source, Whiteouts,
};
use closure2img::progress::{Event, Progress, Silent, counted};
use closure2img::push::Target;
use layering::{Budget, Plan, StoreDir};
use registry::Registries;

use super::args::{Format, OciArgs, WhiteoutsArg};
use super::meaning::created;
use super::part::Part;
use super::share::Share;
use crate::cli::display::total;
use crate::cli::layers::Wanted;
use crate::cli::previous;
use crate::cli::report::Usage;

/// Docker's `maxLayerDepth`: a container's own two layers come on top, and some storage drivers end at 127.
const DOCKER_LAYERS: usize = 125;

/// An image that is ready to be made.
pub(super) struct Ready {
    pub(super) order: Order,
    /// The image before it.
    pub(super) earlier: Option<Earlier>,
    /// How it is run.
    pub(super) run: RunConfig,
    /// What its layers are made of.
    pub(super) sources: Vec<Source>,
    /// What is known of each.
    pub(super) recalled: Vec<Recalled>,
    /// How they are made.
    pub(super) options: LayerOptions,
}

/// What there was before, as far as it is of use.
#[derive(Default)]
struct Before {
    /// The image around whose layers the next are planned.
    earlier: Option<Earlier>,
    /// Layers that images and lists elsewhere have.
    known: KnownLayers,
}

/// What there is before the image is.
pub(super) struct Given<'a> {
    pub(super) targets: &'a [Target],
    pub(super) registries: &'a Registries,
    /// The image underneath.
    pub(super) base: Option<Arc<Base>>,
    /// Where layers are kept.
    pub(super) cache: Option<&'a Cache>,
    /// Where others find them.
    pub(super) share: Option<&'a Share>,
    pub(super) progress: &'a dyn Progress,
}

impl OciArgs {
    /// What the image is to be.
    pub(super) fn ready(&self, part: &Part<'_>, given: &Given<'_>) -> anyhow::Result<Ready> {
        let progress = given.progress;
        let base = given.base.clone();
        let dialect = if self.format == Format::Docker { Dialect::Docker } else { Dialect::Oci };
        if let Some(base) = base.as_ref().filter(|_| dialect == Dialect::Docker)
            && base.has(Packing::Zstd)
        {
            let name = base.identity.name.clone();
            return Err(copy::Error::from(BaseError::Zstd { name }).into());
        }
        let created = created(self.run.created.as_deref())?;
        let (run, program) = self.run_config()?;
        let mut closure = part.closure(progress)?;
        closure.fill(false, self.closure.threads())?;
        // A root said twice, such as by its name and by `./result`, is one root.
        let mut seen = BTreeSet::new();
        closure.roots.retain(|root| seen.insert(root.clone()));
        let nar_size = total(closure.paths.iter().map(|info| info.nar_size));
        progress.report(Event::Closure { paths: closure.paths.len(), nar_size });
        let root_files = self.root_files(&closure, &run, base.is_some())?;
        let below = base.as_ref().map_or(0, |base| base.layers.len());
        let taken = below + usize::from(!root_files.is_empty());
        let budget = self.budget(taken, base.as_deref())?;
        let Before { earlier, known } = self.before(part, closure.store_dir(), given)?;
        let plan = self.plan(&mut closure, budget, earlier.as_ref(), progress)?;
        let count = plan.layers().len() + taken;
        if count > DOCKER_LAYERS {
            let text = format!(
                "docker loads and pulls at most {DOCKER_LAYERS} layers, and this image has {count}; podman takes it"
            );
            progress.report(Event::Warning { text: &text });
        }
        let annotations: BTreeMap<String, String> = self.run.annotation.iter().cloned().collect();
        let dead = closure.look_up(plan.dead())?;
        let order = Order {
            closure,
            plan,
            dead,
            root_files,
            program,
            run,
            base,
            machine: part.machine(),
            variant: part.platform().and_then(|platform| platform.variant.clone()),
            created,
            annotations,
            dialect,
        };
        let (run, sources) = (order.run_config()?, order.sources()?);
        if let Some(base) = &order.base {
            tell_hidden(&sources, base, progress);
        }
        let options = LayerOptions {
            compression: self.compress,
            whiteouts: match self.whiteouts {
                WhiteoutsArg::Refuse => Whiteouts::Refuse,
                WhiteoutsArg::Omit => Whiteouts::Omit,
            },
            dedup: !self.no_dedup,
            verify: self.verify,
            threads: self.closure.threads(),
        };
        let recalled = image::recall(&sources, options, given.cache, &known);
        Ok(Ready { order, earlier, run, sources, recalled, options })
    }

    fn root_files(
        &self,
        closure: &Closure,
        run: &RunConfig,
        over_base: bool,
    ) -> anyhow::Result<RootFiles> {
        let user = match (&self.run.user, &run.user) {
            (Some(user), _) => Some(user.clone()),
            (None, Some(text)) => Some(text.parse::<User>().map_err(image::Error::from)?),
            (None, None) => None,
        };
        let mut link: Vec<String> = Vec::new();
        for root in closure.roots.iter().filter(|_| self.run.link_root) {
            let name = closure.store_dir().join(&root.path);
            if !link.contains(&name) {
                link.push(name);
            }
        }
        Ok(RootFiles { user, tmp: self.run.tmp, link, over_base })
    }

    /// What is left for store paths when `taken` layers hold something else.
    fn budget(&self, taken: usize, base: Option<&Base>) -> Result<Budget, Usage> {
        let all = self.layers.max_layers;
        all.less(taken).ok_or_else(|| {
            let text = format!("`--max-layers {all}` leaves no layer for store paths");
            let hint = match base {
                None => "raise it: one layer holds the files outside the store".to_owned(),
                Some(base) => format!(
                    "raise it to {} at least: `{}` has {}",
                    taken + 1,
                    base.identity.name,
                    counted(base.layers.len(), "layer")
                ),
            };
            Usage::new(text, hint)
        })
    }

    fn plan(
        &self,
        closure: &mut Closure,
        budget: Budget,
        earlier: Option<&Earlier>,
        progress: &dyn Progress,
    ) -> anyhow::Result<Plan> {
        let ready = self.layers.ready(Wanted {
            store: &closure.store,
            graph: closure.graph()?,
            budget,
            earlier,
            from_store: true,
            compression: Some(self.compress),
        })?;
        let plan = ready.plan()?;
        previous::tell_dead(&plan, progress);
        if let [first, ..] = plan.left_out() {
            let text = format!(
                "left out of the image by the pipeline: {} of the paths, such as `{first}`",
                plan.left_out().len()
            );
            progress.report(Event::Warning { text: &text });
            // Or a program in one of them could be taken for the image's.
            closure.paths.retain(|info| plan.left_out().binary_search(&info.path).is_err());
        }
        Ok(plan)
    }

    /// The image before this one: what `--previous` names, or else what is at the first tag. Who
    /// asks for the order of somebody else is to get that order. Layers are taken from wherever
    /// they are known.
    fn before(
        &self,
        part: &Part<'_>,
        store: &StoreDir,
        given: &Given<'_>,
    ) -> anyhow::Result<Before> {
        let Given { targets, registries, base, share, progress, .. } = given;
        // What an image underneath says, this one will say.
        let of_base = base.as_ref().and_then(|base| base.platform.architecture.parse().ok());
        let machine = part.machine().or(of_base).unwrap_or_else(Machine::host);
        let at_tag = !self.no_previous && self.layers.strategy.remembers();
        let mut before = Before::default();
        for (at, target) in targets.iter().enumerate() {
            let planned_around = at == 0 && at_tag && self.layers.previous.is_none();
            if self.cache.no_cache && !planned_around {
                continue;
            }
            // What is wrong with an image matters to who plans around it.
            let tell = if planned_around { *progress } else { &Silent };
            let seen = previous::seen(target, &machine, part.platform(), store, tell);
            before.known.extend(seen.iter().flat_map(|seen| seen.known_layers(target)));
            if planned_around {
                before.earlier = previous::at_tag(seen, *progress);
            }
        }
        if let Some(text) = &self.layers.previous {
            before.earlier = previous::named(text, registries, &machine, store, *progress)?;
            before.known.extend(before.earlier.iter().flat_map(|it| self.known_of_previous(it)));
        }
        if self.cache.no_cache {
            before.known.clear();
            return Ok(before);
        }
        before.known.extend(share.iter().flat_map(|share| share.known().clone()));
        before.known.extend(self.known_elsewhere(registries, &machine, *progress));
        Ok(before)
    }
}

/// Says what of the image underneath may be there no more: a link replaces a directory, and a file a
/// file. Whether there is one only its layers could tell.
fn tell_hidden(sources: &[Source], base: &Base, progress: &dyn Progress) {
    let entries = sources.iter().filter_map(|source| match source {
        Source::Root(entries) => Some(entries),
        Source::Store { .. } => None,
    });
    let hiding = entries.flatten().filter(|entry| match &entry.node {
        RootNode::Symlink { .. } => !entry.name.contains('/'),
        RootNode::File { .. } => true,
        RootNode::Directory { .. } => false,
    });
    let names: Vec<String> = hiding.map(|entry| format!("`/{}`", entry.name)).collect();
    if !names.is_empty() {
        let (names, base) = (names.join(", "), &base.identity.name);
        let text =
            format!("whatever `{base}` has as {names} is replaced (`--link-root`, `--user`)");
        progress.report(Event::Warning { text: &text });
    }
}
