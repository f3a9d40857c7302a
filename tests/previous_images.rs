//! No earlier image, whatever it is and whoever made it, costs more than its layers.

mod previous_support;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use registry::{Client, ClientOptions};
use serde_json::{Value, json};
use support::copy::{skopeo, umoci};
use support::demo::explained;
use support::dockerd::Dockerd;
use support::handmade;
use support::outcome::Outcome;
use support::registry::DockerRegistry;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;

use previous_support::*;

/// Changes the configuration of a layout's one image, and all that names it.
fn reconfigure(layout: &Path, change: impl FnOnce(&mut Value)) {
    handmade::change(layout, |config, _| change(config));
}

#[test]
fn images_of_others_change_nothing_and_are_told() {
    peer!("docker-registry", "skopeo", "tar", "umoci");
    let world = World::new();
    let big = world.store.real("big");
    handmade::layout(&world.path("handmade"), &[&big], &["/none"]);

    let image = format!("{}:1", world.path("umoci").display());
    umoci(["init", "--layout", &image[..image.len() - 2]]).success();
    umoci(["new", "--image", &image]).success();
    umoci(["insert", "--rootless", "--image", &image, &big.display().to_string(), "/opt"])
        .success();

    // As nixpkgs' dockerTools writes it: store paths as Python prints a list, and no key.
    world.layout("app-1", "dockertools", &TOGETHER);
    reconfigure(&world.path("dockertools"), |config| {
        for entry in config["history"].as_array_mut().expect("a list") {
            entry["created_by"] = "".into();
            let comment = entry["comment"].as_str().expect("a comment").replace('"', "'");
            entry["comment"] = comment.into();
        }
    });
    world.layout("app-1", "silent", &TOGETHER);
    reconfigure(&world.path("silent"), |config| {
        config.as_object_mut().expect("an object").remove("history");
    });

    let registry = DockerRegistry::plain();
    let expected = world.plan("app-2", &[]);
    for name in ["handmade", "umoci", "dockertools", "silent"] {
        let told = format!("{WITHOUT} `{name}`");
        assert_eq!(world.plan("app-2", &["--previous", name]), expected, "{name}");
        let (_, made) = world.layout("app-2", &format!("after-{name}"), &["--previous", name]);
        let errors = made.errors();
        assert!(errors.contains(&told), "{errors}");

        // Nor at the tag.
        let tag = registry.reference(&format!("{name}:1"));
        let (from, to) =
            (format!("oci:{}:1", world.path(name).display()), format!("docker://{tag}"));
        let mut from = from;
        if ["dockertools", "silent"].contains(&name) {
            // Their index has no tag any more.
            from = format!("oci:{}", world.path(name).display());
        }
        skopeo(["copy", "--dest-tls-verify=false", &from, &to]).success();
        let made = world.run("oci", "app-2", &["--push", &tag]);
        made.complains("warning").complains(&format!("{WITHOUT} `{tag}`"));
    }
}

#[test]
fn what_docker_put_on_top_is_no_obstacle() {
    peer!("docker", "dockerd");
    let world = World::new();
    let flags = [&["--tag=app:1", "-o", "old.tar", "--exec", "refers"][..], &TOGETHER].concat();
    world.store.program("app-1/bin/refers", "#!/none");
    world.run("oci", "app-1", &flags);
    let docker = Dockerd::start();
    let at = |name: &str| world.path(name).display().to_string();
    docker.docker(["load", "-i", &at("old.tar")]).success();
    docker.docker(["create", "--name=changed", "app:1"]).success();
    fs::write(world.path("note"), "by hand").expect("writing a file");
    docker.docker(["cp", &at("note"), "changed:/note"]).success();
    docker.docker(["commit", "changed", "changed:1"]).success();
    docker.docker(["save", "-o", &at("changed.tar"), "changed:1"]).success();
    let expected = world.plan("app-2", &["--previous", "old.tar"]);
    assert!(expected.iter().any(|layer| layer.get("dead").is_some()), "{expected:#?}");
    assert_eq!(world.plan("app-2", &["--previous", "changed.tar"]), expected);
}

#[test]
fn what_an_image_says_of_sizes_is_compared_by() {
    let world = World::new();
    // Digits, of which half is sent.
    world.store.file("digits/file", HEXLOWER.encode(&noise(200_000, 5)));
    world.store.file("digits/refers", ScanStore::path("big"));
    let (layout, _) = world.layout("digits", "old", &["--layer", "digits"]);
    let sent = layout.layers().last().expect("a layer")["size"].clone();
    let flags = ["--previous", "old", "--compare"];
    let table = world.run("plan", "digits", &flags).text().to_owned();
    assert!(table.contains("(as compressed as before)"), "{table}");
    let rows = world.run("plan", "digits", &[&flags[..], &["--json"]].concat()).json();
    let kept = &rows["strategies"][0];
    assert_eq!(kept["now"], json!({"pull": 0, "dead": 0}));
    assert_eq!(kept["expected"]["app"], sent);
    let plan = world.run("plan", "digits", &["--json"]);
    fs::write(world.path("plan"), &plan.stdout).expect("writing a plan");
    let flags = ["--previous", "plan", "--compare"];
    let table = world.run("plan", "digits", &flags).text().to_owned();
    assert!(table.contains("(uncompressed)"), "{table}");
}

#[test]
fn another_image_and_a_smaller_budget() {
    let world = World::new();
    world.run("oci", "other", &["-o", "other.tar"]);
    let plan = world.plan("app-2", &["--previous", "other.tar"]);
    assert_eq!(plan, world.plan("app-2", &[]));
    world.run("oci", "app-1", &["-o", "old.tar"]);
    for max_layers in 1..=5 {
        let flags =
            ["--previous", "old.tar", "--max-waste=0", "--max-layers", &max_layers.to_string()];
        let plan = world.plan("app-2", &flags);
        assert!(plan.len() <= max_layers, "{plan:#?}");
        assert_whole("app-2", &plan);
        let flags = [&flags[..], &["-o", "new.tar", "--tmp"]].concat();
        let outcome = Outcome::of(world.ask("oci", "app-2").args(flags));
        outcome.code(if max_layers == 1 { 2 } else { 0 });
    }
    // Layers made by hand come before what was.
    let flags = ["--previous", "old.tar", "--layer", "base,app-2"];
    let plan = world.plan("app-2", &flags);
    assert_whole("app-2", &plan);
    let mut by_hand = vec![ScanStore::path("base"), ScanStore::path("app-2")];
    by_hand.sort();
    assert_eq!(paths(plan.last().expect("a layer")), by_hand);
}

#[test]
fn waste_does_not_add_up_over_many_updates() {
    let world = World::new();
    let versions = 12;
    for version in 3..=versions {
        let tiny = format!("tiny-{version}");
        world.store.file(&format!("{tiny}/file"), noise(4_000, version));
        let refers = ["base", "big", &tiny].map(ScanStore::path).join("\n");
        world.store.file(&format!("app-{version}/refers"), refers);
    }
    fs::write(world.path("plan"), r#"{"version":1,"layers":[]}"#).expect("writing a plan");
    let mut most = 0;
    // And back again: what was dead is wanted once more.
    for version in (1..=versions).chain([versions - 1, 1]) {
        let root = format!("app-{version}");
        // Never more than three layers, so that a tiny path is with others.
        let flags = ["--json", "--previous", "plan", "--max-layers=3"];
        let plan = world.run("plan", &root, &flags);
        let layers = plan.json()["layers"].as_array().expect("a list of layers").clone();
        let dead = |layer: &Value| -> BTreeSet<String> {
            let dead = layer.get("dead").cloned().unwrap_or(json!([]));
            serde_json::from_value(dead).expect("a list of paths")
        };
        let all_dead: BTreeSet<String> = layers.iter().flat_map(dead).collect();
        let live = layers.iter().map(|layer| {
            let live: Vec<String> =
                paths(layer).into_iter().filter(|path| !all_dead.contains(path)).collect();
            json!({"paths": live})
        });
        assert_whole(&root, &live.collect::<Vec<_>>());
        // A tiny path is 1.1 % of the image, or half as much in the first two.
        assert!(all_dead.len() <= 10, "{all_dead:#?}");
        let whole: u64 = layers.iter().filter_map(|layer| layer["nar_size"].as_u64()).sum();
        assert!(whole < 390_000, "{whole}: 5 % are 18,400");
        most = most.max(all_dead.len());
        fs::write(world.path("plan"), &plan.stdout).expect("writing a plan");
    }
    assert!(most > 0);
}

#[test]
fn what_cannot_be_a_previous_image_is_refused() {
    peer!("docker-registry");
    let world = World::new();
    world.run("oci", "app-1", &["-o", "old.tar"]);
    let registry = DockerRegistry::plain();
    let gnu = json!({"version": 1, "layers": [
        {"paths": [ScanStore::path("big").replace("/nix/", "/gnu/")], "nar_size": 1},
    ]});
    fs::write(world.path("gnu"), gnu.to_string()).expect("writing a plan");
    fs::write(world.path("text"), "hello").expect("writing a file");
    fs::write(world.path("graph"), "[]").expect("writing a file");
    fs::write(world.path("late"), r#"{"version":2}"#).expect("writing a file");
    let whole = fs::read(world.path("old.tar")).expect("an archive");
    fs::write(world.path("cut.tar"), &whole[..whole.len() / 2]).expect("writing a file");
    let missing = registry.reference("none:1");
    for (previous, named) in [
        ("nowhere.tar", &["there is no file `nowhere.tar`", "hint: check the name"][..]),
        ("gnu", &["`gnu` has paths of the store `/gnu/store`", "expected `/nix/store`"]),
        ("text", &["`text` is neither a plan nor an image", "hint: plans are written by"]),
        ("graph", &["a JSON list", "hint: plans are written by"]),
        ("late", &["version: got `2`", "hint: "]),
        ("cut.tar", &["`cut.tar`", "hint: "]),
        ("nix", &["`nix`", "no `index.json`"]),
        (&missing, &[&*format!("there is no image `{missing}`"), "hint: check its name"]),
        ("127.0.0.1:1/x:1", &["127.0.0.1:1", "hint: "]),
    ] {
        let flags = ["--previous", previous];
        explained(Outcome::of(world.ask("plan", "app-2").args(flags)), 1, named).prints("");
        let mut oci = world.ask("oci", "app-2");
        explained(Outcome::of(oci.args(flags).args(["-o", "new.tar"])), 1, named).prints("");
        assert!(!world.path("new.tar").exists());
    }
    for (flags, named) in [
        (&["--previous", "old.tar", "--no-previous"][..], "cannot be used with"),
        (&["--max-waste", "101"], "`101` is not a share from 0 to 100 percent"),
        (&["--max-waste", "-1"], "`-1` is not a share"),
        (&["--max-waste", "x"], "`x` is not a share"),
        (&["--max-waste", ""], "`` is not a share"),
    ] {
        let mut oci = world.ask("oci", "app-2");
        explained(Outcome::of(oci.args(flags).args(["-o", "new.tar"])), 2, &[named]).prints("");
    }
}

#[test]
fn a_tag_for_another_machine_is_no_obstacle() {
    peer!("docker-registry");
    let world = World::new();
    let registry = DockerRegistry::plain();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let pushed = |root: &str, tag: &str, flags: &[&str]| {
        let outcome = world.run("oci", root, &[&["--push", tag], flags].concat());
        let (_, digest) = outcome.text().split_once('@').expect("a digest");
        (digest.to_owned(), outcome.errors())
    };
    let (fresh, _) = pushed("app-2", &registry.reference("app:fresh"), &["--arch=amd64"]);
    let amd = TOGETHER.iter().copied().chain(["--arch=amd64"]).collect::<Vec<_>>();
    let arm = TOGETHER.iter().copied().chain(["--arch=arm64"]).collect::<Vec<_>>();
    let (amd, _) = pushed("app-1", &registry.reference("app:amd64"), &amd);
    let (arm, _) = pushed("app-1", &registry.reference("app:arm64"), &arm);
    let manifest = |digest: &str, machine: &str| {
        let platform = json!({"os": "linux", "architecture": machine});
        json!({"digest": digest, "size": 1, "platform": platform,
            "mediaType": "application/vnd.oci.image.manifest.v1+json"})
    };
    let (ppc, _) = pushed("app-2", &registry.reference("app:ppc64le"), &["--arch=ppc64le"]);
    let others = vec![manifest(&arm, "arm64"), manifest(&ppc, "ppc64le")];
    let both = vec![manifest(&amd, "amd64"), manifest(&arm, "arm64")];
    for (tag, manifests) in [("others", others), ("both", both), ("none", vec![])] {
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
        let reference = registry.reference(&format!("app:{tag}"));
        let client = Client::new(reference.parse().expect("a reference"), ClientOptions::default());
        let client = client.expect("a client");
        client.put_manifest(tag, media_type, index.to_string().as_bytes()).expect("an index");
        let (digest, errors) = pushed("app-2", &reference, &["--arch=amd64"]);
        if tag == "both" {
            assert!(errors.contains(LEFT) && !errors.contains(WITHOUT), "{errors}");
            assert_ne!(digest, fresh);
        } else {
            let told = format!("{WITHOUT} the image that is now `{reference}`");
            assert!(errors.contains(&told), "{errors}");
            assert_eq!(digest, fresh, "{tag}");
        }
        // The tag is that of the image now.
        let (_, errors) = pushed("app-2", &reference, &["--arch=amd64"]);
        assert!(!errors.contains(WITHOUT), "{errors}");
    }
    // Nor is one whose store has another name.
    let elsewhere = registry.reference("app:gnu");
    let guix = temp_dir();
    let path = guix.path().join(ScanStore::path("big")[1..].replace("nix/", "gnu/"));
    fs::create_dir_all(&path).expect("creating a store");
    let mut oci = binary();
    oci.args(["oci", "--store-dir", "/gnu/store", "--references", "scan", "--store"]);
    oci.arg(guix.path()).arg(ScanStore::path("big").replace("/nix/", "/gnu/"));
    Outcome::of(oci.args(["--push", &elsewhere])).success();
    let (digest, errors) = pushed("app-2", &elsewhere, &["--arch=amd64"]);
    assert!(errors.contains(WITHOUT) && errors.contains("/gnu/store"), "{errors}");
    assert_eq!(digest, fresh);
}

#[test]
fn a_tag_whose_image_is_broken_is_no_obstacle() {
    peer!("docker-registry");
    let world = World::new();
    let registry = DockerRegistry::plain();
    let tag = registry.reference("app:1");
    let (old, _) = world.layout("app-1", "old", &[&["--push", &*tag], &TOGETHER[..]].concat());
    let config = old.manifest()["config"]["digest"].as_str().expect("a digest").to_owned();
    let hex = config.strip_prefix("sha256:").expect("a digest");
    let blobs = registry.storage().join("docker/registry/v2/blobs/sha256");
    fs::remove_dir_all(blobs.join(&hex[..2]).join(hex)).expect("losing a blob");
    let outcome = Outcome::of(world.ask("plan", "app-2").args(["--previous", &tag]));
    explained(outcome, 1, &[hex]).prints("");
    let made = world.run("oci", "app-2", &["--push", &tag]);
    made.complains("warning").complains(&format!("{WITHOUT} the image that is now `{tag}`"));
    assert_whole("app-2", &world.plan("app-2", &["--previous", &tag]));
}
