//! What holds for every pipeline and graph. nixpkgs' own cases are tested beside the code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use layering::{
    Budget, ByHand, Graph, Memory, Pipeline, PipelineError, PlanError, Planner, Row, StoreDir,
    StorePath, Strategy, plan, plan_around,
};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;
use serde_json::{Value, json};

fn path(number: usize) -> StorePath {
    format!("{number:0>32}-p{}", 99 - number).parse().unwrap()
}

fn full(number: usize) -> String {
    StoreDir::default().join(&path(number))
}

/// With cycles, which a file can have.
fn graphs() -> impl proptest::strategy::Strategy<Value = Graph> {
    let row = (0_u64..50, prop::collection::vec(0_usize..20, 0..5));
    prop::collection::vec(row, 20).prop_map(|rows| {
        let row = |(number, (nar_size, to)): (usize, (u64, Vec<usize>))| Row {
            path: path(number),
            nar_size,
            references: to.into_iter().map(path).collect(),
        };
        Graph::new(rows.into_iter().enumerate().map(row)).unwrap()
    })
}

/// The same without the references that cycles need.
fn without_cycles(graph: &Graph) -> Graph {
    let rows = graph.ids().map(|id| {
        let node = graph.node(id);
        let below = node.references.iter().filter(|&&to| to > id);
        let references = below.map(|&to| graph.node(to).path.clone()).collect();
        Row { path: node.path.clone(), nar_size: node.nar_size, references }
    });
    Graph::new(rows).unwrap()
}

fn paths() -> impl proptest::strategy::Strategy<Value = Vec<String>> {
    // Some are in no graph.
    prop::collection::vec(0_usize..25, 0..4).prop_map(|list| list.into_iter().map(full).collect())
}

fn keys() -> impl proptest::strategy::Strategy<Value = &'static str> {
    prop::sample::select(&["main", "common", "rest"][..])
}

/// Stages that can be read, whether or not they fit.
fn stages() -> impl proptest::strategy::Strategy<Value = Value> {
    let leaf = prop_oneof![
        paths().prop_map(|paths| json!(["subcomponent_out", paths])),
        paths().prop_map(|paths| json!(["subcomponent_in", paths])),
        paths().prop_map(|paths| json!(["split_paths", paths])),
        paths().prop_map(|paths| json!(["split_paths", [{"children_of": paths}]])),
        paths().prop_map(|paths| json!(["remove_paths", paths])),
        Just(json!(["popularity_contest"])),
        Just(json!(["reverse"])),
        Just(json!(["flatten"])),
        (1..9).prop_map(|count| json!(["split_every", count])),
        (1..9).prop_map(|count| json!(["limit_layers", count])),
        prop::collection::vec(keys(), 0..4).prop_map(|keys| json!(["reorder", keys])),
    ];
    let stage = leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            (keys(), inner.clone()).prop_map(|(key, stage)| json!(["over", key, stage])),
            inner.clone().prop_map(|stage| json!(["map", stage])),
            prop::collection::vec(inner, 0..4).prop_map(|stages| json!(["pipe", stages])),
        ]
    });
    prop::collection::vec(stage, 0..6).prop_map(Value::from)
}

/// The paths that a stage somewhere is to remove.
fn removed(stages: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in stages.as_array().into_iter().flatten() {
        if part == "remove_paths" {
            let paths = stages[1].as_array().unwrap().iter();
            found.extend(paths.map(|path| path.as_str().unwrap().to_owned()));
        }
        found.extend(removed(part));
    }
    found
}

fn read(stages: &Value) -> Planner {
    Planner::Pipeline(Pipeline::from_json(stages, &StoreDir::default()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_path_is_in_one_layer_unless_it_was_removed(
        graph in graphs(), stages in stages(), budget in 1_usize..30,
    ) {
        let budget = Budget::new(budget).unwrap();
        match plan_around(&graph, budget, &ByHand::default(), &Memory::default(), &read(&stages)) {
            Ok(plan) => {
                prop_assert!(plan.layers().len() <= budget.get());
                prop_assert!(plan.layers().iter().all(|layer| !layer.paths.is_empty()));
                let placed = plan.layers().iter().flat_map(|layer| layer.paths.clone());
                let mut paths: Vec<StorePath> = placed.chain(plan.left_out().to_vec()).collect();
                paths.sort();
                prop_assert!(paths.iter().eq(graph.nodes().iter().map(|node| &node.path)));
                let removed = removed(&stages);
                for path in plan.left_out() {
                    prop_assert!(removed.contains(&StoreDir::default().join(path)));
                }
            }
            Err(PlanError::Pipeline(error)) => {
                let too_many = matches!(error, PipelineError::TooMany { .. });
                prop_assert!(too_many || error.to_string().starts_with("stage "), "{}", error);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    /// nixpkgs' default before `auto-layer`, written as stages.
    #[test]
    fn popularity_is_two_stages(graph in graphs(), budget in 1_usize..30) {
        let graph = without_cycles(&graph);
        let stages = json!([["popularity_contest"], ["limit_layers", budget]]);
        let budget = Budget::new(budget).unwrap();
        let made = plan_around(&graph, budget, &ByHand::default(), &Memory::default(), &read(&stages)).unwrap();
        prop_assert_eq!(made, plan(&graph, budget, Strategy::Popularity));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}\",a-z0-9_]{0,60}") {
        if let Ok(value) = serde_json::from_str(&text) {
            if let Err(error) = Pipeline::from_json(&value, &StoreDir::default()) {
                prop_assert!(!error.to_string().is_empty());
            }
            let _ = layering::PathLists::from_json(&value, &StoreDir::default());
        }
        let _ = text.parse::<layering::Globs>();
    }
}
