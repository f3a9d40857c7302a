//! `closure2img plan`: the layers, without building them.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use closure2img::closure::Closure;
use closure2img::progress::{Quiet, human};
use layering::{Budget, Plan, Strategy};
use serde_json::{Value, json};

use super::closure_args::ClosureArgs;
use super::display::table;
use super::page;

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    closure: ClosureArgs,

    #[command(flatten)]
    layers: LayerArgs,

    /// Print the plan as JSON: {"version": 1, "strategy": …,
    /// "layers": [{"paths": […], "nar_size": N}, …]}
    #[arg(long)]
    json: bool,

    /// Write the plan as a page to look at in a browser: one file that needs no network
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// How paths are grouped.
#[derive(Args, Debug)]
pub(crate) struct LayerArgs {
    /// The most layers that the image may have, 1 to 127
    #[arg(
        long,
        value_name = "N",
        default_value_t,
        // Or `-1` would be told to be an option.
        allow_negative_numbers = true,
        help_heading = "Layers"
    )]
    pub(crate) max_layers: Budget,

    /// How store paths are grouped: popularity (nixpkgs' order)
    #[arg(long, value_name = "NAME", default_value_t, help_heading = "Layers")]
    pub(crate) strategy: Strategy,
}

pub(crate) fn run(args: &PlanArgs) -> anyhow::Result<()> {
    let closure = args.closure.closure(false, &Quiet)?;
    let LayerArgs { max_layers, strategy } = args.layers;
    let graph = closure.graph()?;
    let plan = layering::plan(&graph, max_layers, strategy);
    if let Some(file) = &args.report {
        page::write(file, &closure, &graph, &plan, &args.layers)?;
    }
    if args.json {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", to_json(&plan, strategy, &closure))?;
        return Ok(out.flush()?);
    }
    let mut rows = vec![["layer", "size", "paths", ""].map(String::from)];
    for (index, layer) in plan.layers().iter().enumerate() {
        let names: Vec<&str> =
            layer.paths.iter().take(NAMES).map(layering::StorePath::name).collect();
        let rest = if layer.paths.len() > NAMES { ", …" } else { "" };
        rows.push([
            (index + 1).to_string(),
            human(layer.nar_size),
            layer.paths.len().to_string(),
            format!("{}{rest}", names.join(", ")),
        ]);
    }
    let total = plan.layers().iter().map(|layer| layer.nar_size).sum();
    rows.push([String::new(), human(total), closure.paths.len().to_string(), "in all".into()]);
    Ok(table([true, true, true, false], &rows)?)
}

/// How many paths of a layer the table names.
const NAMES: usize = 4;

fn to_json(plan: &Plan, strategy: Strategy, closure: &Closure) -> Value {
    let layers = plan.layers().iter().map(|layer| {
        let paths: Vec<String> =
            layer.paths.iter().map(|path| closure.store_dir().join(path)).collect();
        json!({"paths": paths, "nar_size": layer.nar_size})
    });
    json!({"version": 1, "strategy": strategy.name(), "layers": layers.collect::<Vec<_>>()})
}
