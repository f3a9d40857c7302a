//! What holds for every graph, budget and strategy, however odd the input.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use layering::{Budget, Graph, GraphError, Plan, Row, StorePath, Strategy, plan};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

/// Digits sort as numbers do; the name runs the other way, so that the two orders differ.
fn path(number: usize) -> StorePath {
    format!("{number:0>32}-p{}", 99_999 - number).parse().unwrap()
}

/// Rows that are closed under references: cycles, self references and repeats among them, and sizes
/// that overflow.
fn closed_rows() -> impl proptest::strategy::Strategy<Value = Vec<Row>> {
    (0_usize..40).prop_flat_map(|count| {
        let size =
            prop_oneof![8 => any::<u32>().prop_map(u64::from), 1 => Just(0), 1 => Just(u64::MAX)];
        let row = (size, prop::collection::vec(0..count.max(1), 0..6));
        prop::collection::vec(row, count).prop_map(|rows| {
            let row = |(number, (size, references)): (usize, (u64, Vec<usize>))| Row {
                path: path(number),
                nar_size: size,
                references: references.into_iter().map(path).collect(),
            };
            rows.into_iter().enumerate().map(row).collect()
        })
    })
}

/// Rows as an enemy writes them: repeated paths, missing references, sizes that overflow.
fn any_rows() -> impl proptest::strategy::Strategy<Value = Vec<Row>> {
    let size = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
    let references = prop::collection::vec(0_usize..12, 0..5);
    let row = (0_usize..10, size, references).prop_map(|(number, nar_size, references)| Row {
        path: path(number),
        nar_size,
        references: references.into_iter().map(path).collect(),
    });
    prop::collection::vec(row, 0..12)
}

fn budgets() -> impl proptest::strategy::Strategy<Value = Budget> {
    (1_usize..=127).prop_map(|layers| Budget::new(layers).unwrap())
}

fn strategies() -> impl proptest::strategy::Strategy<Value = Strategy> {
    prop::sample::select(&Strategy::ALL[..])
}

/// Everything that [`Plan`] promises.
fn check(graph: &Graph, budget: Budget, plan: &Plan) -> Result<(), TestCaseError> {
    let sizes: BTreeMap<&StorePath, u64> =
        graph.nodes().iter().map(|node| (&node.path, node.nar_size)).collect();
    prop_assert!(plan.layers().len() <= budget.get());
    let mut placed = BTreeSet::new();
    for group in plan.layers() {
        prop_assert!(!group.paths.is_empty());
        prop_assert!(group.paths.is_sorted());
        let size = group.paths.iter().map(|path| sizes[path]).fold(0, u64::saturating_add);
        prop_assert_eq!(group.nar_size, size);
        for path in &group.paths {
            prop_assert!(placed.insert(path), "{} is in two layers", path);
        }
    }
    prop_assert!(placed.into_iter().eq(sizes.into_keys()), "a path is missing");
    Ok(())
}

proptest! {
    #[test]
    fn a_plan_keeps_its_promises(
        rows in closed_rows(), budget in budgets(), strategy in strategies(),
    ) {
        let graph = Graph::new(rows).unwrap();
        check(&graph, budget, &plan(&graph, budget, strategy))?;
    }

    #[test]
    fn order_of_rows_and_references_does_not_matter(
        (rows, shuffled) in closed_rows().prop_flat_map(|rows| {
            let references = rows.iter().map(|row| Just(row.references.clone()).prop_shuffle());
            let references = references.collect::<Vec<_>>();
            let shuffled = (Just(rows.clone()), references).prop_map(|(rows, references)| {
                let pairs = rows.into_iter().zip(references);
                pairs.map(|(row, references)| Row { references, ..row }).collect::<Vec<_>>()
            });
            (Just(rows), shuffled.prop_shuffle())
        }),
        budget in budgets(),
        strategy in strategies(),
    ) {
        let (graph, other) = (Graph::new(rows).unwrap(), Graph::new(shuffled).unwrap());
        prop_assert_eq!(&graph, &other);
        prop_assert_eq!(plan(&graph, budget, strategy), plan(&other, budget, strategy));
    }

    #[test]
    fn self_references_do_not_matter(
        rows in closed_rows(), budget in budgets(), strategy in strategies(),
    ) {
        let mut with = rows.clone();
        for row in &mut with {
            row.references.push(row.path.clone());
        }
        let mut without = rows;
        for row in &mut without {
            row.references.retain(|to| *to != row.path);
        }
        let (with, without) = (Graph::new(with).unwrap(), Graph::new(without).unwrap());
        prop_assert_eq!(plan(&with, budget, strategy), plan(&without, budget, strategy));
    }

    #[test]
    fn any_rows_make_a_closed_graph_or_an_error(
        rows in any_rows(), budget in budgets(), strategy in strategies(),
    ) {
        let known: BTreeSet<StorePath> = rows.iter().map(|row| row.path.clone()).collect();
        match Graph::new(rows.clone()) {
            Ok(graph) => {
                prop_assert_eq!(graph.nodes().len(), known.len());
                check(&graph, budget, &plan(&graph, budget, strategy))?;
            }
            Err(GraphError::Dangling { from, to }) => {
                prop_assert!(known.contains(&from) && !known.contains(&to));
                let says_so = |row: &Row| row.path == from && row.references.contains(&to);
                prop_assert!(rows.iter().any(says_so));
            }
            Err(GraphError::Conflict(path)) => {
                prop_assert!(rows.iter().filter(|row| row.path == path).count() > 1);
            }
        }
    }

    /// Nix's own databases have no cycles, but a file can say anything.
    #[test]
    fn a_ring_ends(length in 1_usize..200, budget in budgets(), strategy in strategies()) {
        let rows = (0..length).map(|number| Row {
            path: path(number),
            nar_size: 1,
            references: vec![path((number + 1) % length)],
        });
        let graph = Graph::new(rows).unwrap();
        check(&graph, budget, &plan(&graph, budget, strategy))?;
    }
}

/// Every path refers to its neighbour and to some far ahead, the shape that makes scores grow.
fn large(count: usize, reach: &[usize]) -> Graph {
    let rows = (0..count).map(|number| Row {
        path: path(number),
        nar_size: number as u64,
        references: reach.iter().map(|by| number + by).filter(|&to| to < count).map(path).collect(),
    });
    Graph::new(rows).unwrap()
}

/// Larger than any closure people ship as an image; scores pass 2^128, where they saturate.
#[test]
fn five_thousand_paths() {
    let graph = large(5_000, &[1, 2, 7, 50, 333]);
    let budget = Budget::default();
    for strategy in Strategy::ALL {
        check(&graph, budget, &plan(&graph, budget, strategy)).unwrap();
    }
}

/// A chain as long as this would overflow the stack of a recursive walk.
#[test]
fn a_deep_graph_needs_no_deep_stack() {
    let graph = large(5_000, &[1]);
    let work = move || {
        for strategy in Strategy::ALL {
            check(&graph, Budget::MAX, &plan(&graph, Budget::MAX, strategy)).unwrap();
        }
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(work).unwrap();
    thread.join().unwrap();
}

/// No store has a closure like this, but a file may, and the default must take it.
#[test]
fn twenty_thousand_paths_by_default() {
    let graph = large(20_000, &[1, 7, 333]);
    check(&graph, Budget::MAX, &plan(&graph, Budget::MAX, Strategy::default())).unwrap();
}
