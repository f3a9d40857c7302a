//! Updates keep the layers that hosts have: what stays is the same blob in the same place and is not sent again, what
//! is dead in it is told and can be had without, and no earlier image, whatever it is, costs more than its layers.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use registry::{Client, ClientOptions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::copy::{skopeo, umoci, unpack};
use support::demo::explained;
use support::dockerd::Dockerd;
use support::handmade;
use support::image::Layout;
use support::nix;
use support::outcome::Outcome;
use support::registry::DockerRegistry;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;
use support::tree::assert_same_tree;

/// What the tool says of dead paths.
const LEFT: &str = "left the closure";
/// What it says of an image that it cannot use.
const WITHOUT: &str = "planned without";

/// Two versions of an application in a folder: `app-1` and `app-2` have `base` and `big` in common, and each has a
/// `tiny-N` of its own. The first version was laid out with `big` and `tiny-1` in one layer.
struct World {
    dir: tempfile::TempDir,
    store: ScanStore,
}

/// The flags of the first version.
const TOGETHER: [&str; 2] = ["--layer", "big,tiny-1"];

impl World {
    fn new() -> Self {
        let dir = temp_dir();
        let store = ScanStore::new(dir.path());
        store.file("base/file", noise(60_000, 1));
        store.file("big/file", noise(300_000, 2));
        for version in ["1", "2"] {
            let tiny = format!("tiny-{version}");
            store.file(&format!("{tiny}/file"), noise(2_000, 3));
            let refers = ["base", "big", &tiny].map(ScanStore::path).join("\n");
            store.file(&format!("app-{version}/refers"), refers);
        }
        store.file("other/file", noise(5_000, 4));
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `closure2img SUBCOMMAND ROOT` in the folder.
    fn ask(&self, subcommand: &str, root: &str) -> Command {
        let mut tool = binary();
        tool.current_dir(self.dir.path()).arg(subcommand).arg(ScanStore::path(root));
        tool.args(["--store", "."]);
        tool
    }

    #[track_caller]
    fn run(&self, subcommand: &str, root: &str, flags: &[&str]) -> Outcome {
        Outcome::of(self.ask(subcommand, root).args(flags)).success()
    }

    /// The layers of a plan, as `plan --json` has them.
    #[track_caller]
    fn plan(&self, root: &str, flags: &[&str]) -> Vec<Value> {
        let outcome = self.run("plan", root, &[&["--json"], flags].concat());
        outcome.json()["layers"].as_array().expect("a list of layers").clone()
    }

    /// Makes a layout with the tag `1`.
    #[track_caller]
    fn layout(&self, root: &str, name: &str, flags: &[&str]) -> (Layout, Outcome) {
        let flags = [&["--format=layout", "--tag=app:1", "-o", name], flags].concat();
        (Layout::at(&self.path(name)), self.run("oci", root, &flags))
    }

    /// The names in the store of a layout, unpacked by umoci.
    #[track_caller]
    fn held(&self, layout: &str) -> BTreeSet<String> {
        let root = unpack(&self.path(layout), "1", &self.path(&format!("{layout}.bundle")));
        names(&root.join("nix/store"))
    }
}

/// Asserts that each path of the closure of `app-N` is in exactly one layer, and nothing else is.
#[track_caller]
fn assert_whole(root: &str, layers: &[Value]) {
    let tiny = root.replace("app", "tiny");
    let mut expected = ["base", "big", &tiny, root].map(ScanStore::path);
    expected.sort();
    let mut got: Vec<String> = layers.iter().flat_map(paths).collect();
    got.sort();
    assert_eq!(got, expected);
}

/// Bytes that do not compress.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let blocks =
        (0..).flat_map(|at: u64| Sha256::digest([seed, at].map(u64::to_le_bytes).concat()));
    blocks.take(bytes).collect()
}

fn paths(layer: &Value) -> Vec<String> {
    serde_json::from_value(layer["paths"].clone()).expect("a list of paths")
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).expect("listing a folder");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a plain name");
    entries.map(|entry| name(entry.expect("listing a folder"))).collect()
}

fn digests(layers: &[Value]) -> Vec<String> {
    let digest = |layer: &Value| layer["digest"].as_str().expect("a digest").to_owned();
    layers.iter().map(digest).collect()
}

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

/// Changes the configuration of a layout's one image, and all that names it.
fn reconfigure(layout: &Path, change: impl FnOnce(&mut Value)) {
    let store = |document: &Value, descriptor: &mut Value| {
        let bytes = document.to_string().into_bytes();
        let hex = HEXLOWER.encode(&Sha256::digest(&bytes));
        fs::write(layout.join("blobs/sha256").join(&hex), &bytes).expect("writing a blob");
        descriptor["digest"] = format!("sha256:{hex}").into();
        descriptor["size"] = bytes.len().into();
    };
    let read = Layout::at(layout);
    let (mut config, mut manifest) = (read.config(), read.manifest());
    let mut descriptor = read.descriptor();
    change(&mut config);
    store(&config, &mut manifest["config"]);
    store(&manifest, &mut descriptor);
    let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
    fs::write(layout.join("index.json"), index.to_string()).expect("writing the index");
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
