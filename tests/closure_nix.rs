//! Against the real Nix: what it prints of its own store must be what is printed here.
//!
//! Skipped where there is no Nix, unless this is a CI run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what is skipped must be seen")]

mod closure_support;

use std::path::Path;
use std::process::Command;

use closure_support::{TOP, fixture, tiny_root};
use closure2img::closure::{Closure, Location, Query, ReferencesFrom, json};

const CONFIG: &str = "sandbox = false\nbuild-users-group =\nexperimental-features = nix-command";

/// What Nix prints; none if there is no Nix.
fn nix(program: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(arguments).env("NIX_CONFIG", CONFIG).output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must have Nix: {error}");
            eprintln!("SKIPPED: no `{program}` on this machine: {error}");
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn closure(location: Location, roots: &[&str], references: ReferencesFrom) -> Closure {
    let roots = roots.iter().map(Into::into).collect();
    let threads = 2.try_into().unwrap();
    Query { location, roots, references, graph: None, with_hashes: true, threads }
        .closure()
        .unwrap()
}

/// Compares all that both sides can tell about `root` in the chroot store at `chroot`.
fn compare(chroot: &Path, root: &str) {
    let store = format!("local?root={}", chroot.display());
    let location = Location { chroot: Some(chroot.into()), ..Location::default() };
    let Some(expected) = nix("nix", &["path-info", "--store", &store, "--json", "-r", root]) else {
        return;
    };
    let database = closure(location.clone(), &[root], ReferencesFrom::Database);
    assert_eq!(json::path_info(&database), expected);

    let listed = nix("nix-store", &["--store", &store, "-qR", root]).unwrap();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    let ours: Vec<String> =
        database.paths.iter().map(|info| database.store_dir().join(&info.path)).collect();
    assert_eq!(ours, listed);

    // A scan knows nothing of derivers and times; the rest is equal.
    let mut scan = closure(location, &[root], ReferencesFrom::Scan);
    for (scanned, known) in scan.paths.iter_mut().zip(&database.paths) {
        scanned.deriver.clone_from(&known.deriver);
        scanned.registration_time = known.registration_time;
        scanned.ultimate = known.ultimate;
        scanned.signatures.clone_from(&known.signatures);
        scanned.ca.clone_from(&known.ca);
    }
    assert_eq!(json::path_info(&scan), expected);
}

#[test]
fn the_tiny_store_is_told_as_nix_tells_it() {
    let root = tiny_root();
    compare(root.path(), TOP);
    compare(root.path(), "/nix/store/1q5ppl944vri7nxb16w4mmmfgq95f6yf-tiny-symlink");
    compare(root.path(), "/nix/store/36s5mrrdv4y4yk9grxzbcwh5kqhvmcm7-tiny-nonutf8");
}

/// Sources and texts have a `ca`, signatures come from a key: the keys that builds lack.
#[test]
fn content_addresses_and_signatures_are_told_as_nix_tells_them() {
    let root = tempfile::tempdir().unwrap();
    let store = format!("local?root={}", root.path().display());
    let source = fixture("tiny-closureInfo");
    let Some(added) =
        nix("nix", &["store", "add-path", "--store", &store, source.to_str().unwrap()])
    else {
        return;
    };
    let path = added.trim();
    let key = root.path().join("key");
    for name in ["b-1", "a-1"] {
        let secret = nix("nix", &["key", "generate-secret", "--key-name", name]).unwrap();
        std::fs::write(&key, secret).unwrap();
        nix("nix", &["store", "sign", "--store", &store, "-k", key.to_str().unwrap(), path])
            .unwrap();
    }
    compare(root.path(), path);
    let location = Location { chroot: Some(root.path().into()), ..Location::default() };
    let info = &closure(location, &[path], ReferencesFrom::Auto).paths[0];
    assert_eq!(info.signatures.len(), 2);
    assert!(
        info.ca.as_deref().is_some_and(|ca| ca.starts_with("fixed:r:sha256:")),
        "{:?}",
        info.ca
    );
}

/// A big closure of the machine's own store, named by `CLOSURE2IMG_TEST_ROOT`.
#[test]
fn a_big_closure_is_told_as_nix_tells_it() {
    let Ok(root) = std::env::var("CLOSURE2IMG_TEST_ROOT") else {
        eprintln!("SKIPPED: `CLOSURE2IMG_TEST_ROOT` names no root");
        return;
    };
    let Some(expected) = nix("nix", &["path-info", "--json", "-r", &root]) else { return };
    let database = closure(Location::default(), &[&root], ReferencesFrom::Database);
    assert_eq!(json::path_info(&database), expected);
    let scan = closure(Location::default(), &[&root], ReferencesFrom::Scan);
    let bare = |closure: &Closure| {
        closure
            .paths
            .iter()
            .map(|info| (info.path.clone(), info.nar_size, info.nar_hash, info.references.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(bare(&scan), bare(&database));
}
