//! `closure2img rm`: takes tags and images out of a registry.

use std::io::Write;

use clap::Args;
use closure2img::progress::Event;
use registry::Reference;
use serde_json::json;

use super::display::ProgressStyle;
use super::registry_args::RegistryArgs;
use super::report::Usage;
use super::tags::is_complete;

#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// REPOSITORY:TAG takes away that tag alone; REPOSITORY@DIGEST the image, and every tag of it
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,

    #[command(flatten)]
    registry: RegistryArgs,

    /// How progress is shown
    #[arg(long, value_name = "STYLE", default_value = "auto")]
    progress: ProgressStyle,

    /// Print what was taken away as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &RmArgs) -> anyhow::Result<()> {
    // All are checked before the first goes.
    let references: Vec<Reference> =
        args.references.iter().map(|text| named(text)).collect::<anyhow::Result<_>>()?;
    let progress = args.progress.start();
    let registries = args.registry.registries(&references)?;
    for reference in &references {
        let client = registries.client(reference.clone())?;
        match reference.digest() {
            Some(digest) => client.delete_manifest(digest)?,
            None => client.delete_tag(&reference.target())?,
        }
        progress.report(Event::Made { text: &format!("removed {reference}") });
    }
    if args.json {
        let removed: Vec<String> = references.iter().map(Reference::to_string).collect();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", json!({"removed": removed}))?;
        out.flush()?;
    }
    Ok(())
}

fn named(text: &str) -> anyhow::Result<Reference> {
    let reference: Reference = text.parse()?;
    if !is_complete(text) {
        let hint = format!("name the tag: `{reference}`");
        return Err(Usage::new(format!("`{text}` does not say what to remove"), hint).into());
    }
    if let (Some(tag), Some(digest)) = (reference.tag(), reference.digest()) {
        let name = reference.name();
        let hint = format!("name the tag, `{name}:{tag}`, or the image, `{name}@{digest}`");
        let text = format!("`{reference}` is a tag and an image, and only one can be removed");
        return Err(Usage::new(text, hint).into());
    }
    Ok(reference)
}
