//! Which store paths share a layer: what `plan` says is what `oci` builds, the history names it, and `--max-layers` bounds
//! all layers of an image together.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use support::image::Layout;
use support::nix;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::binary;

/// The store paths of each layer, bottom first, as `plan --json` has them.
#[track_caller]
fn planned(root: &Path, max_layers: usize) -> Vec<Vec<String>> {
    let mut tool = binary();
    tool.args(["plan", "--json", "--max-layers"]).arg(max_layers.to_string()).arg(root);
    let plan = Outcome::of(&mut tool).success().json();
    let layers = plan["layers"].as_array().expect("a list of layers");
    layers.iter().map(|layer| strings(&layer["paths"])).collect()
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// Makes an image; answers it, and what `--json` says.
#[track_caller]
fn made(root: &Path, max_layers: usize, flags: &[&str]) -> (tempfile::TempDir, Layout, Value) {
    let dir = temp_dir();
    let at = dir.path().join("layout");
    let mut tool = binary();
    tool.args(["oci", "--json", "--compress=none", "--format=layout", "-o"]).arg(&at);
    tool.arg("--max-layers").arg(max_layers.to_string()).args(flags).arg(root);
    let json = Outcome::of(&mut tool).success().json();
    (dir, Layout::at(&at), json)
}

/// The store paths that each layer really holds.
#[track_caller]
fn held(layout: &Layout) -> Vec<Vec<String>> {
    let layers = layout.layers();
    let each = layers.iter().map(|layer| {
        let blob = layout.blob(layer);
        let mut archive = tar::Archive::new(&blob[..]);
        let names = archive.entries().expect("a tar").map(|entry| {
            let entry = entry.expect("an entry");
            let path = entry.path().expect("a name");
            let name: Vec<_> =
                path.components().take(3).map(|part| part.as_os_str().to_string_lossy()).collect();
            (name.len() == 3).then(|| format!("/{}", name.join("/")))
        });
        names.flatten().collect::<BTreeSet<_>>().into_iter().collect()
    });
    each.collect()
}

/// The store paths that the history says each layer holds.
#[track_caller]
fn told(layout: &Layout) -> Vec<Vec<String>> {
    let history = layout.config()["history"].clone();
    let comments = history.as_array().expect("a list").iter().map(|entry| {
        assert_ne!(entry["empty_layer"], true, "{entry}");
        entry["comment"].as_str().expect("a comment").to_owned()
    });
    comments
        .map(|comment| match comment.strip_prefix("store paths: ") {
            Some(list) => strings(&serde_json::from_str(list).expect("the comment has JSON")),
            None => Vec::new(),
        })
        .collect()
}

#[test]
fn the_plan_is_what_is_built_and_told() {
    peer!("nix-build");
    let top = &nix::store().top;
    let closure = nix::requisites(top);
    for max_layers in [1, 2, 3, 5, 10, 11, 12, 100, 127] {
        let plan = planned(top, max_layers);
        assert!(plan.len() <= max_layers.min(closure.len()), "at most {max_layers} layers");
        let mut all: Vec<String> = plan.concat();
        all.sort();
        assert_eq!(all, closure, "each path once");
        let (_dir, layout, json) = made(top, max_layers, &[]);
        assert_eq!(held(&layout), plan, "at most {max_layers} layers");
        assert_eq!(told(&layout), plan, "at most {max_layers} layers");
        let counts = |list: &Value| -> Vec<u64> {
            let list = list.as_array().expect("a list").iter();
            list.map(|layer| layer["paths"].as_u64().expect("a number")).collect()
        };
        let expected: Vec<u64> = plan.iter().map(|layer| layer.len() as u64).collect();
        assert_eq!(counts(&json["layers"]), expected);
    }
}

#[test]
fn the_json_describes_each_layer() {
    peer!("nix-build");
    let (_dir, layout, json) = made(&nix::store().top, 4, &["--tmp"]);
    let (layers, diff_ids) = (layout.layers(), layout.config()["rootfs"]["diff_ids"].clone());
    let said = json["layers"].as_array().expect("a list");
    assert_eq!(said.len(), layers.len());
    for (index, layer) in said.iter().enumerate() {
        assert_eq!(layer["digest"], layers[index]["digest"]);
        assert_eq!(layer["size"], layers[index]["size"]);
        assert_eq!(layer["diff_id"], diff_ids[index]);
    }
    assert_eq!(json["digest"], layout.descriptor()["digest"]);
    assert_eq!(json["image_id"], layout.manifest()["config"]["digest"]);
}

#[test]
fn files_outside_the_store_count_as_a_layer() {
    peer!("nix-build");
    let app = &nix::store().app;
    for flags in [&["--tmp"][..], &["--link-root"], &["--user=app:1:2", "--tmp", "--link-root"]] {
        for max_layers in [2, 3, 4, 5, 127] {
            let (_dir, layout, _) = made(app, max_layers, flags);
            // Three store paths, and the files outside on top of them.
            let mut expected = planned(app, max_layers - 1);
            expected.push(Vec::new());
            assert!(expected.len() <= max_layers);
            assert_eq!(held(&layout), expected, "{flags:?}, at most {max_layers}");
            assert_eq!(told(&layout), expected, "{flags:?}, at most {max_layers}");
            assert_eq!(layout.config()["history"].as_array().map(Vec::len), Some(expected.len()));
        }
    }
    // A user by number needs no file.
    let (_dir, layout, _) = made(app, 1, &["--user=1000:100"]);
    assert_eq!(layout.layers().len(), 1);
}
