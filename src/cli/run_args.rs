//! What the program in an image is and how it is run: flags that `oci` and `aci` share.

use clap::Args;
use closure2img::image::root_files::User;
use closure2img::image::{Machine, config};

/// The program of an image, and what is said of the image.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Program to run; bin/x is looked up in the roots [default: the only program of a root, or else
    /// what --from-image or --manifest runs]
    #[arg(long, visible_alias = "entrypoint", value_name = "PROG", help_heading = "Container")]
    pub(crate) exec: Option<String>,

    /// Environment variable; PATH is that of the roots, then that of --from-image, unless given
    #[arg(long, value_name = "K=V", value_parser = config::key_value, help_heading = "Container")]
    pub(crate) env: Vec<(String, String)>,

    /// Directory in which the program starts
    #[arg(long, value_name = "DIR", value_parser = |dir: &str| config::absolute("--workdir", dir), help_heading = "Container")]
    pub(crate) workdir: Option<String>,

    /// User to run as: UID[:GID], NAME[:GROUP] of the image, or NAME:UID:GID to make one
    #[arg(long, value_name = "USER", help_heading = "Container")]
    pub(crate) user: Option<User>,

    /// Label of the image; the labels os and arch of an ACI are those of its programs, unless given
    #[arg(long, value_name = "K=V", value_parser = config::key_value, help_heading = "Container")]
    pub(crate) label: Vec<(String, String)>,

    /// Annotation of the image's manifest
    #[arg(long, value_name = "K=V", value_parser = config::key_value, help_heading = "Container")]
    pub(crate) annotation: Vec<(String, String)>,

    /// Put bin, etc, lib and share of the roots at / as links
    #[arg(long, help_heading = "Container")]
    pub(crate) link_root: bool,

    /// Make /tmp
    #[arg(long, help_heading = "Container")]
    pub(crate) tmp: bool,

    /// Machine that the image is for, such as amd64 or arm64 [default: that of its programs]
    #[arg(long, value_name = "ARCH", help_heading = "Container")]
    pub(crate) arch: Option<Machine>,

    /// When the image says it was made: now, a time such as 2024-01-31T00:00:00Z, or
    /// SOURCE_DATE_EPOCH to take it from that variable [default: 1970-01-01T00:00:01Z]
    #[arg(long, value_name = "WHEN", help_heading = "Container")]
    pub(crate) created: Option<String>,

    /// Arguments of the program
    #[arg(last = true, value_name = "ARG", help_heading = "Container")]
    pub(crate) cmd: Vec<String>,
}
