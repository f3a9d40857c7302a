//! What a fleet costs if it is planned together, and if each image is planned alone.
//!
//! ```text
//! cargo bench -p layering --bench fleet -- [--budgets 40,100] [--synthetic IMAGESxPATHS]
//!                                          [--write DIR]
//! ```
//!
//! Without `--synthetic`, the images are those of `fixtures/layering/graphs`, whose changes are
//! planned, too: with the fleet plan as it was, and with a new one. Of a change, first what is pulled
//! where each image is as it was, then what the registry has to store anew. `--write` plans nothing
//! and writes a graph file for each image.

#![allow(clippy::print_stdout, reason = "the table is for whoever runs this")]

#[path = "../scores/graphs.rs"]
#[allow(dead_code, reason = "the scores also need to know where a path comes from")]
mod graphs;
mod synthetic;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Instant;

use layering::fleet::{FleetPlan, FleetReport, Image};
use layering::{
    Budget, ByHand, Group, Memory, Plan, Planner, StoreDir, StorePath, Strategy, plan_around,
};
use serde_json::{Value, json};

use graphs::Images;

fn main() -> Result<(), Box<dyn Error>> {
    let mut budgets = String::from("40,100");
    let (mut size, mut write) = (None, None);
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(flag) = args.next() {
        let value = args.next().ok_or_else(|| format!("`{flag}` needs a value"))?;
        match flag.as_str() {
            "--budgets" => budgets = value,
            "--synthetic" => size = Some(value),
            "--write" => write = Some(value),
            _ => {
                let known = "--budgets, --synthetic and --write";
                return Err(format!("no flag `{flag}`; there are {known}").into());
            }
        }
    }
    let budgets = budgets.split(',').map(str::parse).collect::<Result<Vec<Budget>, _>>()?;
    let (fleet, changes) = match &size {
        None => fixtures()?,
        Some(size) => {
            let (images, paths) = size.split_once('x').ok_or("expected IMAGESxPATHS")?;
            (synthetic::fleet(images.parse()?, paths.parse()?)?, BTreeMap::new())
        }
    };
    if let Some(dir) = write {
        return write_graphs(&fleet, Path::new(&dir));
    }
    for budget in budgets {
        compare(&fleet, &changes, budget)?;
    }
    if let Some(peak) = fs::read_to_string("/proc/self/status")?
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
    {
        println!("at most in memory: {}", peak.trim());
    }
    Ok(())
}

fn write_graphs(fleet: &[Image], dir: &Path) -> Result<(), Box<dyn Error>> {
    let store = StoreDir::default();
    for Image { name, graph } in fleet {
        let rows = graph.nodes().iter().map(|node| {
            let references = node.references.iter().map(|&to| store.join(&graph.node(to).path));
            let references: Vec<String> = references.collect();
            json!({"path": store.join(&node.path), "narSize": node.nar_size, "references": references})
        });
        fs::write(dir.join(format!("{name}.json")), rows.collect::<Value>().to_string())?;
    }
    Ok(())
}

type Changes = BTreeMap<String, Vec<Image>>;

/// The images, and all of them after each change; those that lack it stay as they are.
fn fixtures() -> Result<(Vec<Image>, Changes), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/layering/graphs");
    let images = Images::load(&folder, &[])?;
    let names: BTreeSet<&String> =
        (&images).into_iter().flat_map(|image| image.changes.keys()).collect();
    let fleet = |change: Option<&String>| -> Vec<Image> {
        let closure = |(number, image): (usize, &graphs::Image)| {
            let changed = change.and_then(|change| image.changes.get(change));
            let graph = changed.unwrap_or(&image.base).graph.clone();
            Image { name: number.to_string(), graph }
        };
        (&images).into_iter().enumerate().map(closure).collect()
    };
    let changes = names.into_iter().map(|name| (name.clone(), fleet(Some(name)))).collect();
    Ok((fleet(None), changes))
}

fn compare(fleet: &[Image], changes: &Changes, budget: Budget) -> Result<(), Box<dyn Error>> {
    println!("{budget} layers, MB");
    let names: Vec<String> = changes.keys().map(|name| format!("{name:>16}")).collect();
    println!("{:<20}{:>10}{:>10}{}", "", "stored", "pull", names.concat());
    let before = Instant::now();
    let shared = FleetPlan::new(fleet, budget)?;
    let time = before.elapsed();
    let pinned = Planner::Fleet(shared.clone());
    let base = plans(fleet, &pinned, budget)?;
    let together = before.elapsed();
    row("fleet, plan kept", fleet, &base, changes, |changed| plans(changed, &pinned, budget))?;
    row("fleet, plan renewed", fleet, &base, changes, |changed| {
        plans(changed, &Planner::Fleet(FleetPlan::new(changed, budget)?), budget)
    })?;
    for strategy in Strategy::ALL {
        let planner = Planner::Strategy(strategy);
        let base = plans(fleet, &planner, budget)?;
        row(strategy.name(), fleet, &base, changes, |changed| plans(changed, &planner, budget))?;
    }
    println!("{:<20}{}", "floor", megabytes(FleetReport::new(fleet, &base).floor));
    let groups = shared.groups().len();
    println!("fleet plan of {groups} groups in {time:.1?}, with all images {together:.1?}");
    Ok(())
}

fn plans(fleet: &[Image], planner: &Planner, budget: Budget) -> Result<Vec<Plan>, Box<dyn Error>> {
    let none = ByHand::default();
    let plan =
        |image: &Image| Ok(plan_around(&image.graph, budget, &none, &Memory::default(), planner)?);
    fleet.iter().map(plan).collect()
}

/// One line: what is stored, what is pulled of an image where another is, and for each change what
/// is pulled where the image is as it was, and what is stored anew.
fn row(
    name: &str,
    fleet: &[Image],
    base: &[Plan],
    changes: &Changes,
    plan: impl Fn(&[Image]) -> Result<Vec<Plan>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let report = FleetReport::new(fleet, base);
    let pull = report.images.iter().map(|image| image.pull).sum();
    let mut line = format!("{name:<20}{}{}", megabytes(report.stored), megabytes(pull));
    let layers = |plan: &Plan| -> Layers { plan.layers().iter().cloned().map(pair).collect() };
    let stored: Layers = base.iter().flat_map(layers).collect();
    for changed in changes.values() {
        let after = plan(changed)?;
        let pulls = base.iter().zip(&after).map(|(old, new)| bytes(&layers(new), &layers(old)));
        let pulled = megabytes(pulls.sum());
        let grown = megabytes(bytes(&after.iter().flat_map(layers).collect(), &stored));
        write!(line, "{:>8} /{:>6}", pulled.trim(), grown.trim())?;
    }
    println!("{line}");
    Ok(())
}

type Layers = BTreeMap<Vec<StorePath>, u64>;

fn pair(layer: Group) -> (Vec<StorePath>, u64) {
    (layer.paths, layer.nar_size)
}

/// Of the layers of `new` that are not in `old`.
fn bytes(new: &Layers, old: &Layers) -> u64 {
    new.iter().filter(|(paths, _)| !old.contains_key(*paths)).map(|(_, size)| size).sum()
}

fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{:>8}.{}", tenths / 10, tenths % 10)
}
