//! The flags of `closure2img aci`. What `closure2img oci` has as well is called and means the same.

use std::path::PathBuf;

use clap::Args;
use closure2img::aci::{Compression, Dependency, MountPoint, Port, identifier};
use closure2img::image::config;
use layering::Budget;

use crate::cli::closure_args::ClosureArgs;
use crate::cli::run_args::RunArgs;

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what they are")]
pub(crate) struct AciArgs {
    #[command(flatten)]
    pub(super) closure: ClosureArgs,

    /// Write the image to PATH, which ends in .aci, or to stdout (-)
    #[arg(short, long, value_name = "PATH", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,

    /// Write what a web server needs to serve the image to whoever asks for it by its name: a page with
    /// meta tags, the image, its layers, signatures and the key
    #[arg(long, value_name = "DIR", conflicts_with = "output", help_heading = "Output")]
    pub(super) discovery_dir: Option<PathBuf>,

    /// Where that folder is served [default: https:// and the host that the image's name begins with]
    #[arg(long, value_name = "URL", requires = "discovery_dir", help_heading = "Output")]
    pub(super) discovery_url: Option<String>,

    /// Write the image ID to a file as well
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) id_file: Option<PathBuf>,

    /// Print what was made as JSON, instead of the image ID
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,

    /// Compression: gzip[:LEVEL], xz[:LEVEL] (readers need the program xz) or none
    #[arg(long, value_name = "HOW", default_value = "gzip", help_heading = "Output")]
    pub(super) compress: Compression,

    /// Sign the image with a secret key of gpg's; the signature goes beside it, as PATH.asc
    #[arg(long, value_name = "KEY", help_heading = "Output")]
    pub(super) sign: Option<String>,

    /// Make an image of each of N layers of store paths, and one upon them, so that updates re-fetch only
    /// what changed; with the order in which to fetch them, as PATH with .order instead of .aci
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Output")]
    pub(super) split_layers: Option<Budget>,

    /// Make an image without the store, for machines that have it: a mount point for each store path, or
    /// that of --mount for the whole store; with options for rkt, as PATH with .mounts instead of .aci
    #[arg(long, conflicts_with = "split_layers", help_heading = "Output")]
    pub(super) thin: bool,

    /// Store every file by itself, even if the image has the same one already; without this, it is a hard
    /// link to that
    #[arg(long, help_heading = "Output")]
    pub(super) no_dedup: bool,

    /// Check while reading that store paths still have the content with which they were registered
    #[arg(long, help_heading = "Output")]
    pub(super) verify: bool,

    /// Image manifest to begin with; flags win over it
    #[arg(long, value_name = "FILE", help_heading = "Manifest")]
    pub(super) manifest: Option<PathBuf>,

    /// Name of the image, such as example.com/app [default: from the first root's name]
    #[arg(long, value_name = "NAME", value_parser = identifier, help_heading = "Manifest")]
    pub(super) name: Option<String>,

    /// Version of the image, its label `version` [default: that of the first root, unless --name is given]
    #[arg(long, value_name = "VERSION", help_heading = "Manifest")]
    pub(super) tag: Option<String>,

    /// An image underneath; of several, the last one topmost
    #[arg(long, value_name = "NAME[:VERSION][,K=V][@ID[+SIZE]]", help_heading = "Manifest")]
    pub(super) depends: Vec<Dependency>,

    /// Further groups to run as, by their numbers
    #[arg(long, value_name = "GID[,GID]", value_delimiter = ',', help_heading = "Container")]
    pub(super) groups: Vec<u32>,

    /// Directory that is to come from elsewhere
    #[arg(long, value_name = "NAME=PATH[:ro]", help_heading = "Container")]
    pub(super) mount: Vec<MountPoint>,

    /// Directory that holds data: a mount point with a name made from it
    #[arg(long, value_name = "DIR", value_parser = MountPoint::of_volume, help_heading = "Container")]
    pub(super) volume: Vec<MountPoint>,

    /// Port, or several in a row, that the program listens on
    #[arg(long, value_name = "NAME=PROTO:PORT[+COUNT][:socket]", help_heading = "Container")]
    pub(super) port: Vec<Port>,

    /// Port that the program listens on, with a name made from it
    #[arg(long, value_name = "PORT[/PROTO]", value_parser = Port::of_exposed, help_heading = "Container")]
    pub(super) expose: Vec<Port>,

    /// Limit or right, its value as JSON or in a file of JSON
    #[arg(long, value_name = "NAME=JSON|@FILE", value_parser = config::key_value, help_heading = "Container")]
    pub(super) isolator: Vec<(String, String)>,

    /// Capabilities that are kept, all others lost
    #[arg(long, value_name = "CAP[,CAP]", help_heading = "Container")]
    pub(super) cap_retain: Vec<String>,

    /// Capabilities that are lost
    #[arg(long, value_name = "CAP[,CAP]", help_heading = "Container")]
    pub(super) cap_remove: Vec<String>,

    /// The most memory, such as 512Mi
    #[arg(long, value_name = "AMOUNT", help_heading = "Container")]
    pub(super) memory: Option<String>,

    /// The most processor time, in processors, such as 2 or 500m
    #[arg(long, value_name = "AMOUNT", help_heading = "Container")]
    pub(super) cpu: Option<String>,

    /// Program, with arguments behind blanks, that runs before
    #[arg(long, value_name = "PROG ARG…", help_heading = "Container")]
    pub(super) pre_start: Option<String>,

    /// Program, with arguments behind blanks, that runs after
    #[arg(long, value_name = "PROG ARG…", help_heading = "Container")]
    pub(super) post_stop: Option<String>,

    #[command(flatten)]
    pub(super) run: RunArgs,
}
