//! The flags of `closure2img appimage`.

use std::path::PathBuf;

use clap::Args;
use closure2img::appimage::UpdateInformation;
use closure2img::image::{Machine, config};
use closure2img::squashfs::Codec;

use crate::cli::closure_args::ClosureArgs;
use crate::cli::squashfs::BlockSize;

#[derive(Args, Debug)]
#[command(
    after_help = "ROOT may also be one AppDir: a directory with AppRun, a .desktop file and an icon, or one that becomes \
                  such. Store paths that it refers to are put into the AppImage."
)]
pub(crate) struct AppImageArgs {
    #[command(flatten)]
    pub(super) closure: ClosureArgs,

    /// Write the AppImage to FILE [default: NAME[-VERSION]-ARCH.AppImage]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub(super) output: Option<PathBuf>,

    /// Print what was made, or with --lint what was found, as JSON
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,

    /// Print all that the checks find, and write nothing
    #[arg(long, help_heading = "Output")]
    pub(super) lint: bool,

    /// Program to start; bin/x is looked up in the roots or the AppDir [default: AppRun, or else the only
    /// program]
    #[arg(long, value_name = "PROG", help_heading = "Application")]
    pub(super) exec: Option<String>,

    /// What the application is called [default: as its desktop entry or program]
    #[arg(long, value_name = "NAME", help_heading = "Application")]
    pub(super) name: Option<String>,

    /// Version of the application [default: as its desktop entry or root says]
    #[arg(long = "version", value_name = "VERSION", help_heading = "Application")]
    pub(super) app_version: Option<String>,

    /// Icon: a PNG of 256x256 pixels or an SVG [default: the application's, or a plain one]
    #[arg(long, value_name = "FILE", help_heading = "Application")]
    pub(super) icon: Option<PathBuf>,

    /// Desktop entry [default: the application's, or a plain one]
    #[arg(long, value_name = "FILE", help_heading = "Application")]
    pub(super) desktop: Option<PathBuf>,

    /// Environment variable that is set when it starts
    #[arg(long, value_name = "K=V", value_parser = config::key_value, help_heading = "Application")]
    pub(super) env: Vec<(String, String)>,

    /// Machine that it is for, such as x86_64 or aarch64 [default: that of its programs]
    #[arg(long, value_name = "ARCH", help_heading = "Application")]
    pub(super) arch: Option<Machine>,

    /// Leave out files of the AppDir: patterns as `mksquashfs -wildcards -ef` takes them; those in
    /// ./.appimageignore count as well
    #[arg(long, value_name = "FILE", help_heading = "Image")]
    pub(super) exclude_file: Vec<PathBuf>,

    /// Compression: zstd[:LEVEL], gzip[:LEVEL] or none
    #[arg(long, value_name = "HOW", default_value = "zstd", help_heading = "Image")]
    pub(super) compress: Codec,

    /// Bytes that are compressed at a time, from 4K to 1M: more make the file smaller and the start slower
    #[arg(long, value_name = "SIZE", default_value = "128K", help_heading = "Image")]
    pub(super) block_size: BlockSize,

    /// Time of the AppDir's files, in seconds since 1970, or SOURCE_DATE_EPOCH to take it from that
    /// variable; in a store, all are 1
    #[arg(long, value_name = "WHEN", default_value = "1", help_heading = "Image")]
    pub(super) mtime: String,

    /// Put another runtime in front, such as that of type2-runtime
    #[arg(long, value_name = "FILE", help_heading = "Image")]
    pub(super) runtime: Option<PathBuf>,

    /// Where updaters find newer files, such as zsync|https://example.org/App.AppImage.zsync; a .zsync file
    /// is written beside the AppImage
    #[arg(long, value_name = "TEXT", help_heading = "Updates")]
    pub(super) update_information: Option<UpdateInformation>,

    /// Sign with this secret key of gpg: a fingerprint, number or address
    #[arg(long, value_name = "KEY", help_heading = "Updates")]
    pub(super) sign: Option<String>,
}
