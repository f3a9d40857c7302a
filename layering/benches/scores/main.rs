//! What an update costs under each strategy: bytes of layers that were not in the image before.
//!
//! ```text
//! cargo bench -p layering --bench scores -- [--budgets 20,40,100] [--images a,b]
//!                                           [--strategies a,b] [--graphs DIR]
//! ```
//!
//! `DIR` holds `IMAGE.base.json.gz` and `IMAGE.CHANGE.json.gz`. A row is a change, summed over all
//! images, in MB of NARs; "all images, stored" is what a registry holds for all base images
//! together. Nothing is timed.

#![allow(clippy::print_stdout, reason = "the table is for whoever runs this")]

mod contenders;
mod graphs;
mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use layering::{Budget, Group, StorePath};

use contenders::Contender;
use graphs::Images;
use options::Options;

/// The row that is no change.
const STORED: &str = "all images, stored";

/// Budget and change to a sum for each contender, in order.
type Table = BTreeMap<(Budget, String), Vec<u64>>;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args(std::env::args().skip(1))?;
    let images = Images::load(&options.graphs, &options.images)?;
    let mut table = Table::new();
    for &budget in &options.budgets {
        for (column, contender) in options.contenders.iter().enumerate() {
            for (row, bytes) in score(contender, &images, budget) {
                let row = table.entry((budget, row)).or_default();
                row.resize(options.contenders.len(), 0);
                row[column] = bytes;
            }
        }
    }
    print(&options.contenders, &table);
    Ok(())
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
fn pulled(before: &[Group], after: &[Group]) -> u64 {
    let have: BTreeSet<&[StorePath]> = before.iter().map(|layer| &*layer.paths).collect();
    let new = after.iter().filter(|layer| !have.contains(&*layer.paths));
    new.map(|layer| layer.nar_size).sum()
}

fn print(contenders: &[Contender], table: &Table) {
    println!("MB pulled after a change, all images together");
    let names = contenders.iter().map(|contender| format!("{:>14}", contender.name));
    println!("{:>6}  {:<20}{}", "layers", "change", names.collect::<String>());
    for ((budget, change), row) in table {
        // As text, since the sums are exact and a float need not be.
        let megabytes = |&bytes: &u64| {
            let tenths = (bytes + 50_000) / 100_000;
            format!("{:>12}.{}", tenths / 10, tenths % 10)
        };
        let cells: String = row.iter().map(megabytes).collect();
        println!("{:>6}  {change:<20}{cells}", budget.get());
    }
}
