//! The flags of `closure2img oci`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use closure2img::image::{Compression, ImageName, config};
use registry::Reference;

use super::part::PlatformRoot;
use crate::cli::cache_args::CacheArgs;
use crate::cli::closure_args::ClosureArgs;
use crate::cli::layers::LayerArgs;
use crate::cli::registry_args::RegistryArgs;
use crate::cli::run_args::RunArgs;

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what they are")]
pub(crate) struct OciArgs {
    #[command(flatten)]
    pub(super) closure: ClosureArgs,

    /// Make an image for each of several platforms, with an index over them: OS/ARCH[/VARIANT] and
    /// the root for it; instead of ROOT, may be given several times
    #[arg(
        long,
        value_name = "PLATFORM=ROOT",
        conflicts_with_all = ["roots", "arch"],
        help_heading = "Closure"
    )]
    pub(super) platform: Vec<PlatformRoot>,

    /// Put the image on top of another: an archive, a layout, or an image in a registry; its layers
    /// count for --max-layers
    #[arg(long, value_name = "REF|FILE", help_heading = "Layers")]
    pub(super) from_image: Option<String>,

    #[command(flatten)]
    pub(super) layers: LayerArgs,

    #[command(flatten)]
    pub(super) cache: CacheArgs,

    /// Take layers that this image has, or that a list made with --cache-to names, instead of making
    /// them; may be given several times [the image at the pushed tag is always asked]
    #[arg(long, value_name = "REF|FILE", conflicts_with = "no_cache", help_heading = "Cache")]
    pub(super) cache_from: Vec<String>,

    /// Put a list of the image's layers there, and the layers, for the --cache-from of other machines
    #[arg(long, value_name = "REF", help_heading = "Cache")]
    pub(super) cache_to: Option<Reference>,

    /// Write the image to PATH: a file, a directory with --format layout, or - for stdout
    #[arg(short, long, value_name = "PATH", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,

    /// What is written
    #[arg(long, value_name = "FORMAT", default_value = "archive", help_heading = "Output")]
    pub(super) format: Format,

    /// Push the image to a registry and print REPOSITORY@DIGEST; may be given several times
    #[arg(long, value_name = "REF", help_heading = "Output")]
    pub(super) push: Vec<Reference>,

    /// Name of the image inside an archive [default: from the first root's name and version]
    #[arg(long, value_name = "NAME[:TAG]", value_parser = ImageName::parse, help_heading = "Output")]
    pub(super) tag: Option<ImageName>,

    /// Print what was made as JSON
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,

    /// Print where time went, for each thread, to stderr; with --json, as `timings` in it
    #[arg(long, help_heading = "Output")]
    pub(super) timings: bool,

    /// Take layers from this repository of the same registry if it has them
    #[arg(long, value_name = "REPOSITORY", help_heading = "Output")]
    pub(super) mount_from: Option<String>,

    #[command(flatten)]
    pub(super) registry: RegistryArgs,

    /// Tag or digest of an image in the pushed repository whose layers need not be asked for; may be
    /// given several times [default: the pushed tag, or else the newest]
    #[arg(long, value_name = "TAG", value_parser = known, help_heading = "Output")]
    pub(super) known: Vec<String>,

    /// Plan all layers anew, rather than around those of the image that is now at the pushed tag
    #[arg(long, conflicts_with = "previous", help_heading = "Layers")]
    pub(super) no_previous: bool,

    /// Compression of the layers: gzip[:LEVEL], zstd[:LEVEL] or none; gzip:fast for fast networks; or
    /// with tables of contents, for lazy pulling, zstd:chunked[:LEVEL] (podman) or estargz[:LEVEL]
    /// (containerd's snapshotter)
    #[arg(long, value_name = "HOW", default_value = "gzip", help_heading = "Layers")]
    pub(super) compress: Compression,

    /// Files called .wh.*, which a layer cannot hold: fail, or leave them out
    #[arg(long, value_name = "WHAT", default_value = "refuse", help_heading = "Layers")]
    pub(super) whiteouts: WhiteoutsArg,

    /// Check while reading that store paths still have the content with which they were registered
    #[arg(long, help_heading = "Layers")]
    pub(super) verify: bool,

    /// Store every file by itself, even if its layer has the same one already; without this, it is a
    /// hard link to that
    #[arg(long, overrides_with = "dedup", help_heading = "Layers")]
    pub(super) no_dedup: bool,

    /// Store files of a layer that are the same once (the default)
    #[arg(long, overrides_with = "no_dedup", hide = true)]
    pub(super) dedup: bool,

    /// Port that the program listens on
    #[arg(long, value_name = "PORT[/PROTO]", value_parser = config::port, help_heading = "Container")]
    pub(super) expose: Vec<String>,

    /// Directory that holds data
    #[arg(long, value_name = "DIR", value_parser = |dir: &str| config::absolute("--volume", dir), help_heading = "Container")]
    pub(super) volume: Vec<String>,

    /// Signal that asks the program to stop
    #[arg(long, value_name = "SIGNAL", help_heading = "Container")]
    pub(super) stop_signal: Option<String>,

    /// Configuration as OCI and dockerTools write it (Cmd, Env, …); flags win over it
    #[arg(long, value_name = "FILE", help_heading = "Container")]
    pub(super) config: Option<PathBuf>,

    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// A tag or a digest of an image in a repository that is known otherwise.
fn known(text: &str) -> Result<String, registry::ReferenceError> {
    let separator = if text.contains(':') { '@' } else { ':' };
    let reference: Reference = format!("localhost/x{separator}{text}").parse()?;
    Ok(reference.target())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One tar for docker load, podman load, skopeo and containerd
    Archive,
    /// OCI image layout, a directory
    Layout,
    /// Docker's own archive and media types
    Docker,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum WhiteoutsArg {
    Refuse,
    Omit,
}
