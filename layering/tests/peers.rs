//! The strategies of other tools, against those tools' own test cases and second implementations.
//!
//! `fixtures/layering/README.md` says where the data is from.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use layering::{Budget, Graph, Row, StoreDir, StorePath, Strategy, plan};
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/layering")
}

fn json(file: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(fixtures().join(file)).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Test cases use names that are no store paths, such as `A`.
fn path(name: &Value) -> StorePath {
    let name = name.as_str().unwrap();
    StoreDir::default()
        .parse(name)
        .unwrap_or_else(|_| format!("{}-{name}", "0".repeat(32)).parse().unwrap())
}

fn sorted(paths: &Value) -> Vec<StorePath> {
    let mut paths: Vec<_> = list(paths).iter().map(path).collect();
    paths.sort();
    paths
}

fn graph(rows: &Value) -> Graph {
    let rows = list(rows).iter().map(|row| Row {
        path: path(&row["path"]),
        nar_size: row["narSize"].as_u64().unwrap_or(1),
        references: list(&row["references"]).iter().map(path).collect(),
    });
    Graph::new(rows).unwrap()
}

fn layers(graph: &Graph, budget: usize, strategy: Strategy) -> Vec<Vec<StorePath>> {
    let plan = plan(graph, Budget::new(budget).unwrap(), strategy);
    plan.layers().iter().map(|layer| layer.paths.clone()).collect()
}

#[test]
fn nix2container_as_its_own_tests_say() {
    for case in list(&json("cases/nix2container.json")["popularity"]) {
        let order = layers(&graph(&case["graph"]), 127, Strategy::Nix2container);
        let expected: Vec<_> =
            list(&case["expected_order"]).iter().map(|name| vec![path(name)]).collect();
        assert_eq!(order, expected, "{}", case["name"]);
    }
}

#[test]
fn real_closures_as_second_implementations_say() {
    let cases = json("cases/real-closures.json");
    let cases = cases.as_object().unwrap();
    assert_eq!(cases.len(), 2);
    for (name, case) in cases {
        let graph = graph(&json(&format!("closures/{name}"))["closure"]);
        for (key, budget, strategy) in [
            ("auto_layer_3", 3, Strategy::Auto),
            ("auto_layer_100", 100, Strategy::Auto),
            ("guix_4", 3, Strategy::Size),
        ] {
            let expected: Vec<_> = list(&case[key]).iter().map(sorted).collect();
            assert_eq!(layers(&graph, budget, strategy), expected, "{name} {key}");
        }
        let expected: Vec<_> =
            list(&case["nix2container_order"]).iter().map(|name| vec![path(name)]).collect();
        assert_eq!(layers(&graph, 127, Strategy::Nix2container), expected, "{name}");
    }
}

/// What each of two large paths needs alone goes with it; what both need goes apart, and the
/// application is in the layer of no primary.
#[test]
fn auto_goes_by_who_needs_what() {
    let row = |name: &str, size: u64, references: &[&str]| serde_json::json!({"path": name, "narSize": size, "references": references});
    let graph = graph(&Value::Array(vec![
        row("app", 1, &["java", "python", "tiny"]),
        row("java", 900, &["jlib", "libc"]),
        row("jlib", 5, &["libc"]),
        row("python", 800, &["libc", "plib"]),
        row("plib", 5, &[]),
        row("libc", 30, &[]),
        row("tiny", 1, &["libc"]),
    ]));
    let names = |groups: Vec<Vec<StorePath>>| -> Vec<String> {
        let group = |paths: &Vec<StorePath>| {
            let names: Vec<_> = paths.iter().map(StorePath::name).collect();
            names.join(" ")
        };
        groups.iter().map(group).collect()
    };
    // `libc` is below `java`, `python` and `tiny`, so the primaries that lead to it are both.
    assert_eq!(
        names(layers(&graph, 4, Strategy::Auto)),
        ["libc", "plib python", "java jlib", "app tiny"]
    );
    // One layer fewer: `python` as a primary would make four.
    assert_eq!(
        names(layers(&graph, 3, Strategy::Auto)),
        ["java jlib libc", "app plib python tiny"]
    );
}
