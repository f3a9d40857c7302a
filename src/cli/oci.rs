//! `closure2img oci`: an image from the closure of the roots, written, pushed or both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use closure2img::image::config;
use closure2img::image::root_files::{RootFiles, User};
use closure2img::image::{
    self, Compression, Destination, Dialect, Image, ImageName, LayerOptions, Machine, Order,
    Program, RunConfig, Whiteouts,
};
use closure2img::progress::{Event, Progress, counted, human};
use closure2img::push::{self, Target};
use jiff::Timestamp;
use registry::{Authority, Blob, Client, ClientOptions, Reference};
use serde_json::json;

use super::closure_args::ClosureArgs;
use super::plan::LayerArgs;
use super::report::Usage;

#[derive(Args, Debug)]
pub(crate) struct OciArgs {
    #[command(flatten)]
    closure: ClosureArgs,

    #[command(flatten)]
    layers: LayerArgs,

    /// Write the image to PATH: a file, a directory with --format layout, or - for stdout
    #[arg(short, long, value_name = "PATH", help_heading = "Output")]
    output: Option<PathBuf>,

    /// What is written
    #[arg(long, value_name = "FORMAT", default_value = "archive", help_heading = "Output")]
    format: Format,

    /// Push the image to a registry and print REPOSITORY@DIGEST; may be given several times
    #[arg(long, value_name = "REF", help_heading = "Output")]
    push: Vec<Reference>,

    /// Name of the image inside an archive [default: from the first root's name and version]
    #[arg(long, value_name = "NAME[:TAG]", value_parser = ImageName::parse, help_heading = "Output")]
    tag: Option<ImageName>,

    /// Print what was made as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Take layers from this repository of the same registry if it has them
    #[arg(long, value_name = "REPOSITORY", help_heading = "Output")]
    mount_from: Option<String>,

    /// Trust the certificate authorities in this PEM file, too
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    ca: Vec<PathBuf>,

    /// Compression of the layers: gzip[:LEVEL], zstd[:LEVEL] or none
    #[arg(long, value_name = "HOW", default_value = "gzip", help_heading = "Layers")]
    compress: Compression,

    /// Files called .wh.*, which a layer cannot hold: fail, or leave them out
    #[arg(long, value_name = "WHAT", default_value = "refuse", help_heading = "Layers")]
    whiteouts: WhiteoutsArg,

    /// Program to run; bin/x is looked up in the roots [default: the only program of a root]
    #[arg(long, visible_alias = "entrypoint", value_name = "PROG", help_heading = "Container")]
    exec: Option<String>,

    /// Environment variable; PATH is that of the roots unless given
    #[arg(long, value_name = "K=V", value_parser = config::key_value, help_heading = "Container")]
    env: Vec<(String, String)>,

    /// Directory in which the program starts
    #[arg(long, value_name = "DIR", value_parser = |dir: &str| config::absolute("--workdir", dir), help_heading = "Container")]
    workdir: Option<String>,

    /// User to run as: UID[:GID], NAME[:GROUP] of the image, or NAME:UID:GID to make one
    #[arg(long, value_name = "USER", help_heading = "Container")]
    user: Option<User>,

    /// Port that the program listens on
    #[arg(long, value_name = "PORT[/PROTO]", value_parser = config::port, help_heading = "Container")]
    expose: Vec<String>,

    /// Directory that holds data
    #[arg(long, value_name = "DIR", value_parser = |dir: &str| config::absolute("--volume", dir), help_heading = "Container")]
    volume: Vec<String>,

    /// Label of the image
    #[arg(long, value_name = "K=V", value_parser = config::key_value, help_heading = "Container")]
    label: Vec<(String, String)>,

    /// Annotation of the manifest
    #[arg(long, value_name = "K=V", value_parser = config::key_value, help_heading = "Container")]
    annotation: Vec<(String, String)>,

    /// Signal that asks the program to stop
    #[arg(long, value_name = "SIGNAL", help_heading = "Container")]
    stop_signal: Option<String>,

    /// Configuration as OCI and dockerTools write it (Cmd, Env, …); flags win over it
    #[arg(long, value_name = "FILE", help_heading = "Container")]
    config: Option<PathBuf>,

    /// Put bin, etc, lib and share of the roots at / as links
    #[arg(long, help_heading = "Container")]
    link_root: bool,

    /// Make /tmp
    #[arg(long, help_heading = "Container")]
    tmp: bool,

    /// Machine that the image is for, such as amd64 or arm64 [default: that of its programs]
    #[arg(long, value_name = "ARCH", help_heading = "Container")]
    arch: Option<Machine>,

    /// When the image says it was made: now, a time such as 2024-01-31T00:00:00Z, or
    /// SOURCE_DATE_EPOCH to take it from that variable [default: 1970-01-01T00:00:01Z]
    #[arg(long, value_name = "WHEN", help_heading = "Container")]
    created: Option<String>,

    /// Arguments of the program (Cmd)
    #[arg(last = true, value_name = "ARG", help_heading = "Container")]
    cmd: Vec<String>,
}

/// Docker's `maxLayerDepth`: a container's own two layers come on top, and some storage drivers end at 127.
const DOCKER_LAYERS: usize = 125;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One tar for docker load, podman load, skopeo and containerd
    Archive,
    /// OCI image layout, a directory
    Layout,
    /// Docker's own archive and media types
    Docker,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WhiteoutsArg {
    Refuse,
    Omit,
}

pub(crate) fn run(args: &OciArgs) -> anyhow::Result<()> {
    let destination = args.destination()?;
    let progress = args.closure.progress();
    let progress = &*progress;
    let targets = args.targets()?;
    let order = args.order(progress)?;
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
    let layers = push::layers_while(&targets, progress, |done| -> anyhow::Result<_> {
        let storage = destination.storage(order.dialect, &spool);
        Ok(image::build(&sources, options, &storage, progress, done)?)
    })?;
    for omitted in &layers.omitted {
        progress.report(Event::Warning {
            text: &format!("left out `{omitted}`, which no layer can hold"),
        });
    }
    let image = order.image(layers, run)?;
    if image.layers.len() > DOCKER_LAYERS {
        let text = format!(
            "docker loads and pulls at most {DOCKER_LAYERS} layers, and this image has {}; podman takes it",
            image.layers.len()
        );
        progress.report(Event::Warning { text: &text });
    }
    let name = args
        .tag
        .clone()
        .or_else(|| ImageName::of_store_path(order.closure.roots.first()?.path.name()));
    destination.write(&image, name.as_ref(), progress)?;
    let mut pushed = Vec::new();
    for target in &targets {
        pushed.push(push::finish(target, &image, progress)?);
    }
    args.tell(&image, name.as_ref(), &pushed, progress)
}

impl OciArgs {
    /// Where the image is written, after what no single flag can know was checked.
    fn destination(&self) -> anyhow::Result<Destination> {
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

    fn targets(&self) -> anyhow::Result<Vec<Target>> {
        let authorities: Vec<Authority> = self.ca.iter().cloned().map(Authority::File).collect();
        let target = |reference: &Reference| -> anyhow::Result<Target> {
            let options =
                ClientOptions { authorities: authorities.clone(), ..ClientOptions::default() };
            let client = Client::new(reference.clone(), options)?;
            Ok(Target { client, mount_from: self.mount_from.clone() })
        };
        self.push.iter().map(target).collect()
    }

    fn order(&self, progress: &dyn Progress) -> anyhow::Result<Order> {
        let created = created(self.created.as_deref())?;
        let (run, program) = self.run_config()?;
        let mut closure = self.closure.closure(false, progress)?;
        closure.fill(false, self.closure.threads())?;
        // A root said twice, such as by its name and by `./result`, is one root.
        let mut seen = BTreeSet::new();
        closure.roots.retain(|root| seen.insert(root.clone()));
        let nar_size = closure.paths.iter().map(|info| info.nar_size).sum();
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
        let plan = layering::plan(&closure.graph()?, budget, self.layers.strategy);
        let annotations: BTreeMap<String, String> = self.annotation.iter().cloned().collect();
        let dialect = if self.format == Format::Docker { Dialect::Docker } else { Dialect::Oci };
        Ok(Order {
            closure,
            plan,
            root_files,
            program,
            run,
            machine: self.arch.clone(),
            created,
            annotations,
            dialect,
        })
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

    /// The result for whoever goes on with it: on stdout for programs, on stderr for people.
    fn tell(
        &self,
        image: &Image,
        name: Option<&ImageName>,
        pushed: &[String],
        progress: &dyn Progress,
    ) -> anyhow::Result<()> {
        let size: u64 = image.layers.iter().map(|layer| layer.size).sum();
        let what =
            format!("{}, {}, {}", counted(image.layers.len(), "layer"), human(size), image.machine);
        if let Some(output) =
            self.output.as_ref().filter(|output| output.as_path() != Path::new("-"))
        {
            let text = match (self.format, name) {
                (Format::Layout, _) | (_, None) => format!("wrote {}: {what}", output.display()),
                (_, Some(name)) => format!(
                    "wrote {file}: {what}\n  {loader} load -i {file} && {loader} run --rm {name}",
                    // Docker loads zstd only from version 23 on.
                    loader = match self.compress {
                        Compression::Zstd(_) => "podman",
                        Compression::None | Compression::Gzip(_) => "docker",
                    },
                    file = output.display(),
                    name = name.as_str(),
                ),
            };
            progress.report(Event::Made { text: &text });
        }
        let mut out = io::stdout().lock();
        if self.json {
            let layers = image.layers.iter().map(|layer| {
                json!({
                    "digest": layer.digest.to_string(),
                    "diff_id": layer.diff_id.to_string(),
                    "size": layer.size,
                    "paths": layer.paths.len(),
                })
            });
            let result = json!({
                "digest": image.digest().to_string(),
                "image_id": image.config.digest().to_string(),
                "architecture": image.machine.as_str(),
                "layers": layers.collect::<Vec<_>>(),
                "output": self.output,
                "name": name.map(ImageName::as_str),
                "pushed": pushed,
            });
            writeln!(out, "{result}")?;
        } else {
            for reference in pushed {
                progress.report(Event::Made { text: &format!("pushed {what}") });
                writeln!(out, "{reference}")?;
            }
        }
        Ok(out.flush()?)
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
