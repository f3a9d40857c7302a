//! How long the default planner takes over closures larger than anybody ships.

use std::fs;
use std::time::Instant;

use layering::{
    Budget, ByHand, Graph, Memory, Planner, Remembered, Row, StorePath, Strategy, Waste,
    plan_around,
};

use crate::table::Table;

/// A row for each number of paths. Give numbers in ascending order: the peak is the process's own,
/// so far.
pub(crate) fn table(counts: &[usize], budgets: &[Budget]) -> Table {
    let head = ["paths", "plan", "layers", "ms", "peak MB"];
    let mut table = Table::new(head);
    for &count in counts {
        for &budget in budgets {
            let (before, after) = (made_up(count, 0), made_up(count, 1));
            let mut memory = Memory::default();
            for (name, graph) in [("stateless", &before), ("with memory", &after)] {
                let start = Instant::now();
                let planner = Planner::Strategy(Strategy::default());
                let plan = plan_around(graph, budget, &ByHand::default(), &memory, &planner);
                let took = start.elapsed().as_millis();
                let plan = plan.expect("nothing was made by hand");
                table.push(vec![
                    count.to_string(),
                    name.into(),
                    plan.layers().len().to_string(),
                    took.to_string(),
                    peak().unwrap_or_else(|| "-".into()),
                ]);
                let remember = |layer: &layering::Group| Remembered {
                    paths: layer.paths.clone(),
                    nar_size: Some(layer.nar_size),
                    with_dead: true,
                };
                let layers = plan.layers().iter().map(remember).collect();
                memory = Memory { layers, max_waste: Waste::default() };
            }
        }
    }
    table
}

/// Paths that refer to a few others, most of them among the first, under one application. In a
/// later `release`, the first library with something to change it has new hashes above it.
fn made_up(count: usize, release: u64) -> Graph {
    let mut draw = Draw(7);
    let mut rows: Vec<Row> = Vec::with_capacity(count);
    let mut changed: Vec<bool> = Vec::with_capacity(count);
    let mut used = vec![false; count];
    for number in 0..count.saturating_sub(1) {
        let fan = draw.below(8).min(number as u64);
        let mut references: Vec<usize> = (0..fan)
            .map(|_| {
                let reach = draw.below(number as u64).min(draw.below(number as u64));
                usize::try_from(reach).unwrap_or(0)
            })
            .collect();
        references.sort_unstable();
        references.dedup();
        changed.push(number == count / 3 || references.iter().any(|&to| changed[to]));
        for &to in &references {
            used[to] = true;
        }
        let size = 1 << draw.below(24);
        let references = references.iter().map(|&to| rows[to].path.clone()).collect();
        let release = if changed[number] { release } else { 0 };
        rows.push(Row {
            path: path(number, release),
            nar_size: size + draw.below(size),
            references,
        });
    }
    let references =
        rows.iter().zip(used).filter(|(_, used)| !used).map(|(row, _)| row.path.clone());
    let references = references.collect();
    rows.push(Row { path: path(count, release), nar_size: 5_000_000, references });
    Graph::new(rows).expect("references are among the rows")
}

fn path(number: usize, release: u64) -> StorePath {
    format!("{release:0>16}{number:0>16}-p{number}").parse().expect("a name as any other")
}

/// `SplitMix64`.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end.max(1)
    }
}

/// The most memory that this process had, in MB, where Linux tells it.
fn peak() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some((kib * 1024 / 1_000_000).to_string())
}
