//! Closures that no store has, but a file can describe: cycles, sizes of nothing and of everything, and very many paths.
//! Each is planned, and nothing panics.

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::demo::explained;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::binary;

const STRATEGIES: [&str; 5] = ["optimal", "popularity", "auto", "size", "nix2container"];

fn path(number: usize, name: &str) -> String {
    format!("/nix/store/{number:0>32}-{name}")
}

/// Graph files of a few paths, by name.
fn absurd() -> Vec<(&'static str, Value)> {
    let [a, b, c, d] = [(1, "a"), (2, "b"), (3, "c"), (4, "d")].map(|(at, name)| path(at, name));
    let row = |path: &str, size: u64, references: &[&String]| json!({"path": path, "narSize": size, "references": references});
    let half = 1 << 63;
    vec![
        // `a` and `b` need each other, and `b` itself, too.
        ("cycle", json!([row(&a, 10, &[&b]), row(&b, 20, &[&a, &b]), row(&c, 5, &[&a])])),
        ("all", json!([row(&a, 1, &[&b]), row(&b, 1, &[&c]), row(&c, 1, &[&a])])),
        ("zero", json!([row(&a, 0, &[&b]), row(&b, 0, &[]), row(&c, 0, &[&a])])),
        ("half", json!([row(&a, half, &[&b]), row(&b, half, &[]), row(&c, half, &[&a])])),
        ("full", json!([row(&a, u64::MAX, &[&b]), row(&b, u64::MAX, &[]), row(&c, 1, &[&a])])),
        ("mixed", json!([row(&a, 0, &[&b]), row(&b, u64::MAX, &[&a]), row(&d, 0, &[])])),
        ("one", json!([row(&a, u64::MAX, &[&a])])),
    ]
}

/// `closure2img plan --graph GRAPH` in the folder.
fn ask(dir: &Path, graph: &str, flags: &[&str]) -> Command {
    let mut tool = binary();
    tool.current_dir(dir).args(["plan", "--graph", graph]).args(flags);
    tool
}

/// Makes a plan and asserts that each path is in one layer, and no layer empty.
#[track_caller]
fn assert_planned(dir: &Path, graph: &str, budget: usize, flags: &[&str]) {
    let text = fs::read(dir.join(graph)).expect("a graph");
    let rows: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    let wanted: BTreeSet<&str> =
        rows.iter().map(|row| row["path"].as_str().expect("a path")).collect();
    let mut tool = ask(dir, graph, &["--json", "--max-layers", &budget.to_string()]);
    let plan = Outcome::of(tool.args(flags)).success().json();
    let layers = plan["layers"].as_array().expect("a list of layers");
    assert!(layers.len() <= budget, "{graph}: {} layers", layers.len());
    let mut seen = BTreeSet::new();
    for layer in layers {
        let dead = layer.get("dead").and_then(Value::as_array).cloned().unwrap_or_default();
        let paths = layer["paths"].as_array().expect("a list of paths").iter();
        let live: Vec<&str> = paths
            .filter(|path| !dead.contains(path))
            .map(|path| path.as_str().expect("a path"))
            .collect();
        assert!(!live.is_empty(), "{graph}: a layer without a wanted path");
        assert!(live.iter().all(|path| seen.insert(*path)), "{graph}: a path twice");
    }
    assert_eq!(seen, wanted, "{graph}");
}

#[test]
fn absurd_closures_are_planned() {
    let dir = temp_dir();
    let graphs = absurd();
    for (name, graph) in &graphs {
        fs::write(dir.path().join(name), graph.to_string()).expect("writing a graph");
    }
    // An earlier image of another closure, whose one layer has dead paths of any size.
    let before = [path(2, "b"), path(7, "gone"), path(8, "gone-too")];
    let before = json!({"version": 1, "layers": [{"paths": before, "nar_size": u64::MAX}]});
    fs::write(dir.path().join("before"), before.to_string()).expect("writing a plan");
    for (name, _) in &graphs {
        for budget in [1, 2, 127] {
            for strategy in STRATEGIES {
                assert_planned(dir.path(), name, budget, &["--strategy", strategy]);
            }
        }
        for waste in ["0", "5", "100"] {
            let flags = ["--previous", "before", "--max-waste", waste];
            assert_planned(dir.path(), name, 100, &flags);
            for show in [&[][..], &["--compare"], &["--compare", "--json"]] {
                Outcome::of(ask(dir.path(), name, &flags).args(show)).success();
            }
        }
        Outcome::of(&mut ask(dir.path(), name, &["--report", "plan.html"])).success();
        let mut closure = binary();
        closure.current_dir(dir.path()).args(["closure", "--graph", name]);
        Outcome::of(&mut closure).success();
    }
}

#[test]
fn paths_that_need_each_other_share_a_layer() {
    let dir = temp_dir();
    let (_, graph) = &absurd()[0];
    fs::write(dir.path().join("cycle"), graph.to_string()).expect("writing a graph");
    let plan = Outcome::of(&mut ask(dir.path(), "cycle", &["--json"])).success().json();
    let both = json!([path(1, "a"), path(2, "b")]);
    let layers = plan["layers"].as_array().expect("a list of layers");
    let together = |layer: &Value| {
        let paths = layer["paths"].as_array().expect("a list of paths");
        both.as_array().expect("a list").iter().all(|path| paths.contains(path))
    };
    assert_eq!(layers.iter().filter(|layer| together(layer)).count(), 1, "{plan:#}");
}

#[test]
fn what_is_too_large_for_a_number_is_refused() {
    let dir = temp_dir();
    let text = format!(
        r#"[{{"path":"{}","narSize":18446744073709551616,"references":[]}}]"#,
        path(1, "a")
    );
    fs::write(dir.path().join("more"), text).expect("writing a graph");
    let outcome = Outcome::of(&mut ask(dir.path(), "more", &[]));
    explained(outcome, 1, &["narSize: got `1.8446744073709552e+19`"]).prints("");
    // As a size of before, it is none of a plan.
    let plan = r#"{"version":1,"layers":[{"paths":[],"nar_size":18446744073709551616}]}"#;
    fs::write(dir.path().join("plan"), plan).expect("writing a plan");
    fs::write(dir.path().join("zero"), absurd()[2].1.to_string()).expect("writing a graph");
    let outcome = Outcome::of(&mut ask(dir.path(), "zero", &["--previous", "plan"]));
    explained(outcome, 1, &["`plan`", "not valid JSON"]).prints("");
}

/// A closure of so many paths: each needs a few before it, and the last all that nothing else does.
fn many(count: usize) -> String {
    let mut text = String::from("[");
    let mut state = 1_u64;
    for at in 0..count {
        let mut references = Vec::new();
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        let size = 1000 + next(1_000_000);
        if at + 1 == count {
            references.extend(0..at);
        } else if at > 0 {
            references.extend((0..4).map(|_| next(at)));
        }
        let references: Vec<String> =
            references.iter().map(|&to| format!("\"{}\"", path(to, "p"))).collect();
        let comma = if at == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"path":"{}","narSize":{size},"references":[{}]}}"#,
            path(at, "p"),
            references.join(",")
        )
        .expect("writing to a text");
    }
    text + "]"
}

/// A debug build takes many times as long.
const MANY: usize = if cfg!(debug_assertions) { 2_000 } else { 50_000 };

#[test]
fn very_many_paths_are_planned() {
    let dir = temp_dir();
    fs::write(dir.path().join("many"), many(MANY)).expect("writing a graph");
    for strategy in ["optimal", "size"] {
        assert_planned(dir.path(), "many", 100, &["--strategy", strategy]);
    }
    let plan = Outcome::of(&mut ask(dir.path(), "many", &["--json"])).success();
    fs::write(dir.path().join("before"), &plan.stdout).expect("writing a plan");
    assert_planned(dir.path(), "many", 50, &["--previous", "before"]);
}

/// What a path refers to, by its number among so many.
type Shape = fn(usize, usize) -> usize;

#[test]
fn deep_and_wide_closures_are_planned() {
    let dir = temp_dir();
    // Deep enough for whoever calls itself for each reference.
    let count = 10_000;
    let shapes: [(&str, Shape); 3] = [
        ("chain", |at, _| at.saturating_sub(1)),
        ("ring", |at, count| (at + 1) % count),
        ("star", |_, _| 0),
    ];
    for (name, refers) in shapes {
        let row = |at: usize| {
            let references = [path(refers(at, count), "p")];
            json!({"path": path(at, "p"), "narSize": at, "references": references})
        };
        let graph: Vec<Value> = (0..count).map(row).collect();
        fs::write(dir.path().join(name), json!(graph).to_string()).expect("writing a graph");
        for strategy in ["optimal", "size"] {
            assert_planned(dir.path(), name, 100, &["--strategy", strategy]);
        }
    }
}
