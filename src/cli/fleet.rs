//! `closure2img plan --fleet`: many images planned together, and what that is worth.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use closure2img::fleet::{Fleet, Planned};
use closure2img::output::{AtomicFile, OutputError};
use closure2img::progress::{counted, human};
use layering::Budget;
use layering::fleet::ImageReport;
use serde_json::{Map, Value, json};

use super::closure_args::ClosureArgs;
use super::display::table;

/// What says how a single image comes about. Also not beside `--output`: clap does not insist on
/// a flag that something given excludes.
const OF_ONE_IMAGE: [&str; 10] = [
    "roots",
    "store",
    "graph",
    "references",
    "strategy",
    "globs",
    "lists",
    "report",
    "previous",
    "compare",
];

#[derive(Args, Debug)]
pub(crate) struct FleetArgs {
    /// Plan the images of these graph files together: what they share is the same layer in each.
    /// Each is planned for --max-layers; docs/fleet.md has more
    #[arg(
        long = "fleet",
        value_name = "GRAPH",
        num_args = 1..,
        conflicts_with_all = OF_ONE_IMAGE,
        help_heading = "Fleet"
    )]
    pub(crate) graphs: Vec<PathBuf>,

    /// Write the fleet plan to FILE, for `--strategy fleet:FILE` of `plan` and `oci`
    #[arg(short, long, value_name = "FILE", requires = "graphs", conflicts_with_all = OF_ONE_IMAGE, help_heading = "Fleet")]
    output: Option<PathBuf>,
}

impl FleetArgs {
    /// Plans the fleet, writes its plan and prints the report.
    pub(crate) fn run(
        &self,
        closure: &ClosureArgs,
        budget: Budget,
        as_json: bool,
    ) -> anyhow::Result<()> {
        let threads = closure.threads();
        let fleet = Fleet::read(&self.graphs, threads, |file| closure.of_graph(file))?;
        let planned = fleet.plan(budget, threads)?;
        if let Some(file) = &self.output {
            let mut out = AtomicFile::create(file)?;
            writeln!(out, "{}", planned.plan.to_json(&fleet.store_dir))
                .map_err(|source| OutputError::Write { path: file.clone(), source })?;
            out.commit()?;
        }
        if as_json {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{}", to_json(&fleet, &planned))?;
            return Ok(out.flush()?);
        }
        print(&fleet, &planned)
    }
}

fn print(fleet: &Fleet, planned: &Planned) -> anyhow::Result<()> {
    let mut rows = vec![["layers", "shared", "own", "pull", ""].map(String::from)];
    for (image, report) in fleet.images.iter().zip(&planned.report.images) {
        rows.push([
            report.layers.to_string(),
            human(report.shared),
            human(report.own),
            human(report.pull),
            image.name.clone(),
        ]);
    }
    table([true, true, true, true, false], &rows)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\npull: where one other image is already, the mean over all others\n")?;
    out.flush()?;
    drop(out);
    let floor = planned.report.floor;
    let row = |stored: u64, text: String| [human(stored), percent(stored, floor), text];
    let groups = counted(planned.plan.groups().len(), "shared layer");
    let mut rows = vec![row(planned.report.stored, format!("in the registry, with {groups}"))];
    for (strategy, report) in &planned.alone {
        rows.push(row(report.stored, format!("if each is planned alone: {strategy}")));
    }
    rows.push(row(floor, "if each path is stored once".into()));
    Ok(table([true, true, false], &rows)?)
}

/// How much `bytes` is of `floor`, rounded.
fn percent(bytes: u64, floor: u64) -> String {
    let floor = u128::from(floor.max(1));
    format!("{} %", (200 * u128::from(bytes) + floor) / (2 * floor))
}

fn to_json(fleet: &Fleet, planned: &Planned) -> Value {
    let image = |(name, report): (&str, &ImageReport)| {
        json!({
            "graph": name,
            "layers": report.layers,
            "shared_layers": report.shared_layers,
            "shared": report.shared,
            "own": report.own,
            "pull": report.pull,
        })
    };
    let names = fleet.images.iter().map(|image| &*image.name);
    let images: Vec<Value> = names.zip(&planned.report.images).map(image).collect();
    let alone = planned.alone.iter();
    let alone: Map<String, Value> =
        alone.map(|(strategy, report)| (strategy.to_string(), report.stored.into())).collect();
    json!({
        "version": 1,
        "kind": "fleet-report",
        "max_layers": planned.plan.max_layers().get(),
        "groups": planned.plan.groups().len(),
        "stored": planned.report.stored,
        "alone": alone,
        "floor": planned.report.floor,
        "images": images,
    })
}
