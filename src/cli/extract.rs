//! `closure2img extract`: the root file system of an image in a directory.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use closure2img::inspect::{self, ExtractOptions};
use closure2img::progress::human;

use super::image_args::ImageArgs;

#[derive(Args, Debug)]
pub(crate) struct ExtractArgs {
    #[command(flatten)]
    image: ImageArgs,

    /// Where it goes: a directory that is not there yet, or an empty one
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// Leave devices out, instead of refusing an image that has some
    #[arg(long)]
    skip_devices: bool,

    /// Refuse an image whose files have more bytes together [default: any number, but no layer that
    /// unpacks to more than 200 times its size]
    #[arg(long, value_name = "BYTES")]
    max_size: Option<u64>,
}

pub(crate) fn run(args: &ExtractArgs) -> anyhow::Result<()> {
    let image = args.image.open()?;
    let options = ExtractOptions { max_size: args.max_size, skip_devices: args.skip_devices };
    let done = inspect::extract(&image, &args.dir, options)?;
    // A closed stderr is no reason to fail.
    let mut err = std::io::stderr().lock();
    let dir = args.dir.display();
    let _ = writeln!(err, "wrote {dir}: {} entries, {}", done.entries, human(done.bytes));
    let notes = [
        (done.devices, "devices were left out"),
        (
            done.without_setuid,
            "files are without their setuid or setgid bit: only root can own them as the image says",
        ),
        (done.xattrs, "extended attributes could not be set"),
    ];
    for (count, text) in notes.into_iter().filter(|(count, _)| *count > 0) {
        let _ = writeln!(err, "warning: {count} {text}");
    }
    Ok(())
}
