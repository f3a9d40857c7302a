//! A real podman fetches of a `zstd:chunked` layer what it lacks and nothing else, and has the same files then.

mod support;

use std::fs;
use std::path::Path;

use support::nix::{self, APP_SAYS};
use support::outcome::Outcome;
use support::podman::Podman;
use support::registry::DockerRegistry;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;
use support::tree::assert_same_tree;

/// Bytes that do not compress, the same for the same seed.
fn noise(size: usize, mut seed: u64) -> Vec<u8> {
    let next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

const MIB: usize = 1 << 20;

/// A store path with a large file, whose middle is `middle`, one as large that is the same in all, and small ones.
fn library(store: &ScanStore, name: &str, middle: &[u8]) {
    let mut large = noise(5 * MIB, 1);
    large[5 * MIB / 2..][..middle.len()].copy_from_slice(middle);
    store.program(&format!("{name}/lib/large.so"), large);
    store.file(&format!("{name}/share/same"), noise(5 * MIB, 2));
    for number in 0..50 {
        store.file(&format!("{name}/share/small/{number}"), noise(1000 * number, 3));
    }
    store.file(&format!("{name}/share/name"), name);
    store.link(&format!("{name}/share/link"), "../lib/large.so");
}

/// Pushes an image of a store path with `zstd:chunked` layers.
#[track_caller]
fn push(store: &ScanStore, name: &str, reference: &str) {
    let mut tool = binary();
    tool.arg("oci").arg(store.real(name)).arg("--store").arg(store.dir());
    tool.args(["--compress=zstd:chunked", "--no-previous", "--push", reference]);
    Outcome::of(&mut tool).success();
}

/// Asserts that the image has this store path's files.
#[track_caller]
fn assert_has(podman: &Podman, reference: &str, store: &ScanStore, name: &str) {
    let mounted = podman.podman(["image", "mount", reference]).success();
    let root = Path::new(mounted.text());
    // Made by hand, the folders are writable; those of an image never are.
    let copy = root.join(&ScanStore::path(name)[1..]);
    for file in ["lib/large.so", "share/same", "share/name", "share/link", "share/small"] {
        let (real, copy) = (store.real(name).join(file), copy.join(file));
        if real.is_dir() {
            for entry in fs::read_dir(&real).expect("listing a folder") {
                let name = entry.expect("listing a folder").file_name();
                assert_same_tree(&real.join(&name), &copy.join(&name));
            }
        } else {
            assert_same_tree(&real, &copy);
        }
    }
    podman.podman(["image", "unmount", reference]).success();
}

#[test]
fn podman_fetches_only_what_changed() {
    peer!("docker-registry", "podman", "runc");
    let dir = temp_dir();
    let store = ScanStore::new(dir.path());
    library(&store, "one", b"/nix/store/00000000000000000000000000000000-dependency");
    library(&store, "two", b"/nix/store/11111111111111111111111111111111-dependency");
    let registry = DockerRegistry::plain();
    let [one, two] = ["lib:1", "lib:2"].map(|name| registry.reference(name));
    push(&store, "one", &one);
    push(&store, "two", &two);
    let podman = Podman::partial();
    let pull = |reference: &str| {
        let before = registry.sent().len();
        podman.podman(["pull", "--tls-verify=false", reference]).success();
        let sent = registry.sent();
        let parts = |status: u16| -> u64 {
            let all = sent[before..].iter().filter(|(_, got, _)| *got == status);
            all.map(|(_, _, bytes)| bytes).sum()
        };
        (parts(200), parts(206))
    };

    let (whole, in_parts) = pull(&one);
    assert!(whole < 20_000, "{whole}: the configuration, and no layer");
    assert!(in_parts > 11 * MIB as u64, "{in_parts}");
    assert_has(&podman, &one, &store, "one");

    // Of all that, a chunk of the large file is new, and a file with a name.
    let (whole, in_parts) = pull(&two);
    assert!(whole < 20_000, "{whole}");
    assert!((MIB as u64..MIB as u64 + 100_000).contains(&in_parts), "{in_parts}");
    assert_has(&podman, &two, &store, "two");
    assert_has(&podman, &one, &store, "one");
}

#[test]
fn podman_runs_what_it_fetched_in_parts() {
    peer!("docker-registry", "nix-build", "podman", "runc");
    let registry = DockerRegistry::plain();
    for compress in ["zstd:chunked", "estargz"] {
        let reference = registry.reference(&format!("app:{}", compress.replace(':', "-")));
        let mut tool = binary();
        tool.arg("oci").arg(&nix::store().app).args(["--compress", compress]);
        Outcome::of(tool.args(["--push", &reference])).success();
        let podman = Podman::partial();
        let before = registry.sent().len();
        podman.podman(["pull", "--tls-verify=false", &reference]).success();
        let sent = registry.sent();
        assert!(sent[before..].iter().any(|(_, status, _)| *status == 206), "{sent:?}");
        let run = podman.podman(["run", "--rm", "--network=none", &reference]).success();
        run.prints(APP_SAYS);
    }
}
