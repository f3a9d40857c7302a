//! `closure2img plan`: the layers, without building them.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use closure2img::closure::Closure;
use closure2img::image::Machine;
use closure2img::progress::{Quiet, human};
use layering::{Plan, StorePath};
use serde_json::{Value, json};

use super::closure_args::ClosureArgs;
use super::display::{table, total};
use super::earlier::in_registry;
use super::fleet::FleetArgs;
use super::layers::{LayerArgs, StrategyArg, Wanted};
use super::registry_args::RegistryArgs;
use super::{compare, page, previous};

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    closure: ClosureArgs,

    #[command(flatten)]
    layers: LayerArgs,

    /// Print the plan as JSON: {"version": 1, "strategy": …,
    /// "layers": [{"paths": […], "nar_size": N}, …]}, with "left_out": […] if a pipeline drops
    /// paths, and with "dead": […] in layers that are kept with paths that left the closure
    #[arg(long)]
    json: bool,

    /// Print what updates cost under each strategy, and with --previous, what this one does
    #[arg(long)]
    compare: bool,

    /// Write the plan as a page to look at in a browser: one file that needs no network
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    registry: RegistryArgs,

    #[command(flatten)]
    fleet: FleetArgs,
}

pub(crate) fn run(args: &PlanArgs) -> anyhow::Result<()> {
    if !args.fleet.graphs.is_empty() {
        return args.fleet.run(&args.closure, args.layers.max_layers, args.json);
    }
    let closure = args.closure.closure(false, &Quiet)?;
    let earlier = match &args.layers.previous {
        None => None,
        Some(text) => previous::named(
            text,
            &args.registry.registries(&in_registry(text))?,
            &Machine::host(),
            closure.store_dir(),
            &Quiet,
        )?,
    };
    let ready = args.layers.ready(Wanted {
        store: &closure.store,
        graph: closure.graph()?,
        budget: args.layers.max_layers,
        earlier: earlier.as_ref(),
        from_store: args.closure.graph.is_none(),
        compression: None,
    })?;
    let plan = ready.plan()?;
    if let Some(file) = &args.report {
        page::write(file, &closure, &ready.graph, &plan, &args.layers)?;
    }
    if args.compare {
        return compare::run(&ready, &plan, &args.layers, earlier.as_ref(), args.json);
    }
    if args.json {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", to_json(&plan, &args.layers.strategy, &closure))?;
        return Ok(out.flush()?);
    }
    let mut rows = vec![["layer", "size", "paths", ""].map(String::from)];
    for (index, layer) in plan.layers().iter().enumerate() {
        rows.push([
            (index + 1).to_string(),
            human(layer.nar_size),
            layer.paths.len().to_string(),
            names(&layer.paths),
        ]);
    }
    let whole = total(plan.layers().iter().map(|layer| layer.nar_size));
    let count: usize = plan.layers().iter().map(|layer| layer.paths.len()).sum();
    rows.push([String::new(), human(whole), count.to_string(), "in all".into()]);
    let dead: Vec<&str> = plan.dead().map(StorePath::name).collect();
    if !dead.is_empty() {
        let text = format!("of these dead, in kept layers: {}", dead.join(", "));
        rows.push([String::new(), human(plan.dead_size()), dead.len().to_string(), text]);
    }
    let left_out = plan.left_out();
    if !left_out.is_empty() {
        let text = format!("left out: {}", names(left_out));
        rows.push([String::new(), String::new(), left_out.len().to_string(), text]);
    }
    Ok(table([true, true, true, false], &rows)?)
}

/// The first few of `paths`, for the table.
fn names(paths: &[StorePath]) -> String {
    const MOST: usize = 4;
    let names: Vec<&str> = paths.iter().take(MOST).map(StorePath::name).collect();
    let rest = if paths.len() > MOST { ", …" } else { "" };
    format!("{}{rest}", names.join(", "))
}

fn to_json(plan: &Plan, strategy: &StrategyArg, closure: &Closure) -> Value {
    let full = |paths: &[StorePath]| -> Vec<String> {
        paths.iter().map(|path| closure.store_dir().join(path)).collect()
    };
    let layers = plan.layers().iter().map(|layer| {
        let mut json = json!({"paths": full(&layer.paths), "nar_size": layer.nar_size});
        if !layer.dead.is_empty() {
            json["dead"] = full(&layer.dead).into();
        }
        json
    });
    let mut json = json!({
        "version": 1,
        "strategy": strategy.to_string(),
        "layers": layers.collect::<Vec<_>>(),
    });
    if !plan.left_out().is_empty() {
        json["left_out"] = full(plan.left_out()).into();
    }
    json
}
