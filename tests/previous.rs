//! Updates keep the layers that hosts have: what stays is the same blob in the same place and is not sent again, and what
//! is dead in it is told and can be had without.

mod previous_support;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::copy::{skopeo, unpack};
use support::demo::explained;
use support::image::Layout;
use support::nix;
use support::outcome::Outcome;
use support::registry::DockerRegistry;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;
use support::tree::assert_same_tree;

use previous_support::*;

/// The layers that have no other store paths than these, by what the history tells.
fn all_in(layout: &Layout, wanted: &BTreeSet<String>) -> Vec<String> {
    let history = layout.config()["history"].clone();
    let told = history.as_array().expect("a list").iter().map(|entry| {
        let comment = entry["comment"].as_str().expect("a comment");
        let list = comment.strip_prefix("store paths: ").expect("store paths");
        serde_json::from_str::<BTreeSet<String>>(list).expect("a list of paths")
    });
    let layers = digests(&layout.layers()).into_iter().zip(told);
    layers.filter(|(_, paths)| paths.is_subset(wanted)).map(|(digest, _)| digest).collect()
}

/// How many blobs were sent to the registry.
fn uploads(log: &str) -> usize {
    let sent = |line: &&str| line.contains("\"PUT /v2/") && line.contains("/blobs/uploads/");
    log.lines().filter(sent).count()
}

/// Makes a layout of real store paths and pushes it; answers it and what was printed.
#[track_caller]
fn push(roots: &[&Path], tag: &str, layout: &Path, flags: &[&str]) -> (Layout, Outcome) {
    let mut tool = binary();
    tool.arg("oci").args(roots).args(["--format=layout", "--tag=app:1", "--push", tag, "-o"]);
    let outcome = Outcome::of(tool.arg(layout).args(flags)).success();
    (Layout::at(layout), outcome)
}

#[test]
fn an_update_sends_only_what_changed() {
    peer!("docker-registry", "nix-build", "umoci");
    let store = nix::store();
    let registry = DockerRegistry::plain();
    for max_layers in ["100", "4", "2"] {
        let dir = temp_dir();
        let at = |name: &str| dir.path().join(name);
        let tag = registry.reference(&format!("app-{max_layers}:latest"));
        let flags = ["--max-layers", max_layers];
        let before = [&*store.app, &*store.links];
        let after = [&*store.app2, &*store.links];
        let (old, first) = push(&before, &tag, &at("old"), &flags);
        assert_eq!(first.errors().matches("warning").count(), 0, "{}", first.errors());
        let log = registry.log();
        let (new, second) = push(&after, &tag, &at("new"), &flags);
        let log = registry.log().split_off(log.len());

        // What has no changed path is what it was, at the bottom and in its order.
        let wanted = after.iter().flat_map(|root| nix::requisites(root)).collect();
        let unchanged = all_in(&old, &wanted);
        let (old, new) = (digests(&old.layers()), digests(&new.layers()));
        let kept: Vec<&String> = new.iter().filter(|layer| old.contains(layer)).collect();
        let there: Vec<&String> = old.iter().filter(|layer| new.contains(layer)).collect();
        assert_eq!(kept, there, "{max_layers}");
        assert_eq!(kept, new[..kept.len()].iter().collect::<Vec<_>>(), "{max_layers}");
        assert!(!kept.is_empty(), "{max_layers}");
        if max_layers == "100" {
            assert_eq!(there, unchanged.iter().collect::<Vec<_>>());
        }
        // Beside the configuration.
        assert_eq!(uploads(&log), new.len() - kept.len() + 1, "{log}");

        // The same push again is the same image.
        let log = registry.log();
        let (_, again) = push(&after, &tag, &at("again"), &flags);
        assert_eq!(again.text(), second.text());
        let log = registry.log().split_off(log.len());
        assert_eq!(uploads(&log), 0, "{log}");

        // It holds what an image without a past holds, and the dead beside it, if they are told.
        let mut fresh = binary();
        fresh.arg("oci").args(after).args(["--format=layout", "--tag=app:1", "-o"]);
        Outcome::of(fresh.arg(at("fresh")).args(flags).arg("--no-previous")).success();
        let roots = ["new", "fresh"].map(|name| unpack(&at(name), "1", &at(&format!("{name}-at"))));
        let [new, fresh] = roots.map(|root| root.join("nix/store"));
        let wanted = names(&fresh);
        for name in &wanted {
            assert_same_tree(&fresh.join(name), &new.join(name));
        }
        let dead = names(&new).difference(&wanted).count();
        assert_eq!(dead > 0, second.errors().contains(LEFT), "{}", second.errors());
    }
}

#[test]
fn a_dead_path_is_told_and_can_be_had_without() {
    peer!("umoci");
    let world = World::new();
    world.layout("app-1", "old", &TOGETHER);
    let previous = ["--previous", "old"];
    let (_, made) = world.layout("app-2", "new", &previous);
    let tiny = ScanStore::path("tiny-1");
    let base = tiny.strip_prefix("/nix/store/").expect("a store path");
    made.complains("warning")
        .complains("1 path in 1 kept layer left the closure")
        .complains(base)
        .complains(LEFT);
    assert!(world.held("new").contains(base));

    let plan = world.plan("app-2", &previous);
    let with_dead: Vec<&Value> = plan.iter().filter(|layer| layer.get("dead").is_some()).collect();
    assert_eq!(with_dead.len(), 1, "{plan:#?}");
    assert_eq!(with_dead[0]["dead"], json!([tiny]));
    let mut both = vec![ScanStore::path("big"), tiny.clone()];
    both.sort();
    assert_eq!(paths(with_dead[0]), both);
    let table = world.run("plan", "app-2", &previous).text().to_owned();
    assert!(table.contains("of these dead, in kept layers: tiny-1"), "{table}");

    // None is none, in the plan and in the image.
    for (name, waste) in [("none", "0"), ("little", "0.1%")] {
        let flags = ["--previous", "old", "--max-waste", waste];
        let (layout, made) = world.layout("app-2", name, &flags);
        assert!(!made.errors().contains(LEFT), "{}", made.errors());
        assert!(!world.held(name).contains(base), "{waste}");
        let plan = world.plan("app-2", &flags);
        assert!(plan.iter().all(|layer| layer.get("dead").is_none()), "{plan:#?}");
        assert_whole("app-2", &plan);
        // What has no dead path stays.
        let old = digests(&Layout::at(&world.path("old")).layers());
        assert!(digests(&layout.layers()).iter().any(|layer| old.contains(layer)));
    }
}

#[test]
fn what_is_dead_may_be_gone_from_the_store() {
    peer!("umoci");
    let world = World::new();
    world.layout("app-1", "old", &TOGETHER);
    fs::remove_dir_all(world.store.real("tiny-1")).expect("collecting garbage");
    fs::remove_dir_all(world.store.real("app-1")).expect("collecting garbage");
    let (_, made) = world.layout("app-2", "new", &["--previous", "old"]);
    assert!(!made.errors().contains(LEFT), "{}", made.errors());
    let expected =
        ["base", "big", "tiny-2", "app-2"].map(|name| ScanStore::path(name)[11..].into());
    assert_eq!(world.held("new"), BTreeSet::from(expected));
    // Nor does the plan promise what cannot be built.
    assert_whole("app-2", &world.plan("app-2", &["--previous", "old"]));
}

#[test]
fn what_is_dead_and_damaged_is_not_shipped() {
    let world = World::new();
    world.layout("app-1", "old", &TOGETHER);
    fs::write(world.store.real("tiny-1").join("file"), "damaged").expect("damaging a file");
    let mut oci = world.ask("oci", "app-2");
    oci.args(["--previous", "old", "--format=layout", "-o", "new"]);
    explained(
        Outcome::of(&mut oci),
        1,
        &["tiny-1", "damaged", "hint: leave them out with `--max-waste 0`"],
    );
    assert!(!world.path("new").exists());
    world.layout("app-2", "new", &["--previous", "old", "--max-waste", "0"]);
}

#[test]
fn what_is_compressed_otherwise_is_kept_without_dead_paths() {
    peer!("umoci");
    let world = World::new();
    world.layout("app-1", "old", &TOGETHER);
    let (_, made) = world.layout("app-2", "new", &["--previous", "old", "--compress", "none"]);
    assert!(!made.errors().contains(LEFT), "{}", made.errors());
    let expected =
        ["base", "big", "tiny-2", "app-2"].map(|name| ScanStore::path(name)[11..].into());
    assert_eq!(world.held("new"), BTreeSet::from(expected));
}

#[test]
fn an_earlier_image_is_the_same_in_every_form() {
    peer!("docker-registry", "skopeo");
    let world = World::new();
    let registry = DockerRegistry::plain();
    let tag = registry.reference("app:1");
    for (name, flags) in [
        ("archive.tar", &["--push", &*tag][..]),
        ("zstd.tar", &["--compress=zstd"]),
        ("docker.tar", &["--format=docker"]),
        ("layout", &["--format=layout"]),
    ] {
        world.run("oci", "app-1", &[&["-o", name], &TOGETHER[..], flags].concat());
    }
    let plan = world.run("plan", "app-1", &[&["--json"], &TOGETHER[..]].concat());
    fs::write(world.path("plan.json"), &plan.stdout).expect("writing a plan");
    let copy = registry.reference("copy:1");
    let (from, to) = (format!("docker://{tag}"), format!("docker://{copy}"));
    skopeo(["copy", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to]).success();

    let expected = world.plan("app-2", &["--previous", "plan.json"]);
    assert!(expected.iter().any(|layer| layer.get("dead").is_some()), "{expected:#?}");
    for previous in ["archive.tar", "zstd.tar", "docker.tar", "layout", &tag, &copy] {
        assert_eq!(world.plan("app-2", &["--previous", previous]), expected, "{previous}");
    }
    let digest = Outcome::of(world.ask("oci", "app-2").args([
        "--previous",
        "plan.json",
        "-o",
        "new.tar",
        "--json",
    ]));
    let digest = digest.success().json()["digest"].clone();
    for previous in ["archive.tar", &tag] {
        let flags = ["--previous", previous, "-o", "again.tar", "--json"];
        assert_eq!(world.run("oci", "app-2", &flags).json()["digest"], digest, "{previous}");
    }
    // And unasked, at the tag that is pushed to.
    let pushed = world.run("oci", "app-2", &["--push", &tag]);
    assert!(pushed.text().ends_with(digest.as_str().expect("a digest")), "{}", pushed.text());
}

#[test]
fn the_first_of_several_tags_is_the_one_before() {
    peer!("docker-registry");
    let world = World::new();
    let registry = DockerRegistry::plain();
    let [main, one, two] = ["app:main", "app:1", "app:2"].map(|name| registry.reference(name));
    world.run("oci", "app-1", &[&["--push", &main, "--push", &one], &TOGETHER[..]].concat());
    let made = world.run("oci", "app-2", &["--push", &main, "--push", &two]).complains(LEFT);
    // A tag that nothing was pushed to is the first of its image.
    let fresh = registry.reference("app:fresh");
    let anew = world.run("oci", "app-2", &["--push", &fresh, "--push", &main]);
    assert!(!anew.errors().contains(LEFT) && !anew.errors().contains(WITHOUT));
    assert_ne!(anew.text().lines().next(), made.text().lines().next());
    // Nor is what was there of any matter if that is said.
    world.run("oci", "app-1", &[&["--push", &main, "--no-previous"], &TOGETHER[..]].concat());
    let none = world.run("oci", "app-2", &["--push", &main, "--no-previous"]);
    assert_eq!(Some(none.text()), anew.text().lines().next());
}
