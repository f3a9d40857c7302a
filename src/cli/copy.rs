//! `closure2img copy`: an image from one place to others.

use std::io::Write;

use clap::Args;
use closure2img::copy::{self, Destination, Selected};
use closure2img::progress::{Event, counted, human};
use registry::{Platform, Reference};
use serde_json::json;

use super::display::ProgressStyle;
use super::earlier::in_registry;
use super::registry_args::RegistryArgs;

#[derive(Args, Debug)]
pub(crate) struct CopyArgs {
    /// Image archive, layout, or image in a registry
    #[arg(value_name = "SRC")]
    source: String,

    /// Where it goes: REGISTRY/NAME:TAG, FILE.tar, or ./DIR for a layout; may be given several times
    #[arg(value_name = "DST", required = true)]
    destinations: Vec<String>,

    /// Of an image for several platforms, copy the one for this, such as linux/arm64 [default: all]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,

    #[command(flatten)]
    registry: RegistryArgs,

    /// How progress is shown
    #[arg(long, value_name = "STYLE", default_value = "auto")]
    progress: ProgressStyle,

    /// Print digest and places as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &CopyArgs) -> anyhow::Result<()> {
    // Where it cannot go is told before anything moves.
    let destinations: Vec<Destination> =
        args.destinations.iter().map(|text| Destination::find(text)).collect::<Result<_, _>>()?;
    let progress = args.progress.start();
    let progress = &*progress;
    let written: Vec<&Reference> = destinations.iter().filter_map(Destination::reference).collect();
    let read = in_registry(&args.source);
    // The password is for where the image goes or, if that is no registry, for where it comes from.
    let registries = match written.is_empty() {
        true => args.registry.registries(&read)?,
        false => args.registry.registries(written)?,
    };
    let source = copy::open(&args.source, &registries)?;
    let image = Selected::of(&*source, args.platform.as_ref())?;
    let (mut pushed, mut written) = (Vec::new(), Vec::new());
    for (destination, name) in destinations.iter().zip(&args.destinations) {
        let digest = image.copy_to(destination, &registries, progress)?;
        let (count, size) = image.size();
        let what = format!("{}, {}", counted(count, "blob"), human(size));
        progress.report(Event::Made { text: &format!("copied to {name}: {what}") });
        match destination {
            Destination::Registry(reference) => {
                pushed.push(format!("{}@{digest}", reference.name()));
                if let (Some(reference), false) = (pushed.last(), args.json) {
                    // Told one by one: should the next fail, this one is there all the same.
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "{reference}")?;
                    out.flush()?;
                }
            }
            Destination::Archive(_) | Destination::Layout(_) => written.push(name),
        }
    }
    if args.json {
        let digest = image.root().digest.to_string();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", json!({"digest": digest, "pushed": pushed, "written": written}))?;
        out.flush()?;
    }
    Ok(())
}
