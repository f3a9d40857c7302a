//! What a registry has of an image is enough to know its layers on a machine that has never seen them; and should it have
//! less than it says, the layers are made after all.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::copy::{skopeo, unpack};
use support::image::Layout;
use support::nix;
use support::opened::opened;
use support::outcome::Outcome;
use support::registry::DockerRegistry;
use support::temp_dir;
use support::tool::binary;
use support::tree::assert_same_tree;

/// `closure2img oci ROOT --push REFERENCE`, on a machine that remembers nothing.
fn push(root: &Path, reference: &str) -> Command {
    let mut tool = binary();
    tool.arg("oci").arg(root).args(["--push", reference]);
    tool
}

/// The digest that a push prints.
fn digest(outcome: &Outcome) -> String {
    outcome.text().trim().rsplit('@').next().expect("a digest").to_owned()
}

/// How many blobs were sent since the registry's log had `before`.
fn uploads(registry: &DockerRegistry, before: &str) -> usize {
    let log = registry.log().split_off(before.len());
    log.lines()
        .filter(|line| line.contains("\"PUT /v2/") && line.contains("/blobs/uploads/"))
        .count()
}

/// Whether a file of the store path was opened.
fn touched(files: &[String], path: &Path) -> bool {
    let name = path.file_name().expect("a name").to_str().expect("text");
    files.iter().any(|file| file.contains(name))
}

#[test]
fn an_unchanged_image_goes_anywhere_without_a_look_at_the_store() {
    peer!("docker-registry", "nix-build", "strace");
    let (store, registry) = (nix::store(), DockerRegistry::plain());
    let first = Outcome::of(&mut push(&store.app, &registry.reference("app:1"))).success();
    let log = registry.log();

    let (new_tag, files) = opened(&push(&store.app, &registry.reference("app:2")));
    assert_eq!(digest(&new_tag.success()), digest(&first));
    assert_eq!(files, Vec::<String>::new());
    assert_eq!(uploads(&registry, &log), 0);

    // Another repository takes the layers from the first.
    for flag in ["--cache-from", "--previous"] {
        let reference = registry.reference(&format!("other{}:1", flag.replace('-', "")));
        let mut other = push(&store.app, &reference);
        other.args([flag, &registry.reference("app:1")]);
        let log = registry.log();
        let (other, files) = opened(&other);
        assert_eq!(digest(&other.success()), digest(&first), "{flag}");
        assert_eq!(files, Vec::<String>::new(), "{flag}");
        assert_eq!(uploads(&registry, &log), 1, "{flag}: the configuration alone");
    }
    let anew = Outcome::of(push(&store.app, &registry.reference("new:1")).arg("--no-cache"));
    assert_eq!(digest(&anew.success()), digest(&first));
    let (anew, files) = opened(push(&store.app, &registry.reference("app:3")).arg("--no-cache"));
    assert_eq!(digest(&anew.success()), digest(&first));
    assert!(touched(&files, &store.busybox), "without a cache, everything is read");
}

#[test]
fn a_changed_path_alone_is_read() {
    peer!("docker-registry", "nix-build", "strace");
    let (store, registry) = (nix::store(), DockerRegistry::plain());
    // At the same tag and at a new one.
    for (before, after) in [("one:1", "one:1"), ("two:1", "two:2")] {
        Outcome::of(&mut push(&store.app, &registry.reference(before))).success();
        let (changed, files) = opened(&push(&store.app2, &registry.reference(after)));
        changed.success();
        assert!(touched(&files, &store.app2), "{files:?}");
        assert!(!touched(&files, &store.busybox), "{after}: {files:?}");
    }
}

#[test]
fn an_image_of_other_options_is_another_image() {
    peer!("docker-registry", "nix-build", "strace");
    let (store, registry) = (nix::store(), DockerRegistry::plain());
    let reference = registry.reference("app:1");
    Outcome::of(&mut push(&store.app, &reference)).success();
    for flag in ["--compress=gzip:9", "--compress=zstd"] {
        let (_, files) = opened(push(&store.app, &reference).arg(flag));
        assert!(touched(&files, &store.busybox), "{flag}");
    }
}

#[test]
fn a_list_of_layers_serves_images_that_share_some() {
    peer!("docker-registry", "nix-build", "strace", "skopeo");
    let (store, registry) = (nix::store(), DockerRegistry::plain());
    let list = registry.reference("layers:all");
    let alone = "--strategy=size";
    let shared = |root: &Path, name: &str| {
        let mut tool = push(root, &registry.reference(name));
        tool.args([alone, "--cache-from", &list, "--cache-to", &list]);
        tool
    };
    // It is not there yet, which is said and no more.
    let first = Outcome::of(&mut shared(&store.app, "a:1")).success();
    assert!(first.errors().contains("warning: no layers are known from"), "{}", first.errors());
    let (second, files) = opened(&shared(&store.app2, "b:1"));
    assert!(!touched(&files, &store.busybox), "{files:?}");
    let anew =
        Outcome::of(push(&store.app2, &registry.reference("c:1")).args([alone, "--no-cache"]));
    assert_eq!(digest(&second.success()), digest(&anew.success()));

    // The list has both now, and registries keep what it names.
    for root in [&store.app, &store.app2] {
        let (_, files) = opened(&shared(root, "d:1"));
        assert_eq!(files, Vec::<String>::new());
    }
    let manifest = skopeo(["inspect", "--raw", "--tls-verify=false", &format!("docker://{list}")]);
    let manifest: Value = manifest.success().json();
    assert_eq!(manifest["artifactType"], "application/vnd.closure2img.layers.v1+json");
    assert!(manifest["layers"].as_array().expect("layers").len() >= 4, "{manifest}");
    let log = registry.log();
    Outcome::of(&mut shared(&store.app, "a:1")).success();
    assert_eq!(uploads(&registry, &log), 0, "nothing is new");
}

#[test]
fn a_list_beside_the_image_is_found_by_it() {
    peer!("docker-registry", "nix-build", "strace");
    let (store, registry) = (nix::store(), DockerRegistry::plain());
    let list = registry.reference("app:layers");
    for (root, tag) in [(&store.app, "app:1"), (&store.app2, "app:2")] {
        let mut tool = push(root, &registry.reference(tag));
        Outcome::of(tool.args(["--strategy=size", "--cache-to", &list])).success();
    }
    // The second image has not the first one's data; the list that is attached to it has.
    let mut other = push(&store.app, &registry.reference("other:1"));
    let from = registry.reference("app:2");
    let (other, files) = opened(other.args(["--strategy=size", "--cache-from", &from]));
    other.success();
    assert_eq!(files, Vec::<String>::new());
}

#[test]
fn a_layer_that_the_registry_has_lost_is_made_after_all() {
    peer!("docker-registry", "nix-build", "skopeo", "umoci");
    let (store, registry) = (nix::store(), DockerRegistry::plain());
    Outcome::of(&mut push(&store.app, &registry.reference("app:1"))).success();
    let links = registry.storage().join("docker/registry/v2/repositories/app/_layers/sha256");
    let blobs = registry.storage().join("docker/registry/v2/blobs/sha256");
    let config = {
        let inspect = ["inspect", "--raw", "--tls-verify=false"];
        let image = format!("docker://{}", registry.reference("app:1"));
        let manifest = skopeo(inspect.into_iter().chain([&*image])).success().json();
        manifest["config"]["digest"].as_str().expect("a digest")[7..].to_owned()
    };
    for link in fs::read_dir(&links).expect("listing blobs").flatten() {
        let name = link.file_name().into_string().expect("a digest");
        if name != config {
            fs::remove_dir_all(link.path()).expect("removing a link");
            fs::remove_dir_all(blobs.join(&name[..2]).join(&name)).expect("removing a blob");
        }
    }
    let log = registry.log();
    Outcome::of(&mut push(&store.app, &registry.reference("app:2"))).success();
    assert!(uploads(&registry, &log) > 0);
    let dir = temp_dir();
    let layout = dir.path().join("layout");
    let (from, to) = (registry.reference("app:2"), format!("oci:{}:x", layout.display()));
    skopeo(["copy", "--src-tls-verify=false", &format!("docker://{from}"), &to]).success();
    assert!(!Layout::at(&layout).layers().is_empty());
    let rootfs = unpack(&layout, "x", &dir.path().join("bundle"));
    for path in nix::requisites(&store.app) {
        assert_same_tree(Path::new(&path), &rootfs.join(&path[1..]));
    }
}
