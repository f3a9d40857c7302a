//! Which paths share a layer: flags of every subcommand that makes or shows layers.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use clap::Args;
use closure2img::closure::Store;
use closure2img::earlier::{Earlier, EarlierLayer};
use closure2img::image::Compression;
use layering::fleet::FleetPlan;
use layering::{
    Budget, ByHand, Globs, Graph, Memory, PathLists, Pipeline, Plan, PlanError, Planner, StorePath,
    Strategy, UnknownStrategy, Waste,
};
use serde_json::Value;

use super::report::NotJson;

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

    /// How store paths are grouped: optimal (fewest bytes over all updates), popularity (nixpkgs'
    /// order), auto (nixpkgs' default), size (guix), nix2container, pipeline:FILE, stages as in
    /// nixpkgs' layeringPipeline, or fleet:FILE, what `plan --fleet` wrote
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

    /// Keep layers of an earlier image: an archive, a layout, what `plan --json` printed, or an
    /// image in a registry
    #[arg(long, value_name = "REF|FILE", help_heading = "Layers")]
    pub(crate) previous: Option<String>,

    /// How much of the image may be paths that left the closure, in layers that are kept
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t,
        // As above.
        allow_negative_numbers = true,
        help_heading = "Layers"
    )]
    pub(crate) max_waste: Waste,
}

/// What is to be planned.
pub(crate) struct Wanted<'a> {
    pub(crate) store: &'a Store,
    /// Closed under references.
    pub(crate) graph: Graph,
    /// How many layers there may be.
    pub(crate) budget: Budget,
    /// The image before this one.
    pub(crate) earlier: Option<&'a Earlier>,
    /// Whether layers are made of what is in the store, or it need not even be there.
    pub(crate) from_store: bool,
    /// How layers are compressed, if that is known.
    pub(crate) compression: Option<Compression>,
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

impl StrategyArg {
    /// Whether it is meant to be used with what the last image had.
    pub(crate) fn remembers(&self) -> bool {
        matches!(self, Self::Named(Strategy::Optimal))
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
    /// Reads what the flags name, so that plans can be made.
    pub(crate) fn ready(&self, wanted: Wanted<'_>) -> anyhow::Result<Ready> {
        let Wanted { store: real, graph, budget, earlier, from_store, compression } = wanted;
        let store = real.dir();
        let planner = match &self.strategy {
            StrategyArg::Named(strategy) => Planner::Strategy(*strategy),
            StrategyArg::Pipeline(file) => {
                Planner::Pipeline(parse(file, |stages| Pipeline::from_json(stages, store))?)
            }
            StrategyArg::Fleet(file) => {
                Planner::Fleet(parse(file, |plan| FleetPlan::from_json(plan, store))?)
            }
        };
        let lists = match &self.lists {
            None => PathLists::default(),
            Some(file) => parse(file, |lists| PathLists::from_json(lists, store))?,
        };
        let by_hand = ByHand { store: store.clone(), lists, globs: self.globs.clone() };
        let there = |path: &StorePath| real.real_path(path).symlink_metadata().is_ok();
        let can_be_made = |layer: &EarlierLayer| {
            // Compressed otherwise, it is another layer to whoever has it.
            let compressed_so = compression.is_none_or(|compression| layer.is_of(compression));
            compressed_so && (!from_store || layer.paths.iter().all(there))
        };
        let (memory, graph) = match earlier {
            None => (Memory::default(), graph),
            Some(earlier) => (earlier.memory(self.max_waste, can_be_made), earlier.weigh(graph)),
        };
        Ok(Ready { graph, budget, by_hand, memory, planner })
    }
}

/// All that a plan is made from.
pub(crate) struct Ready {
    /// With what is known of sizes.
    pub(crate) graph: Graph,
    budget: Budget,
    by_hand: ByHand,
    memory: Memory,
    planner: Planner,
}

impl Ready {
    /// The plan that was asked for.
    pub(crate) fn plan(&self) -> Result<Plan, PlanError> {
        layering::plan_around(&self.graph, self.budget, &self.by_hand, &self.memory, &self.planner)
    }

    /// What `strategy` plans by itself, whatever there was before.
    pub(crate) fn plan_anew(&self, strategy: Strategy) -> Result<Plan, PlanError> {
        let (memory, planner) = (Memory::default(), Planner::Strategy(strategy));
        layering::plan_around(&self.graph, self.budget, &self.by_hand, &memory, &planner)
    }
}

/// Reads a file of JSON, without trust in its size: it may be a device.
fn parse<T, E>(file: &Path, parse: impl FnOnce(&Value) -> Result<T, E>) -> anyhow::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    /// Several times what a plan of 50,000 paths takes.
    const MAX_LEN: u64 = 64 << 20;
    let read = || -> anyhow::Result<T> {
        let mut bytes = Vec::new();
        File::open(file)?.take(MAX_LEN).read_to_end(&mut bytes)?;
        Ok(parse(&serde_json::from_slice(&bytes).map_err(NotJson)?)?)
    };
    read().with_context(|| format!("reading `{}`", file.display()))
}
