//! `closure2img plan`: the layers, without building them.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use clap::Args;
use closure2img::closure::Closure;
use closure2img::progress::{Quiet, human};
use layering::fleet::FleetPlan;
use layering::{
    Budget, ByHand, Globs, Graph, PathLists, Pipeline, Plan, Planner, StoreDir, StorePath,
    Strategy, UnknownStrategy,
};
use serde_json::{Value, json};

use super::closure_args::ClosureArgs;
use super::display::table;
use super::fleet::FleetArgs;
use super::page;
use super::report::NotJson;

#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    closure: ClosureArgs,

    #[command(flatten)]
    layers: LayerArgs,

    /// Print the plan as JSON: {"version": 1, "strategy": …,
    /// "layers": [{"paths": […], "nar_size": N}, …]}, and "left_out": […] if a pipeline drops paths
    #[arg(long)]
    json: bool,

    /// Write the plan as a page to look at in a browser: one file that needs no network
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    #[command(flatten)]
    fleet: FleetArgs,
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

    /// How store paths are grouped: popularity (nixpkgs' order), auto (nixpkgs' default), size
    /// (guix), nix2container, pipeline:FILE, stages as in nixpkgs' layeringPipeline, or fleet:FILE,
    /// what `plan --fleet` wrote
    #[arg(long, value_name = "NAME", default_value_t, help_heading = "Layers")]
    pub(crate) strategy: StrategyArg,

    /// Make a layer of what the globs match: *, ? and […] on NAME, HASH-NAME or the full path.
    /// For several layers, several times; they come out on top, the last one topmost
    #[arg(long = "layer", value_name = "GLOB[,GLOB]", help_heading = "Layers")]
    pub(crate) globs: Vec<Globs>,

    /// Put layers from a file at the bottom: [[PATH, …], …], as nixpkgs' store_layers, or what
    /// `plan --json` printed
    #[arg(long = "layers", value_name = "FILE", help_heading = "Layers")]
    pub(crate) lists: Option<PathBuf>,
}

/// A strategy by name, or stages from a file.
#[derive(Clone, Debug)]
pub(crate) enum StrategyArg {
    Named(Strategy),
    Pipeline(PathBuf),
    Fleet(PathBuf),
}

impl Default for StrategyArg {
    fn default() -> Self {
        Self::Named(Strategy::default())
    }
}

impl FromStr for StrategyArg {
    type Err = UnknownStrategy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("pipeline", file)) => Ok(Self::Pipeline(file.into())),
            Some(("fleet", file)) => Ok(Self::Fleet(file.into())),
            _ => text.parse().map(Self::Named),
        }
    }
}

impl fmt::Display for StrategyArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(strategy) => strategy.fmt(f),
            Self::Pipeline(file) => write!(f, "pipeline:{}", file.display()),
            Self::Fleet(file) => write!(f, "fleet:{}", file.display()),
        }
    }
}

impl LayerArgs {
    /// The layers of `closure`, of which there may be `budget`.
    pub(crate) fn plan(
        &self,
        store: &StoreDir,
        graph: &Graph,
        budget: Budget,
    ) -> anyhow::Result<Plan> {
        let planner = match &self.strategy {
            StrategyArg::Named(strategy) => Planner::Strategy(*strategy),
            StrategyArg::Pipeline(file) => Planner::Pipeline(
                read_json(file)
                    .and_then(|stages| Ok(Pipeline::from_json(&stages, store)?))
                    .with_context(|| format!("reading `{}`", file.display()))?,
            ),
            StrategyArg::Fleet(file) => Planner::Fleet(
                read_json(file)
                    .and_then(|plan| Ok(FleetPlan::from_json(&plan, store)?))
                    .with_context(|| format!("reading `{}`", file.display()))?,
            ),
        };
        let lists = match &self.lists {
            None => PathLists::default(),
            Some(file) => read_json(file)
                .and_then(|lists| Ok(PathLists::from_json(&lists, store)?))
                .with_context(|| format!("reading `{}`", file.display()))?,
        };
        let by_hand = ByHand { store: store.clone(), lists, globs: self.globs.clone() };
        Ok(layering::plan_around(graph, budget, &by_hand, &layering::Memory::default(), &planner)?)
    }
}

/// Reads JSON, without trust in its size: it may be a device.
fn read_json(file: &Path) -> anyhow::Result<Value> {
    /// Several times what a plan of 50,000 paths takes.
    const MAX_LEN: u64 = 64 << 20;
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes).map_err(NotJson)?)
}

pub(crate) fn run(args: &PlanArgs) -> anyhow::Result<()> {
    if !args.fleet.graphs.is_empty() {
        return args.fleet.run(&args.closure, args.layers.max_layers, args.json);
    }
    let closure = args.closure.closure(false, &Quiet)?;
    let graph = closure.graph()?;
    let plan = args.layers.plan(closure.store_dir(), &graph, args.layers.max_layers)?;
    if let Some(file) = &args.report {
        page::write(file, &closure, &graph, &plan, &args.layers)?;
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
    let total = plan.layers().iter().map(|layer| layer.nar_size).sum();
    let count: usize = plan.layers().iter().map(|layer| layer.paths.len()).sum();
    rows.push([String::new(), human(total), count.to_string(), "in all".into()]);
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
    let layers = plan
        .layers()
        .iter()
        .map(|layer| json!({"paths": full(&layer.paths), "nar_size": layer.nar_size}));
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
