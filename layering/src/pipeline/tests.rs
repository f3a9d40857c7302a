//! nixpkgs' own test cases, and what it leaves open.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::Row;

type Edges = BTreeSet<(String, String)>;

fn cases() -> Value {
    let text = include_str!("../../../fixtures/layering/cases/flatten-references-graph.json");
    serde_json::from_str(text).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// nixpkgs' tests use names that are no store paths, such as `A`.
fn path(name: &str) -> StorePath {
    format!("{}-{name}", "0".repeat(32)).parse().unwrap()
}

/// Edges, and the nodes at their ends and elsewhere.
fn edges_and_nodes(graph: &Value) -> (Edges, BTreeSet<String>) {
    let edge = |edge: &Value| (text(&edge[0]).to_owned(), text(&edge[1]).to_owned());
    let edges: Edges = list(&graph["edges"]).iter().map(edge).collect();
    let ends = edges.iter().flat_map(|(from, to)| [from.clone(), to.clone()]);
    let extra = list(&graph["extra_vertices"]).iter().map(|name| text(name).to_owned());
    let nodes = ends.chain(extra).collect();
    (edges, nodes)
}

fn graph(description: &Value) -> Graph {
    // Either edges, or rows as Nix writes them.
    let rows: Vec<Row> = if let Some(rows) = description.as_array() {
        let row = |row: &Value| Row {
            path: path(text(&row["path"])),
            nar_size: row["narSize"].as_u64().unwrap(),
            references: list(&row["references"]).iter().map(|to| path(text(to))).collect(),
        };
        rows.iter().map(row).collect()
    } else {
        let (edges, nodes) = edges_and_nodes(description);
        let references =
            |node: &String| edges.iter().filter(|e| e.0 == *node).map(|e| path(&e.1)).collect();
        let row =
            |node: &String| Row { path: path(node), nar_size: 1, references: references(node) };
        nodes.iter().map(row).collect()
    };
    Graph::new(rows).unwrap()
}

/// The same stages with store paths for the names of nodes, which alone are in capitals.
fn with_paths(value: &Value) -> Value {
    match value {
        Value::String(name) if name.starts_with(char::is_uppercase) => {
            StoreDir::default().join(&path(name)).into()
        }
        Value::Array(items) => items.iter().map(with_paths).collect(),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| (key.clone(), with_paths(value));
            Value::Object(entries.iter().map(entry).collect())
        }
        other => other.clone(),
    }
}

fn pipeline(stages: &Value) -> Pipeline {
    Pipeline::from_json(&with_paths(stages), &StoreDir::default()).unwrap()
}

fn name(graph: &Graph, id: NodeId) -> String {
    graph.node(id).path.name().to_owned()
}

fn layers(graph: &Graph, keep: &NodeSet, stages: &Value) -> Vec<BTreeSet<String>> {
    let groups = pipeline(stages).group(graph, keep, Budget::MAX).unwrap();
    groups.iter().map(|ids| ids.iter().map(|&id| name(graph, id)).collect()).collect()
}

fn expected_layers(case: &Value) -> Vec<BTreeSet<String>> {
    let names = |layer: &Value| list(layer).iter().map(|name| text(name).to_owned()).collect();
    list(&case["expected_layers"]).iter().map(names).collect()
}

fn check_parts(stage: &str) -> usize {
    let cases = &cases()[stage];
    for case in list(cases) {
        let graph = graph(&case["graph"]);
        let whole = Shape::Graph(Subgraph::new(&graph, &NodeSet::all(&graph)));
        let stages = pipeline(&json!([[stage, case["args"]]]));
        let Shape::Keyed(parts) = apply::all(&stages.0, whole, &graph).unwrap() else {
            panic!("{case} makes parts")
        };
        assert_eq!(parts.len(), case["expected"].as_object().unwrap().len(), "{case}");
        for (key, part) in parts {
            let Shape::Graph(part) = part else { panic!("{case} makes graphs") };
            let edges = part.edges().map(|(from, to)| (name(&graph, from), name(&graph, to)));
            let edges = edges.collect::<Edges>();
            let nodes = part.into_ids().into_iter().map(|id| name(&graph, id));
            let found = (edges, nodes.collect::<BTreeSet<_>>());
            assert_eq!(found, edges_and_nodes(&case["expected"][&key]), "{key} of {case}");
        }
    }
    list(cases).len()
}

#[test]
fn stages_that_cut() {
    assert_eq!(check_parts("split_paths"), 5);
    assert_eq!(check_parts("subcomponent_out"), 3);
    assert_eq!(check_parts("subcomponent_in"), 2);
}

#[test]
fn popularity_contest() {
    for case in list(&cases()["popularity_contest"]) {
        let graph = graph(case);
        let order = layers(&graph, &NodeSet::all(&graph), &json!([["popularity_contest"]]));
        let expected = list(&case["expected_layers_in_order"]).iter();
        let expected: Vec<_> =
            expected.map(|name| BTreeSet::from([text(name).to_owned()])).collect();
        assert_eq!(order, expected);
    }
}

#[test]
fn whole_pipelines() {
    for case in list(&cases()["pipe"]) {
        let graph = graph(&case["graph"]);
        let layers = layers(&graph, &NodeSet::all(&graph), &case["pipeline"]);
        if !case["expected_layers"].is_null() {
            assert_eq!(layers, expected_layers(case), "{case}");
        }
        for (key, is_there) in
            [("expected_first_layer_contains", true), ("expected_first_layer_excludes", false)]
        {
            for name in case[key].as_array().into_iter().flatten() {
                assert_eq!(layers[0].contains(text(name)), is_there, "{case}");
            }
        }
    }
}

#[test]
fn graphs_as_nix_writes_them() {
    for case in list(&cases()["flatten_references_graph"]) {
        let graph = graph(&case["graph"]);
        let mut keep = NodeSet::all(&graph);
        for name in case["exclude_paths"].as_array().into_iter().flatten() {
            keep.remove(graph.find(&path(text(name))).unwrap());
        }
        assert_eq!(layers(&graph, &keep, &case["pipeline"]), expected_layers(case), "{case}");
    }
}

#[test]
fn reorder_by_key() {
    let graph = Graph::default();
    for case in list(&cases()["reorder"]) {
        let pipeline = pipeline(&json!([["reorder", case["args"]]]));
        let Some(keys) = case["keys"].as_array() else {
            let list = Shape::List(vec![]);
            let result = apply::all(&pipeline.0, list, &graph).unwrap();
            assert!(matches!(result, Shape::List(parts) if parts.is_empty()));
            continue;
        };
        let part = |key: &Value| (text(key).to_owned(), Shape::List(vec![]));
        let parts = Shape::Keyed(keys.iter().map(part).collect());
        let Shape::Keyed(parts) = apply::all(&pipeline.0, parts, &graph).unwrap() else {
            panic!("{case} keeps keys")
        };
        let found: Vec<String> = parts.into_iter().map(|(key, _)| key).collect();
        let expected: Vec<&str> = list(&case["expected_keys"]).iter().map(text).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn fewer_layers_than_the_limit_stay() {
    let graph = graph(&json!({"edges": [["A", "B"]], "extra_vertices": []}));
    let stages = json!([["popularity_contest"], ["limit_layers", 5]]);
    assert_eq!(layers(&graph, &NodeSet::all(&graph), &stages).len(), 2);
    for most in 1..4 {
        let stages = json!([["popularity_contest"], ["limit_layers", most]]);
        assert_eq!(layers(&graph, &NodeSet::all(&graph), &stages).len(), most.min(2));
    }
}

#[test]
fn children_of_and_split_every() {
    let edges = json!([["Root", "A"], ["Root", "B"], ["A", "C"], ["B", "C"], ["B", "D"]]);
    let graph = graph(&json!({"edges": edges, "extra_vertices": []}));
    let all = NodeSet::all(&graph);
    for parents in [json!(["B"]), json!("B")] {
        let layers = layers(&graph, &all, &json!([["split_paths", [{"children_of": parents}]]]));
        assert_eq!(layers.len(), 2);
        assert_eq!(layers[0], BTreeSet::from(["C", "D"].map(String::from)));
    }
    let sizes: Vec<usize> =
        layers(&graph, &all, &json!([["split_every", 2]])).iter().map(BTreeSet::len).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

/// No root leads to a ring, and nothing may get lost.
#[test]
fn rings_are_kept() {
    let edges = json!([["A", "B"], ["B", "C"], ["C", "A"], ["D", "E"], ["E", "D"]]);
    let graph = graph(&json!({"edges": edges, "extra_vertices": []}));
    for stage in ["split_paths", "subcomponent_in", "subcomponent_out"] {
        let layers = layers(&graph, &NodeSet::all(&graph), &json!([[stage, ["B"]]]));
        assert_eq!(layers.iter().map(BTreeSet::len).collect::<Vec<_>>(), [3, 2], "{stage}");
    }
    assert_eq!(layers(&graph, &NodeSet::all(&graph), &json!([["popularity_contest"]])).len(), 5);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (stages, message) in [
        (json!({}), "expected a list of stages"),
        (json!([5]), "stage 1 (`?`): expected a stage such as"),
        (json!([["flatten"], []]), "stage 2 (`?`): expected a stage"),
        (json!([["best"]]), "stage 1 (`best`): no stage is called `best`; there are subcomp"),
        (json!([["limit_layers", 0]]), "expected [\"limit_layers\", N] with N at least 1, got ["),
        (json!([["limit_layers", -1]]), "with N at least 1"),
        (json!([["split_every", 1.5]]), "with N at least 1"),
        (json!([["flatten", 1]]), "expected [\"flatten\"], got [\"flatten\",1]"),
        (json!([["split_paths", "x"]]), "expected [\"split_paths\", [PATH or"),
        (json!([["split_paths", [{"parents_of": []}]]]), "expected [\"split_paths\""),
        (json!([["split_paths", ["/x"]]]), "`/x` is not in the store `/nix/store`"),
        (json!([["remove_paths", "hello"]]), "`hello` is not in the store"),
        (json!([["over", "main", ["pipe", [["reverse", 1]]]]]), "stage 1 (`over`): stage 1 (`rev"),
    ] {
        let error = Pipeline::from_json(&stages, &StoreDir::default()).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let graph = graph(&json!({"edges": [["A", "B"]], "extra_vertices": []}));
    let group = |stages: Value, budget| {
        let budget = Budget::new(budget).unwrap();
        pipeline(&stages).group(&graph, &NodeSet::all(&graph), budget)
    };
    for (stages, message, hint) in [
        (
            json!([["popularity_contest"], ["popularity_contest"]]),
            "stage 2 (`popularity_contest`): it works on one graph, and is given a list of 2",
            "map",
        ),
        (
            json!([["subcomponent_in", ["B"]], ["limit_layers", 2]]),
            "stage 2 (`limit_layers`): it works on a list, and is given `main`, `rest`",
            "flatten",
        ),
        (
            json!([["split_paths", ["A"]], ["over", "rest", ["reverse"]]]),
            "stage 2 (`over`): there is no `rest`, only `main`",
            "",
        ),
        (
            json!([["over", "rest", ["reverse"]]]),
            "it works on parts by key, as `split_paths` makes them, and is given one graph",
            "",
        ),
        (json!([["popularity_contest"]]), "makes: got 2, expected at most 1", "limit_layers\", 1]"),
    ] {
        let error = group(stages, 1).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{error:?}");
    }
}
