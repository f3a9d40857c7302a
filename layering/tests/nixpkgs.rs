//! The popularity order is nixpkgs' to the letter: its own test cases, and real closures.
//!
//! `fixtures/layering/README.md` says where the data is from. Scores are checked beside the code, in
//! `src/strategy/popularity.rs`, since only the order is public.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use layering::{Budget, Graph, Row, StoreDir, StorePath, Strategy, by_popularity, plan};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/layering")
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn tests(kind: &str) -> Vec<Value> {
    json(&fixtures().join("nixpkgs-tests.json"))[kind].as_array().unwrap().clone()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// nixpkgs' tests use names that are no store paths, such as `A` and `/nix/store/foo`.
fn path(name: &str) -> StorePath {
    let name = name.strip_prefix("/nix/store/").unwrap_or(name);
    format!("{}-{name}", "0".repeat(32)).parse().unwrap()
}

fn graph_of_edges(edges: &[(&str, &str)], more: &[&str]) -> Graph {
    let ends = edges.iter().flat_map(|&(from, to)| [from, to]);
    let names: BTreeSet<&str> = ends.chain(more.iter().copied()).collect();
    let rows = names.into_iter().map(|name| Row {
        path: path(name),
        nar_size: 1,
        references: edges.iter().filter(|(from, _)| *from == name).map(|e| path(e.1)).collect(),
    });
    Graph::new(rows).unwrap()
}

fn edges(value: &Value) -> Vec<(&str, &str)> {
    let ends = value.as_array().unwrap().iter().map(strings);
    ends.map(|ends| (ends[0], ends[1])).collect()
}

fn order(graph: &Graph) -> Vec<StorePath> {
    by_popularity(graph).into_iter().map(|id| graph.node(id).path.clone()).collect()
}

#[test]
fn references_by_popularity_as_in_its_header() {
    let mut ordered = 0;
    for case in tests("popularity") {
        let graph = graph_of_edges(&edges(&case["edges"]), &[]);
        // Where no order is given, the scores tell it, as they differ.
        let expected: Vec<StorePath> = if case["expected_order"].is_null() {
            let scores: BTreeMap<String, u64> =
                serde_json::from_value(case["expected"].clone()).unwrap();
            let mut names: Vec<_> =
                scores.iter().map(|(name, score)| (*score, path(name))).collect();
            names.sort();
            names.into_iter().rev().map(|(_, path)| path).collect()
        } else {
            strings(&case["expected_order"]).into_iter().map(path).collect()
        };
        assert_eq!(order(&graph), expected, "{}", case["name"]);
        ordered += 1;
    }
    assert_eq!(ordered, 2);
}

/// nixpkgs tests the sort alone, on scores out of the air. Two pairs have just these scores.
#[test]
fn order_by_popularity() {
    let cases = tests("order_by_popularity");
    let [case] = &cases[..] else { panic!("one case is known") };
    let graph = graph_of_edges(&[("foo", "baz"), ("bar", "tux")], &[]);
    let expected: Vec<StorePath> = strings(&case["expected"]).into_iter().map(path).collect();
    assert_eq!(order(&graph), expected);
}

#[test]
fn popularity_contest() {
    let cases = tests("popularity_contest");
    assert_eq!(cases.len(), 3);
    for case in cases {
        let graph = graph_of_edges(&edges(&case["edges"]), &strings(&case["extra_vertices"]));
        let expected: Vec<StorePath> =
            strings(&case["expected_layers_in_order"]).into_iter().map(path).collect();
        assert_eq!(order(&graph), expected);
    }
}

struct Fixture {
    graph: Graph,
    order: Vec<StorePath>,
}

fn closures() -> Vec<(String, Fixture)> {
    let dir = StoreDir::default();
    let parse = |value: &Value| dir.parse(value.as_str().unwrap()).unwrap();
    let parse_all = |value: &Value| value.as_array().unwrap().iter().map(parse).collect();
    let files = fs::read_dir(fixtures().join("closures")).unwrap();
    let closures = files.map(|file| {
        let file = file.unwrap().path();
        let fixture = json(&file);
        let rows = fixture["closure"].as_array().unwrap().iter().map(|row| Row {
            path: parse(&row["path"]),
            nar_size: row["narSize"].as_u64().unwrap(),
            references: parse_all(&row["references"]),
        });
        let graph = Graph::new(rows).unwrap();
        let order = parse_all(&fixture["order"]);
        (file.display().to_string(), Fixture { graph, order })
    });
    closures.collect()
}

/// A new file in the folder is a new test.
#[test]
fn real_closures() {
    let closures = closures();
    assert!(closures.len() >= 7);
    for (file, Fixture { graph, order: expected }) in closures {
        assert_eq!(order(&graph), expected, "{file}");
    }
}

/// nixpkgs' `limit_layers`: all but the last layer hold one path, the last holds the rest.
#[test]
fn the_budget_cuts_the_order() {
    for (file, Fixture { graph, order }) in closures() {
        for layers in 1..=127 {
            let plan = plan(&graph, Budget::new(layers).unwrap(), Strategy::Popularity);
            assert_eq!(plan.layers().len(), layers.min(order.len()), "{file}");
            let (last, alone) = plan.layers().split_last().unwrap();
            let (first, rest) = order.split_at(alone.len());
            assert!(alone.iter().zip(first).all(|(group, path)| group.paths == [path.clone()]));
            let rest: BTreeSet<_> = rest.iter().cloned().collect();
            assert_eq!(last.paths, rest.into_iter().collect::<Vec<_>>(), "{file}");
        }
    }
}
