//! `closure2img plan --compare`: what updates cost under each strategy.

use std::collections::BTreeSet;
use std::io::Write;

use closure2img::earlier::Earlier;
use closure2img::progress::human;
use layering::{Forecast, Graph, Group, Node, Plan, StorePath, Strategy, forecast};
use serde_json::{Map, Value, json};

use super::display::{table, total};
use super::layers::{LayerArgs, Ready};

/// A strategy's line.
struct Row {
    name: String,
    layers: usize,
    largest: u64,
    forecast: Forecast,
    /// What hosts with the earlier image pull, and dead bytes in layers that are kept.
    now: Option<(u64, u64)>,
}

/// Prints a line for each strategy, and first of all for `plan`, unless it is one of them.
pub(crate) fn run(
    ready: &Ready,
    plan: &Plan,
    args: &LayerArgs,
    earlier: Option<&Earlier>,
    as_json: bool,
) -> anyhow::Result<()> {
    let graph = &ready.graph;
    let row = |name: String, plan: &Plan| Row {
        name,
        layers: plan.layers().len(),
        largest: plan.layers().iter().map(|layer| layer.nar_size).max().unwrap_or(0),
        forecast: forecast(graph, plan.layers()),
        now: earlier.map(|earlier| (pulled(graph, plan, earlier), plan.dead_size())),
    };
    let mut rows = Vec::new();
    let asked_for = args.strategy.to_string();
    match earlier {
        Some(_) => rows.push(row(format!("{asked_for}, kept"), plan)),
        None if Strategy::ALL.iter().all(|strategy| strategy.name() != asked_for) => {
            rows.push(row(asked_for, plan));
        }
        None => {}
    }
    for strategy in Strategy::ALL {
        rows.push(row(strategy.name().into(), &ready.plan_anew(strategy)?));
    }
    let floor = forecast(graph, &alone(graph));
    rows.push(Row {
        name: "floor, unbounded".into(),
        layers: graph.nodes().len(),
        largest: graph.nodes().iter().map(|node| node.nar_size).max().unwrap_or(0),
        forecast: floor,
        now: earlier.map(|earlier| (new_paths(graph, earlier), 0)),
    });
    if as_json {
        let mut out = std::io::stdout().lock();
        let rows: Vec<Value> = rows.iter().map(Row::to_json).collect();
        writeln!(out, "{}", json!({"version": 1, "strategies": rows}))?;
        return Ok(out.flush()?);
    }
    let mut cells = vec![
        ["strategy", "layers", "largest", "app", "package", "security", "now", "dead"]
            .map(String::from),
    ];
    cells.extend(rows.iter().map(Row::cells));
    let mut right = [true; 8];
    right[0] = false;
    table(right, &cells)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "\nWhat a host pulls {}: when only the application changes, when one package does (the mean\nover all), and with a security update of one package in 32.{}",
        match graph.nodes().iter().any(|node| node.moved_size != node.nar_size) {
            true => "(as compressed as before)",
            false => "(uncompressed)",
        },
        match earlier {
            Some(earlier) => format!(" Now: by a host that has `{}`.", earlier.name),
            None => " With --previous, also now.".into(),
        }
    )?;
    Ok(out.flush()?)
}

/// Bytes of the layers that `earlier` has not.
fn pulled(graph: &Graph, plan: &Plan, earlier: &Earlier) -> u64 {
    let had: BTreeSet<&[StorePath]> = earlier.layers.iter().map(|layer| &*layer.paths).collect();
    let new = plan.layers().iter().filter(|layer| !had.contains(&*layer.paths));
    let ids = new.flat_map(|layer| &layer.paths).filter_map(|path| graph.find(path));
    total(ids.map(|id| graph.node(id).moved_size))
}

/// Bytes of the paths that `earlier` has not: whoever pulls less has them from elsewhere.
fn new_paths(graph: &Graph, earlier: &Earlier) -> u64 {
    let had: BTreeSet<&StorePath> = earlier.paths().collect();
    let new = graph.nodes().iter().filter(|node| !had.contains(&node.path));
    total(new.map(|node| node.moved_size))
}

/// Each path in a layer of its own.
fn alone(graph: &Graph) -> Vec<Group> {
    let group = |node: &Node| Group {
        paths: vec![node.path.clone()],
        nar_size: node.nar_size,
        ..Group::default()
    };
    graph.nodes().iter().map(group).collect()
}

impl Row {
    fn cells(&self) -> [String; 8] {
        let Forecast { app, package, security } = self.forecast;
        let (now, dead) = match self.now {
            Some((now, dead)) => (human(now), human(dead)),
            None => (String::new(), String::new()),
        };
        [
            self.name.clone(),
            self.layers.to_string(),
            human(self.largest),
            human(app),
            human(package),
            human(security),
            now,
            dead,
        ]
    }

    fn to_json(&self) -> Value {
        let Forecast { app, package, security } = self.forecast;
        let mut json = Map::new();
        json.insert("strategy".into(), self.name.clone().into());
        json.insert("layers".into(), self.layers.into());
        json.insert("largest".into(), self.largest.into());
        json.insert(
            "expected".into(),
            json!({"app": app, "package": package, "security": security}),
        );
        if let Some((pull, dead)) = self.now {
            json.insert("now".into(), json!({"pull": pull, "dead": dead}));
        }
        json.into()
    }
}
