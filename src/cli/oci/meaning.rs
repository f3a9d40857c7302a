//! What the flags of `closure2img oci` mean: where to, from what, and how it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use closure2img::earlier::Earlier;
use closure2img::image::root_files::{RootFiles, User};
use closure2img::image::{
    self, Compression, Destination, Dialect, Machine, Order, Program, RunConfig,
};
use closure2img::progress::{Event, Progress};
use closure2img::push::Target;
use jiff::Timestamp;
use layering::StoreDir;
use registry::{Reference, Registries};

use super::args::{Format, OciArgs};
use crate::cli::display::total;
use crate::cli::layers::Wanted;
use crate::cli::previous;
use crate::cli::report::Usage;

/// Docker's `maxLayerDepth`: a container's own two layers come on top, and some storage drivers end at 127.
const DOCKER_LAYERS: usize = 125;

impl OciArgs {
    /// Where the image is written, after what no single flag can know was checked.
    pub(super) fn destination(&self) -> anyhow::Result<Destination> {
        if self.format == Format::Docker && matches!(self.compress, Compression::Zstd(_)) {
            let hint = "use `--compress gzip`, or `--format archive`";
            return Err(Usage::new("Docker's own format has no zstd", hint).into());
        }
        if let Some(reference) = self.push.iter().find(|reference| reference.digest().is_some()) {
            let hint = format!("push to a tag: `{}:TAG`", reference.name());
            let text = format!("cannot push to the digest in `{reference}`");
            return Err(Usage::new(text, hint).into());
        }
        match &self.output {
            None if self.push.is_empty() => {
                let hint =
                    "write a file with `-o app.tar`, or push with `--push REGISTRY/NAME:TAG`";
                Err(Usage::new("there is nowhere to put the image", hint).into())
            }
            None => Ok(Destination::Nowhere),
            Some(path) if path.as_path() == Path::new("-") => self.stdout(),
            Some(path) if self.format == Format::Layout => Ok(Destination::layout(path.clone())?),
            Some(path) => Ok(Destination::file(path.clone())?),
        }
    }

    fn stdout(&self) -> anyhow::Result<Destination> {
        if self.json || !self.push.is_empty() {
            let hint = "write to a file with `-o app.tar`, or leave out `--json` and `--push`";
            let text = "`-o -` leaves no room on stdout for anything else";
            return Err(Usage::new(text, hint).into());
        }
        if self.format == Format::Layout {
            let hint = "name a directory with `-o DIR`, or use `--format archive`";
            let text = "a layout is a directory and cannot go to stdout";
            return Err(Usage::new(text, hint).into());
        }
        if io::stdout().is_terminal() {
            let hint = "redirect it: `… -o - | docker load`, or name a file";
            return Err(Usage::new("an image does not belong on a terminal", hint).into());
        }
        Ok(Destination::Stream(Box::new(io::stdout())))
    }

    /// The repositories to push to. Nothing is sent yet.
    pub(super) fn targets(&self, registries: &Registries) -> anyhow::Result<Vec<Target>> {
        // What several tags of a repository have in common is sent once.
        let mut repositories: Vec<Vec<Reference>> = Vec::new();
        for reference in &self.push {
            match repositories.iter_mut().find(|tags| tags[0].name() == reference.name()) {
                Some(tags) => tags.push(reference.clone()),
                None => repositories.push(vec![reference.clone()]),
            }
        }
        let target = |references: Vec<Reference>| -> anyhow::Result<Target> {
            let client = registries.client(references[0].clone())?;
            Ok(Target::new(client, references, self.mount_from.clone()))
        };
        repositories.into_iter().map(target).collect()
    }

    /// Asks all targets what they have. Before any work is done, since this also finds out whether
    /// there is a registry that lets us in.
    pub(super) fn survey(&self, targets: &mut [Target]) -> Result<(), registry::Error> {
        for target in targets {
            target.survey(&self.known)?;
        }
        Ok(())
    }

    /// What the image is to be, from flags, files and closure; and the image before it.
    pub(super) fn order(
        &self,
        targets: &[Target],
        registries: &Registries,
        progress: &dyn Progress,
    ) -> anyhow::Result<(Order, Option<Earlier>)> {
        let created = created(self.created.as_deref())?;
        let (run, program) = self.run_config()?;
        let mut closure = self.closure.closure(false, progress)?;
        closure.fill(false, self.closure.threads())?;
        // A root said twice, such as by its name and by `./result`, is one root.
        let mut seen = BTreeSet::new();
        closure.roots.retain(|root| seen.insert(root.clone()));
        let nar_size = total(closure.paths.iter().map(|info| info.nar_size));
        progress.report(Event::Closure { paths: closure.paths.len(), nar_size });
        let user = match (&self.user, &run.user) {
            (Some(user), _) => Some(user.clone()),
            (None, Some(text)) => Some(text.parse::<User>().map_err(image::Error::from)?),
            (None, None) => None,
        };
        let mut link: Vec<String> = Vec::new();
        for root in closure.roots.iter().filter(|_| self.link_root) {
            let name = closure.store_dir().join(&root.path);
            if !link.contains(&name) {
                link.push(name);
            }
        }
        let root_files = RootFiles { user, tmp: self.tmp, link };
        let taken = usize::from(!root_files.is_empty());
        let budget = self.layers.max_layers.less(taken).ok_or_else(|| {
            let text = format!(
                "`--max-layers {}` leaves no layer for store paths",
                self.layers.max_layers
            );
            Usage::new(text, "raise it: one layer holds the files outside the store")
        })?;
        let earlier = self.earlier(closure.store_dir(), targets, registries, progress)?;
        let ready = self.layers.ready(Wanted {
            store: &closure.store,
            graph: closure.graph()?,
            budget,
            earlier: earlier.as_ref(),
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
        let count = plan.layers().len() + taken;
        if count > DOCKER_LAYERS {
            let text = format!(
                "docker loads and pulls at most {DOCKER_LAYERS} layers, and this image has {count}; podman takes it"
            );
            progress.report(Event::Warning { text: &text });
        }
        let annotations: BTreeMap<String, String> = self.annotation.iter().cloned().collect();
        let dialect = if self.format == Format::Docker { Dialect::Docker } else { Dialect::Oci };
        let order = Order {
            closure,
            plan,
            root_files,
            program,
            run,
            machine: self.arch.clone(),
            created,
            annotations,
            dialect,
        };
        Ok((order, earlier))
    }

    /// The image before this one: what `--previous` names, or else what is at the first tag. Who
    /// asks for the order of somebody else is to get that order.
    fn earlier(
        &self,
        store: &StoreDir,
        targets: &[Target],
        registries: &Registries,
        progress: &dyn Progress,
    ) -> anyhow::Result<Option<Earlier>> {
        let machine = self.arch.clone().unwrap_or_else(Machine::host);
        match (&self.layers.previous, targets) {
            (Some(text), _) => previous::named(text, registries, &machine, store, progress),
            (None, [target, ..]) if !self.no_previous && self.layers.strategy.remembers() => {
                Ok(previous::at_tag(target, &machine, store, progress))
            }
            _ => Ok(None),
        }
    }

    /// The configuration file and the flags over it, and who says which program is run.
    fn run_config(&self) -> anyhow::Result<(RunConfig, Program)> {
        let base = match &self.config {
            None => RunConfig::default(),
            Some(file) => {
                read_config(file).with_context(|| format!("reading `{}`", file.display()))?
            }
        };
        // Without an entrypoint, the first word of the file's Cmd is a program; arguments on the
        // command line take its place, and belong to the program of a root.
        let configured =
            !base.entrypoint.is_empty() || (!base.cmd.is_empty() && self.cmd.is_empty());
        let program = match &self.exec {
            Some(program) => Program::Named(program.clone()),
            None if configured => Program::Configured,
            None => Program::Guessed,
        };
        let flags = RunConfig {
            cmd: self.cmd.clone(),
            // Stands for the program found later: a Cmd of the file was meant for the file's own.
            entrypoint: self.exec.iter().cloned().collect(),
            env: self.env.iter().cloned().collect(),
            working_dir: self.workdir.clone(),
            exposed_ports: self.expose.clone(),
            volumes: self.volume.clone(),
            labels: self.label.iter().cloned().collect(),
            stop_signal: self.stop_signal.clone(),
            ..RunConfig::default()
        };
        Ok((flags.over(base), program))
    }
}

/// Reads the file of `--config`, without trust in its size: it may be a device.
fn read_config(file: &Path) -> anyhow::Result<RunConfig> {
    let mut text = String::new();
    let limit = RunConfig::MAX_LEN;
    fs::File::open(file)?.take(limit as u64 + 1).read_to_string(&mut text)?;
    Ok(RunConfig::from_json(&text)?)
}

/// The time of `--created`.
fn created(text: Option<&str>) -> anyhow::Result<Timestamp> {
    let seconds =
        |text: &str| text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let time = match text {
        // A second after the epoch, as Nix dates every file: 0 is taken for "unknown" by some.
        None => Timestamp::from_second(1).ok(),
        Some("now") => Timestamp::from_second(Timestamp::now().as_second()).ok(),
        Some("SOURCE_DATE_EPOCH") => {
            let value = std::env::var("SOURCE_DATE_EPOCH").map_err(|_| {
                let hint = "set it to seconds since 1970, as `git log -1 --format=%ct` prints them";
                Usage::new("`--created SOURCE_DATE_EPOCH`, but the variable is not set", hint)
            })?;
            seconds(&value)
        }
        Some(text) => text.parse().ok().or_else(|| seconds(text)),
    };
    time.ok_or_else(|| {
        let hint = "give `now`, a time such as `2024-01-31T00:00:00Z`, or seconds since 1970";
        Usage::new(format!("`{}` is no time", text.unwrap_or_default()), hint).into()
    })
}
