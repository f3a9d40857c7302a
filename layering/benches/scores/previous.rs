//! The default planner with the image before as its memory, for one change and for many in a row.

use std::collections::{BTreeMap, BTreeSet};

use layering::{
    Budget, ByHand, Graph, Group, Memory, Planner, Remembered, StorePath, Strategy, Waste,
    plan_around,
};

use crate::check::check;
use crate::graphs::{Images, Series};
use crate::stateless::pulled;
use crate::table::{Table, megabytes, ratio};

/// What updates cost.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// Bytes of layers that were not there before.
    pulled: u64,
    /// Bytes of paths that were not there before.
    floor: u64,
    /// Bytes that left the closure and are carried all the same.
    dead: u64,
}

/// A row for each budget and change, and for each series.
pub(crate) fn table(
    images: &Images,
    series: &[Series],
    budgets: &[Budget],
    max_waste: Waste,
) -> Table {
    let mut table = Table::new(["layers", "change", "pulled", "floor", "ratio", "dead"]);
    for &budget in budgets {
        let mut rows: BTreeMap<String, Cost> = BTreeMap::new();
        for image in images {
            let base = next(&image.base.graph, budget, &[], max_waste);
            for (change, closure) in &image.changes {
                let after = next(&closure.graph, budget, &base, max_waste);
                let row = rows.entry(change.clone()).or_default();
                row.pulled += pulled(&base, &after);
                row.floor += new_bytes(&image.base.graph, &closure.graph);
                row.dead += dead(&after);
            }
        }
        for series in series {
            rows.insert(series.name.clone(), one_after_another(series, budget, max_waste));
        }
        for (change, cost) in rows {
            let Cost { pulled, floor, dead } = cost;
            let cells = [pulled, floor].map(megabytes).into_iter();
            let cells = cells.chain([ratio(pulled, floor), megabytes(dead)]);
            table.push([budget.to_string(), change].into_iter().chain(cells).collect());
        }
    }
    table
}

/// The whole series: each plan is the memory of the next.
fn one_after_another(series: &Series, budget: Budget, max_waste: Waste) -> Cost {
    let mut cost = Cost::default();
    let mut before: Option<(&Graph, Vec<Group>)> = None;
    for release in &series.releases {
        let graph = &release.graph;
        let memory = before.as_ref().map_or(&[][..], |(_, layers)| layers);
        let layers = next(graph, budget, memory, max_waste);
        if let Some((old, old_layers)) = &before {
            cost.pulled += pulled(old_layers, &layers);
            cost.floor += new_bytes(old, graph);
        }
        cost.dead = dead(&layers);
        before = Some((graph, layers));
    }
    cost
}

/// The layers of `graph`, as far as possible those of `before`.
fn next(graph: &Graph, budget: Budget, before: &[Group], max_waste: Waste) -> Vec<Group> {
    let remember = |layer: &Group| Remembered {
        paths: layer.paths.clone(),
        nar_size: Some(layer.nar_size),
        with_dead: true,
    };
    let memory = Memory { layers: before.iter().map(remember).collect(), max_waste };
    let planner = Planner::Strategy(Strategy::default());
    let plan = plan_around(graph, budget, &ByHand::default(), &memory, &planner);
    let plan = plan.expect("nothing was made by hand");
    check("previous", graph, plan.layers());
    plan.layers().to_vec()
}

/// Bytes of the paths of `new` that `old` does not have.
fn new_bytes(old: &Graph, new: &Graph) -> u64 {
    let have: BTreeSet<&StorePath> = old.nodes().iter().map(|node| &node.path).collect();
    let new = new.nodes().iter().filter(|node| !have.contains(&node.path));
    new.map(|node| node.nar_size).sum()
}

fn dead(layers: &[Group]) -> u64 {
    layers.iter().map(|layer| layer.dead_size).sum()
}
