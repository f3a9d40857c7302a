//! What the flags of `closure2img oci` mean: where to, and how it runs.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::Context;
use closure2img::copy::{self, Source};
use closure2img::image::{Destination, Packing, Program, RunConfig};
use closure2img::push::Target;
use jiff::Timestamp;
use registry::{Reference, Registries};

use super::args::{Format, OciArgs};
use crate::cli::earlier::in_registry;
use crate::cli::report::Usage;

impl OciArgs {
    /// Where the image is written, after what no single flag can know was checked.
    pub(super) fn destination(&self) -> anyhow::Result<Destination> {
        if self.format == Format::Docker && Packing::from(self.compress) == Packing::Zstd {
            let hint = "use `--compress gzip`, or `--format archive`";
            return Err(Usage::new("Docker's own format has no zstd", hint).into());
        }
        if self.format == Format::Docker && !self.platform.is_empty() {
            let hint = "use `--format archive` or `--format layout`";
            let text = "Docker's own format has no images for several platforms";
            return Err(Usage::new(text, hint).into());
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

    /// The registries, with the flags' credentials for those pushed to, or else for those that
    /// images are read from.
    pub(super) fn registries(&self) -> anyhow::Result<Registries> {
        if !self.push.is_empty() {
            return self.registry.registries(&self.push);
        }
        let read = [&self.layers.previous, &self.from_image].into_iter().flatten();
        let read: Vec<Reference> = read.filter_map(|text| in_registry(text)).collect();
        self.registry.registries(&read)
    }

    /// The image underneath, wherever it is.
    pub(super) fn base(
        &self,
        registries: &Registries,
    ) -> Result<Option<Box<dyn Source>>, copy::Error> {
        self.from_image.as_deref().map(|text| copy::open(text, registries)).transpose()
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

    /// The configuration file and the flags over it, and who says which program is run.
    pub(super) fn run_config(&self) -> anyhow::Result<(RunConfig, Program)> {
        let base = match &self.config {
            None => RunConfig::default(),
            Some(file) => {
                read_config(file).with_context(|| format!("reading `{}`", file.display()))?
            }
        };
        // Without an entrypoint, the first word of the file's Cmd is a program; arguments on the
        // command line take its place, and belong to the program of a root.
        let configured =
            !base.entrypoint.is_empty() || (!base.cmd.is_empty() && self.run.cmd.is_empty());
        let program = match &self.run.exec {
            Some(program) => Program::Named(program.clone()),
            None if configured => Program::Configured,
            None => Program::Guessed,
        };
        let flags = RunConfig {
            cmd: self.run.cmd.clone(),
            // Stands for the program found later: a Cmd of the file was meant for the file's own.
            entrypoint: self.run.exec.iter().cloned().collect(),
            env: self.run.env.iter().cloned().collect(),
            working_dir: self.run.workdir.clone(),
            exposed_ports: self.expose.clone(),
            volumes: self.volume.clone(),
            labels: self.run.label.iter().cloned().collect(),
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
pub(in crate::cli) fn created(text: Option<&str>) -> anyhow::Result<Timestamp> {
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
