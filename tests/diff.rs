//! `closure2img diff`: what it tells of real images and plans, to people and as JSON.

mod support;

use std::fs;
use std::path::Path;

use support::demo::{Demo, HELLO, ROOT};
use support::outcome::Outcome;
use support::registry::DockerRegistry;

/// Writes an image of the root, each path in a layer of its own.
fn image(demo: &Demo, root: &str, output: &str, flags: &[&str]) {
    let mut oci = demo.command();
    oci.args(["oci", "--store", "store", root, "--strategy", "popularity", "-o", output]);
    oci.args(flags);
    Outcome::of(&mut oci).success();
}

/// Writes a plan of a graph that comes with the source.
fn plan(demo: &Demo, fixture: &str, output: &str) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
    let text = fs::read(fixture).expect("a fixture");
    let fixture: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    fs::write(demo.path("graph.json"), fixture["closure"].to_string()).expect("writing a graph");
    let planned = demo.tool(["plan", "--graph", "graph.json", "--json"]).success();
    fs::write(demo.path(output), planned.stdout).expect("writing a plan");
}

#[test]
fn versions_are_told() {
    let demo = Demo::new();
    plan(&demo, "layering/closures/nix-hello-2.10.json", "old.json");
    plan(&demo, "layering/closures/nix-hello-2.12.1.json", "new.json");
    demo.tool(["diff", "old.json", "new.json"]).success().prints(
        "   name          old      new
~  glibc         2.33-59  2.39-5
~  hello         2.10     2.12.1
~  libidn2       2.3.2    2.3.7
~  libunistring  0.9.10   1.1
+  xgcc-libgcc            13.2.0
-  bash          5.1-p12

paths   4 changed, 1 added, 1 removed, 0 the same
layers  0 shared, 5 new, 5 gone, by their paths
pull    32.6 MB of 32.6 MB uncompressed
",
    );
    let same = demo.tool(["diff", "old.json", "old.json"]).success();
    same.prints(
        "paths   0 changed, 0 added, 0 removed, 5 the same
layers  5 shared, 0 new, 0 gone, by their paths
pull    0 B of 34.9 MB uncompressed
",
    );
}

#[test]
fn images_are_told_by_digest_whatever_their_form() {
    peer!("docker-registry");
    let demo = Demo::new();
    let registry = DockerRegistry::plain();
    let reference = registry.reference("app:1");
    image(&demo, HELLO, "old.tar", &[]);
    image(&demo, ROOT, "new", &["--format=layout", "--push", &reference]);
    let mut answers = Vec::new();
    for new in ["new", &reference] {
        let mut json = demo.tool(["diff", "old.tar", new, "--json"]).success().json();
        assert_eq!(json["new"]["name"], new);
        json["new"]["name"] = "".into();
        answers.push(json);
    }
    assert_eq!(answers[0], answers[1]);
    let json = &answers[0];
    assert_eq!(json["version"], 1);
    assert_eq!((&json["old"]["kind"], &json["new"]["kind"]), (&"image".into(), &"image".into()));
    let added = json["paths"]["added"].as_array().expect("a list");
    assert!(added.iter().any(|path| path["path"] == ROOT && path["name"] == "demo"), "{added:?}");
    assert_eq!(json["paths"]["removed"], serde_json::json!([]));
    assert_eq!(json["layers_by"], "digest");
    // What is to be pulled is what the blobs weigh that the old one lacks.
    let layers = json["layers"].as_array().expect("a list");
    let fresh = layers.iter().filter(|layer| layer["shared"] == false);
    let sum: u64 = fresh.map(|layer| layer["size"].as_u64().expect("a size")).sum();
    assert_eq!(json["pull"], serde_json::json!({"bytes": sum, "of": "blobs"}));
    assert!(layers.iter().any(|layer| layer["shared"] == true));
    assert!(sum > 0 && json["total"]["bytes"].as_u64() > Some(sum));
    demo.tool(["diff", "new", &reference]).success().prints(&format!(
        "paths   0 changed, 0 added, 0 removed, {} the same
layers  {} shared, 0 new, 0 gone, by digest
pull    0 B of {} as sent
",
        json["paths"]["same"].as_u64().expect("a number") + added.len() as u64,
        layers.len(),
        closure2img::progress::human(json["total"]["bytes"].as_u64().expect("a number")),
    ));
    // Compressed otherwise it is the same tar, which no engine pulls again.
    image(&demo, ROOT, "plain.tar", &["--compress=none"]);
    let json = demo.tool(["diff", "plain.tar", "new", "--json"]).success().json();
    assert_eq!(json["pull"]["bytes"], 0);
}

#[test]
fn silent_images_are_compared_by_layers_alone() {
    peer!("tar");
    let demo = Demo::new();
    support::handmade::layout(&demo.path("theirs"), &[demo.real(HELLO)], &["/none"]);
    image(&demo, ROOT, "ours.tar", &[]);
    plan(&demo, "layering/closures/nix-hello-2.10.json", "plan.json");
    let json = demo.tool(["diff", "theirs", "ours.tar", "--json"]).success().json();
    assert_eq!(json["paths"], serde_json::Value::Null);
    assert_eq!(json["layers_gone"], 1);
    demo.refused(
        ["diff", "plan.json", "theirs"],
        1,
        &["`plan.json` is a plan", "`theirs` does not say which store paths it has"],
    );
}
