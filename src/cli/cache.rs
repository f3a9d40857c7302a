//! `closure2img cache`: what is kept of layers for the next time.

use std::io::Write;

use clap::{Args, Subcommand};
use closure2img::cache::{Content, Freed};
use closure2img::progress::{counted, human};
use serde_json::json;

use super::cache_args::{FolderArgs, size};

#[derive(Args, Debug)]
pub(crate) struct CacheCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show where it is and what is in it
    Info(ActionArgs),
    /// Remove what is of no use any more, and blobs until --size is left
    Gc {
        /// How many bytes of layers may stay, such as 500MB; those used longest ago go [default: 10GB]
        #[arg(long, value_name = "SIZE", value_parser = size)]
        size: Option<u64>,
        #[command(flatten)]
        args: ActionArgs,
    },
    /// Remove everything
    Clear(ActionArgs),
}

#[derive(Args, Debug)]
struct ActionArgs {
    #[command(flatten)]
    folder: FolderArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &CacheCommand) -> anyhow::Result<()> {
    let (args, size) = match &command.action {
        Action::Info(args) | Action::Clear(args) => (args, None),
        Action::Gc { size, args } => (args, *size),
    };
    let cache = args.folder.open(size)?;
    let dir = cache.dir().display();
    let (json, text) = match command.action {
        Action::Info(_) => {
            let Content { layers, blobs, bytes } = cache.content();
            let json =
                json!({"dir": cache.dir(), "layers": layers, "blobs": blobs, "bytes": bytes});
            let (layers, blobs) = (counted(layers, "layer"), counted(blobs, "blob"));
            (json, format!("{dir}: {layers} known, {blobs} kept, {}", human(bytes)))
        }
        Action::Gc { .. } => freed(cache.collect()),
        Action::Clear(_) => freed(cache.clear()?),
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{json}")?;
    } else {
        writeln!(out, "{text}")?;
    }
    Ok(out.flush()?)
}

fn freed(Freed { blobs, bytes }: Freed) -> (serde_json::Value, String) {
    let text = format!("removed {}, {}", counted(blobs, "blob"), human(bytes));
    (json!({"blobs": blobs, "bytes": bytes}), text)
}
