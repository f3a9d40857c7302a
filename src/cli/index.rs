//! `closure2img index`: one name for images for several platforms.

use std::io::Write;

use clap::Args;
use closure2img::copy::{self, Error};
use closure2img::progress::{Event, counted};
use registry::Reference;
use serde_json::json;

use super::display::ProgressStyle;
use super::registry_args::RegistryArgs;

#[derive(Args, Debug)]
pub(crate) struct IndexArgs {
    /// The name that all get together, such as registry.example/app:1
    #[arg(value_name = "DST")]
    target: Reference,

    /// Images in registries, archives or layouts; each says itself for which platform it is
    #[arg(value_name = "SRC", required = true)]
    sources: Vec<String>,

    #[command(flatten)]
    registry: RegistryArgs,

    /// How progress is shown
    #[arg(long, value_name = "STYLE", default_value = "auto")]
    progress: ProgressStyle,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &IndexArgs) -> anyhow::Result<()> {
    if args.target.digest().is_some() {
        return Err(Error::Pinned { reference: args.target.clone() }.into());
    }
    let progress = args.progress.start();
    let registries = args.registry.registries([&args.target])?;
    let sources = args.sources.iter().map(|text| copy::open(text, &registries));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let digest = copy::index(&sources, &args.target, &registries, &*progress)?;
    let text = format!("made {} of {}", args.target, counted(sources.len(), "image"));
    progress.report(Event::Made { text: &text });
    let pushed = format!("{}@{digest}", args.target.name());
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({"digest": digest.to_string(), "pushed": [pushed]}))?;
    } else {
        writeln!(out, "{pushed}")?;
    }
    Ok(out.flush()?)
}
