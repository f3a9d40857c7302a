//! `closure2img closure`: the closure with sizes.

use std::io::Write;

use clap::Args;
use closure2img::closure::json;
use closure2img::progress::{Quiet, counted, human};

use super::closure_args::ClosureArgs;
use super::display::{table, total};

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    closure: ClosureArgs,

    /// Print what `nix path-info --json -r` prints
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ListArgs) -> anyhow::Result<()> {
    let closure = args.closure.closure(args.json, &Quiet)?;
    if args.json {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", json::path_info(&closure))?;
        return Ok(out.flush()?);
    }
    let total = total(closure.paths.iter().map(|info| info.nar_size));
    let row = |info: &closure2img::closure::PathInfo| {
        [human(info.nar_size), closure.store_dir().join(&info.path)]
    };
    let mut rows: Vec<[String; 2]> = closure.paths.iter().map(row).collect();
    rows.push([human(total), counted(closure.paths.len(), "path")]);
    Ok(table([true, false], &rows)?)
}
