//! Every planner plans the closure before and after a change, and knows nothing else.

use std::collections::{BTreeMap, BTreeSet};

use layering::{Budget, Group, StorePath, Strategy};

use crate::contenders::Contender;
use crate::graphs::Images;
use crate::table::{Table, megabytes, ratio};

/// The row that is no change.
const STORED: &str = "all images, stored";

/// The column below which nobody can go.
const FLOOR: &str = "floor";

/// A row for each budget and change, a column for each contender.
pub(crate) fn table(contenders: &[Contender], images: &Images, budgets: &[Budget]) -> Table {
    let names = contenders.iter().map(|contender| contender.name);
    let mut table = Table::new(
        ["layers", "change"].into_iter().chain(names.clone()).chain(["to best peer", "to floor"]),
    );
    for &budget in budgets {
        let columns: Vec<_> = contenders.iter().map(|it| score(it, images, budget)).collect();
        for change in columns.iter().take(1).flat_map(BTreeMap::keys) {
            let sums: Vec<u64> = columns.iter().map(|column| column[change]).collect();
            let ours = Strategy::default().name();
            let of = |name: &str| names.clone().position(|other| other == name).map(|at| sums[at]);
            let peers = names.clone().zip(&sums).filter(|(name, _)| ![ours, FLOOR].contains(name));
            let best = peers.map(|(_, &sum)| sum).min();
            let to = |other: Option<u64>| match (of(ours), other) {
                (Some(sum), Some(other)) => ratio(sum, other),
                _ => "-".into(),
            };
            let cells = sums.iter().map(|&sum| megabytes(sum));
            let head = [budget.to_string(), change.clone()];
            table.push(head.into_iter().chain(cells).chain([to(best), to(of(FLOOR))]).collect());
        }
    }
    table
}

/// One column of one budget.
fn score(contender: &Contender, images: &Images, budget: Budget) -> BTreeMap<String, u64> {
    let mut rows = BTreeMap::new();
    let mut stored = BTreeMap::new();
    for image in images {
        let base = contender.checked_plan(&image.base, budget);
        stored.extend(base.iter().map(|layer| (layer.paths.clone(), layer.nar_size)));
        for (change, closure) in &image.changes {
            let after = contender.checked_plan(closure, budget);
            *rows.entry(change.clone()).or_default() += pulled(&base, &after);
        }
    }
    rows.insert(STORED.into(), stored.values().sum());
    rows
}

/// Bytes of the layers of `after` that no layer of `before` equals.
pub(crate) fn pulled(before: &[Group], after: &[Group]) -> u64 {
    let have: BTreeSet<&[StorePath]> = before.iter().map(|layer| &*layer.paths).collect();
    let new = after.iter().filter(|layer| !have.contains(&*layer.paths));
    new.map(|layer| layer.nar_size).sum()
}
