//! `closure2img tags`: what is in a repository.

use std::io::Write;

use clap::Args;
use registry::Reference;
use serde_json::json;

use super::registry_args::RegistryArgs;
use super::report::Usage;

#[derive(Args, Debug)]
pub(crate) struct TagsArgs {
    /// Repository in a registry, such as registry.example/team/app
    #[arg(value_name = "REPOSITORY")]
    repository: String,

    #[command(flatten)]
    registry: RegistryArgs,

    /// Print the repository and its tags as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &TagsArgs) -> anyhow::Result<()> {
    let reference: Reference = args.repository.parse()?;
    if is_complete(&args.repository) {
        let text = format!("`{}` names an image, and tags are a repository's", args.repository);
        return Err(Usage::new(text, format!("name `{}`", reference.name())).into());
    }
    let tags = args.registry.registries([&reference])?.client(reference.clone())?.tags()?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if args.json {
        writeln!(out, "{}", json!({"repository": reference.name(), "tags": tags}))?;
    } else {
        tags.iter().try_for_each(|tag| writeln!(out, "{tag}"))?;
    }
    Ok(out.flush()?)
}

/// Whether a reference has a tag or digest of its own, and does not mean `latest` for want of one.
pub(crate) fn is_complete(text: &str) -> bool {
    text.contains('@') || text.rsplit('/').next().is_some_and(|last| last.contains(':'))
}
