//! `plan --compare` on real closures: its figures are those that anyone can add up from the plans themselves.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use closure2img::progress::human;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use support::demo::explained;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::binary;

/// The strategies in their order.
const STRATEGIES: [&str; 5] = ["optimal", "popularity", "auto", "size", "nix2container"];
const FLOOR: &str = "floor, unbounded";
const BUDGET: [&str; 2] = ["--max-layers", "20"];

/// A folder with `base`, a closure of nginx, and what becomes of it when zlib changes, `zlib`.
fn graphs() -> tempfile::TempDir {
    let dir = temp_dir();
    for version in ["base", "zlib"] {
        let file = format!("fixtures/layering/graphs/nginx.{version}.json.gz");
        let file = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a graph");
        let mut text = Vec::new();
        GzDecoder::new(file).read_to_end(&mut text).expect("unpacking a graph");
        fs::write(dir.path().join(version), text).expect("writing a graph");
    }
    dir
}

#[track_caller]
fn plan(dir: &Path, graph: &str, flags: &[&str]) -> Outcome {
    let mut tool = binary();
    tool.current_dir(dir).args(["plan", "--graph", graph]).args(BUDGET).args(flags);
    Outcome::of(&mut tool).success()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}

fn bytes(value: &Value) -> u64 {
    value.as_u64().expect("a number of bytes")
}

fn layers(dir: &Path, graph: &str, flags: &[&str]) -> Vec<Value> {
    list(&plan(dir, graph, &[&["--json"], flags].concat()).json()["layers"])
}

/// What `--compare` says of each strategy.
fn compared(dir: &Path, graph: &str, flags: &[&str]) -> Vec<Value> {
    let json = plan(dir, graph, &[&["--compare", "--json"], flags].concat()).json();
    assert_eq!(json["version"], 1);
    list(&json["strategies"])
}

fn named(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["strategy"].as_str().expect("a name")).collect()
}

/// A graph's paths with their sizes, and the one that nothing refers to.
fn sizes(dir: &Path, graph: &str) -> (BTreeMap<String, u64>, String) {
    let text = fs::read(dir.join(graph)).expect("a graph");
    let rows: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    let path = |row: &Value| row["path"].as_str().expect("a path").to_owned();
    let mut roots: BTreeSet<String> = rows.iter().map(path).collect();
    for row in &rows {
        for reference in list(&row["references"]).iter().filter(|path| **path != row["path"]) {
            roots.remove(reference.as_str().expect("a path"));
        }
    }
    assert_eq!(roots.len(), 1);
    let sizes = rows.iter().map(|row| (path(row), bytes(&row["narSize"]))).collect();
    (sizes, roots.pop_first().expect("a root"))
}

#[test]
fn the_figures_are_those_of_the_plans() {
    let dir = graphs();
    let (sizes, root) = sizes(dir.path(), "zlib");
    let rows = compared(dir.path(), "zlib", &[]);
    assert_eq!(named(&rows), [&STRATEGIES[..], &[FLOOR]].concat());
    let package = |row: &Value| bytes(&row["expected"]["package"]);
    for (row, strategy) in rows.iter().zip(STRATEGIES) {
        let layers = layers(dir.path(), "zlib", &["--strategy", strategy]);
        let largest = layers.iter().map(|layer| bytes(&layer["nar_size"])).max();
        // When the application changes, the layer with the root moves, and nothing else.
        let with_root = layers.iter().find(|layer| list(&layer["paths"]).contains(&json!(root)));
        assert_eq!(row["layers"], layers.len(), "{strategy}");
        assert_eq!(row["largest"].as_u64(), largest, "{strategy}");
        assert_eq!(row["expected"]["app"], with_root.expect("a root")["nar_size"], "{strategy}");
        assert!(row.get("now").is_none(), "{strategy}");
        assert!(package(row) >= package(&rows[5]), "nothing is beneath the floor: {strategy}");
    }
    let floor = &rows[5];
    assert_eq!(floor["layers"], sizes.len());
    assert_eq!(floor["expected"]["app"], sizes[&root]);
    assert_eq!(floor["largest"].as_u64(), sizes.values().max().copied());
}

#[test]
fn what_is_pulled_now_is_what_the_previous_image_lacks() {
    let dir = graphs();
    let old = plan(dir.path(), "base", &["--json"]);
    fs::write(dir.path().join("old"), &old.stdout).expect("writing a plan");
    let (sizes, _) = sizes(dir.path(), "zlib");
    let had: BTreeSet<String> =
        list(&old.json()["layers"]).iter().map(|layer| layer["paths"].to_string()).collect();
    let had_paths: BTreeSet<String> = list(&old.json()["layers"])
        .iter()
        .flat_map(|layer| list(&layer["paths"]))
        .map(|path| path.as_str().expect("a path").to_owned())
        .collect();
    let pull = |layers: &[Value]| -> u64 {
        let new = layers.iter().filter(|layer| !had.contains(&layer["paths"].to_string()));
        new.map(|layer| bytes(&layer["nar_size"])).sum()
    };
    for waste in ["5", "0"] {
        let flags = ["--previous", "old", "--max-waste", waste];
        let rows = compared(dir.path(), "zlib", &flags);
        assert_eq!(named(&rows), [&["optimal, kept"], &STRATEGIES[..], &[FLOOR]].concat());
        let kept = layers(dir.path(), "zlib", &flags);
        let mut dead = 0;
        for layer in kept.iter().filter(|layer| layer.get("dead").is_some()) {
            let live = list(&layer["paths"]);
            let live = live.iter().filter_map(|path| sizes.get(path.as_str().expect("a path")));
            dead += bytes(&layer["nar_size"]) - live.sum::<u64>();
        }
        assert_eq!(dead > 0, waste == "5");
        assert_eq!(rows[0]["now"], json!({"pull": pull(&kept), "dead": dead}));
        for (row, strategy) in rows[1..].iter().zip(STRATEGIES) {
            let fresh = layers(dir.path(), "zlib", &["--strategy", strategy]);
            assert_eq!(row["now"], json!({"pull": pull(&fresh), "dead": 0}), "{strategy}");
        }
        // Each new path alone is the least that can be.
        let new = sizes.iter().filter(|(path, _)| !had_paths.contains(*path));
        let floor: u64 = new.map(|(_, size)| size).sum();
        assert_eq!(rows[6]["now"], json!({"pull": floor, "dead": 0}));
        assert!(rows.iter().all(|row| bytes(&row["now"]["pull"]) >= floor));
        assert!(bytes(&rows[0]["now"]["pull"]) <= bytes(&rows[1]["now"]["pull"]));
    }
}

#[test]
fn the_table_has_the_figures_of_the_json() {
    let dir = graphs();
    let old = plan(dir.path(), "base", &["--json"]);
    fs::write(dir.path().join("old"), &old.stdout).expect("writing a plan");
    for (flags, headings, told) in [
        (&[][..], 8, "With --previous, also now."),
        (&["--previous", "old"], 8, "Now: by a host that has `old`."),
    ] {
        let rows = compared(dir.path(), "zlib", flags);
        let table = plan(dir.path(), "zlib", &[&["--compare"], flags].concat());
        let table = table.text();
        let mut lines = table.lines();
        assert_eq!(lines.next().map(|line| line.split_whitespace().count()), Some(headings));
        for row in &rows {
            let line = lines.next().expect("a line for each strategy");
            let name = row["strategy"].as_str().expect("a name");
            let cells = line.strip_prefix(name).unwrap_or_else(|| panic!("{name} in {line}"));
            let expected = &row["expected"];
            let mut figures: Vec<String> = vec![row["layers"].to_string()];
            let all = [&row["largest"], &expected["app"], &expected["package"]];
            let now = [&row["now"]["pull"], &row["now"]["dead"]];
            let now = now.into_iter().filter(|_| !flags.is_empty());
            let all = all.into_iter().chain([&expected["security"]]).chain(now);
            figures.extend(all.map(|figure| human(bytes(figure))));
            let cells: Vec<&str> = cells.split_whitespace().collect();
            assert_eq!(cells.join(" "), figures.join(" "));
        }
        assert_eq!(lines.next(), Some(""));
        assert!(table.ends_with(told), "{table}");
    }
}

#[test]
fn the_plan_that_was_asked_for_comes_first() {
    let dir = graphs();
    fs::write(dir.path().join("stages"), r#"[["popularity_contest"],["limit_layers",3]]"#)
        .expect("writing stages");
    let rows = compared(dir.path(), "base", &["--strategy", "pipeline:stages"]);
    assert_eq!(named(&rows)[..2], ["pipeline:stages", "optimal"]);
    assert_eq!(rows[0]["layers"], 3);
    // One of those that are listed anyway is not listed twice.
    let rows = compared(dir.path(), "base", &["--strategy", "size"]);
    assert_eq!(named(&rows), [&STRATEGIES[..], &[FLOOR]].concat());
    // Layers by hand are in all of them.
    let by_hand = compared(dir.path(), "base", &["--layer", "*"]);
    assert!(by_hand[..5].iter().all(|row| row["layers"] == 1), "{by_hand:#?}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let dir = graphs();
    for (flags, code, named) in [
        (&["--previous", "base"][..], 1, "a JSON list"),
        (&["--layer", "none"], 1, "`none`"),
        (&["--fleet", "base", "zlib"], 2, "cannot be used with"),
    ] {
        let mut tool = binary();
        tool.current_dir(dir.path()).args(["plan", "--compare"]).args(flags);
        if code == 1 {
            tool.args(["--graph", "zlib"]);
        }
        explained(Outcome::of(&mut tool), code, &[named]).prints("");
    }
}
