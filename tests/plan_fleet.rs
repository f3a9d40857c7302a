//! Images planned together: what they share is one layer in the registry, in real closures and in
//! built images, and what is no fleet is refused with advice.

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use support::demo::{Demo, HELLO, ROOT};
use support::image::Layout;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::binary;

/// Unpacks the ten closures of `fixtures/layering/graphs` into `dir`.
fn unpack_graphs(dir: &Path) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/layering/graphs");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).expect("the graphs") {
        let file = entry.expect("a graph").path();
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let Some(name) = name.strip_suffix(".base.json.gz") else { continue };
        let mut text = Vec::new();
        let mut unpacked = GzDecoder::new(File::open(&file).expect("opening a graph"));
        unpacked.read_to_end(&mut text).expect("unpacking a graph");
        fs::write(dir.join(name), text).expect("writing a graph");
        names.push(name.to_owned());
    }
    names.sort();
    names
}

#[track_caller]
fn plan<A: AsRef<str>>(dir: &Path, args: &[&str], graphs: &[A]) -> Outcome {
    let mut tool = binary();
    tool.current_dir(dir).args(["plan", "--max-layers", "40"]).args(args);
    Outcome::of(tool.arg("--fleet").args(graphs.iter().map(AsRef::as_ref))).success()
}

fn bytes(value: &Value) -> u64 {
    value.as_u64().expect("a number of bytes")
}

#[test]
fn a_registry_holds_little_more_than_each_path_once() {
    let dir = temp_dir();
    let mut graphs = unpack_graphs(dir.path());
    assert_eq!(graphs.len(), 10);
    let flags = ["--json", "-o", "fleet", "--threads", "1"];
    let report = plan(dir.path(), &flags, &graphs).json();
    let (stored, floor) = (bytes(&report["stored"]), bytes(&report["floor"]));
    assert_eq!(floor, 2_999_858_432);
    assert!(stored >= floor && stored < floor + floor / 100, "{stored}");
    for (strategy, alone) in report["alone"].as_object().expect("strategies") {
        assert!(bytes(alone) > stored, "{strategy}");
    }
    let fleet = fs::read(dir.path().join("fleet")).expect("the fleet plan");

    graphs.reverse();
    let mut again = plan(dir.path(), &["--json", "-o", "again", "--threads", "3"], &graphs).json();
    assert_eq!(fs::read(dir.path().join("again")).expect("the fleet plan"), fleet);
    again["images"].as_array_mut().expect("images").reverse();
    assert_eq!(again, report);

    // What the report says of all is what each becomes by itself.
    let mut layers: BTreeSet<String> = BTreeSet::new();
    let mut sum = 0;
    for image in report["images"].as_array().expect("images") {
        let graph = image["graph"].as_str().expect("a name");
        let mut tool = binary();
        tool.current_dir(dir.path()).args(["plan", "--json", "--max-layers", "40"]);
        tool.args(["--strategy", "fleet:fleet", "--graph", graph]);
        let plan = Outcome::of(&mut tool).success().json();
        assert_eq!(plan["strategy"], "fleet:fleet");
        let made = plan["layers"].as_array().expect("layers");
        assert_eq!(made.len() as u64, bytes(&image["layers"]), "{graph}");
        let new = made.iter().filter(|layer| layers.insert(layer["paths"].to_string()));
        sum += new.map(|layer| bytes(&layer["nar_size"])).sum::<u64>();
    }
    assert_eq!(sum, stored);

    let table = plan_text(dir.path(), &graphs);
    assert!(table.contains("in the registry, with") && table.contains("gnome"), "{table}");
}

fn plan_text(dir: &Path, graphs: &[String]) -> String {
    plan(dir, &[], graphs).text().to_owned()
}

#[test]
fn built_images_share_a_layer() {
    let demo = Demo::new();
    for (name, root) in [("demo", ROOT), ("hello", HELLO)] {
        let graph = demo.tool(["closure", "--json", "--store", "store", root]).success();
        fs::write(demo.path(name), graph.text()).expect("writing a graph");
    }
    demo.tool(["plan", "--fleet", "demo", "hello", "-o", "fleet"]).success();
    let digests = ["demo", "hello"].map(|name| {
        let root = if name == "demo" { ROOT } else { HELLO };
        let layout = format!("{name}.layout");
        let mut oci = demo.command();
        oci.args(["oci", "--store", "store", root, "--format=layout", "-o", &layout]);
        Outcome::of(oci.args(["--strategy", "fleet:fleet"])).success();
        let layers = Layout::at(&demo.path(&layout)).layers();
        let digest = |layer: &Value| layer["digest"].as_str().expect("a digest").to_owned();
        layers.iter().map(digest).collect::<BTreeSet<String>>()
    });
    let fleet = fs::read(demo.path("fleet")).expect("the fleet plan");
    let fleet: Value = serde_json::from_slice(&fleet).expect("JSON");
    let groups = fleet["groups"].as_array().expect("groups").len();
    assert!(groups > 0);
    assert_eq!(digests[0].intersection(&digests[1]).count(), groups);
}

#[test]
fn what_is_no_fleet_is_refused() {
    let demo = Demo::new();
    let graph = |store: &str, size: u64| json!([{"path": format!("{store}/{:0>32}-x", 1), "narSize": size, "references": []}]);
    for (name, text) in [
        ("one", graph("/nix/store", 1)),
        ("other", graph("/nix/store", 2)),
        ("guix", graph("/gnu/store", 1)),
        ("none", json!([])),
        (
            "torn",
            json!([{"path": format!("/nix/store/{:0>32}-x", 1), "references": [format!("/nix/store/{:0>32}-y", 2)]}]),
        ),
        ("object", json!({})),
        ("old", json!({"kind": "fleet", "version": 0})),
    ] {
        fs::write(demo.path(name), text.to_string()).expect("writing a file");
    }
    for (args, code, named) in [
        (&["--fleet", "one"][..], 1, &["got 1, expected at least 2", "hint: name several"][..]),
        (&["--fleet", "one", "one"], 1, &["got 1, expected at least 2 that differ"]),
        (&["--fleet", "one", "none"], 1, &["`none` has no store paths", "hint: write it"]),
        (&["--fleet", "one", "torn"], 1, &["`torn`", "not a closure", "hint: write it"]),
        (&["--fleet", "one", "nowhere"], 1, &["`nowhere`", "No such file"]),
        (&["--fleet", "one", "other"], 1, &["-x` has another size", "`other`", "hint: write all"]),
        (&["--fleet", "one", "guix"], 1, &["`guix` has paths of the store `/gnu/store`", "hint:"]),
        (&["--graph", "one", "--strategy", "fleet:object"], 1, &["`kind`: got nothing", "hint:"]),
        (&["--graph", "one", "--strategy", "fleet:old"], 1, &["`version`: got 0, expected 1"]),
        (&["--graph", "one", "--strategy", "fleet:nowhere"], 1, &["`nowhere`", "No such file"]),
        (&["--fleet"], 2, &["--fleet"]),
        (&["--output", "x", "--graph", "one"], 2, &["cannot be used with"]),
        (&["--output", "x"], 2, &["--fleet <GRAPH>"]),
        (&["--fleet", "one", "other", "--graph", "one"], 2, &["cannot be used with"]),
        (&["--fleet", "one", "other", "--strategy", "size"], 2, &["cannot be used with"]),
        (&["one", "--fleet", "one", "other"], 2, &["cannot be used with"]),
    ] {
        demo.refused(["plan"].iter().chain(args), code, named);
    }
}
