//! Two versions of an application, and what is asked of their plans and images.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::copy::unpack;
use crate::support::image::Layout;
use crate::support::outcome::Outcome;
use crate::support::scan_store::ScanStore;
use crate::support::temp_dir;
use crate::support::tool::binary;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What the tool says of dead paths.
pub(crate) const LEFT: &str = "left the closure";
/// What it says of an image that it cannot use.
pub(crate) const WITHOUT: &str = "planned without";

/// Two versions of an application in a folder: `app-1` and `app-2` have `base` and `big` in common, and each has a
/// `tiny-N` of its own. The first version was laid out with `big` and `tiny-1` in one layer.
pub(crate) struct World {
    pub dir: tempfile::TempDir,
    pub store: ScanStore,
}

/// The flags of the first version.
pub(crate) const TOGETHER: [&str; 2] = ["--layer", "big,tiny-1"];

impl World {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `closure2img SUBCOMMAND ROOT` in the folder.
    pub(crate) fn ask(&self, subcommand: &str, root: &str) -> Command {
        let mut tool = binary();
        tool.current_dir(self.dir.path()).arg(subcommand).arg(ScanStore::path(root));
        tool.args(["--store", "."]);
        tool
    }

    #[track_caller]
    pub(crate) fn run(&self, subcommand: &str, root: &str, flags: &[&str]) -> Outcome {
        Outcome::of(self.ask(subcommand, root).args(flags)).success()
    }

    /// The layers of a plan, as `plan --json` has them.
    #[track_caller]
    pub(crate) fn plan(&self, root: &str, flags: &[&str]) -> Vec<Value> {
        let outcome = self.run("plan", root, &[&["--json"], flags].concat());
        outcome.json()["layers"].as_array().expect("a list of layers").clone()
    }

    /// Makes a layout with the tag `1`.
    #[track_caller]
    pub(crate) fn layout(&self, root: &str, name: &str, flags: &[&str]) -> (Layout, Outcome) {
        let flags = [&["--format=layout", "--tag=app:1", "-o", name], flags].concat();
        (Layout::at(&self.path(name)), self.run("oci", root, &flags))
    }

    /// The names in the store of a layout, unpacked by umoci.
    #[track_caller]
    pub(crate) fn held(&self, layout: &str) -> BTreeSet<String> {
        let root = unpack(&self.path(layout), "1", &self.path(&format!("{layout}.bundle")));
        names(&root.join("nix/store"))
    }
}

/// Asserts that each path of the closure of `app-N` is in exactly one layer, and nothing else is.
#[track_caller]
pub(crate) fn assert_whole(root: &str, layers: &[Value]) {
    let tiny = root.replace("app", "tiny");
    let mut expected = ["base", "big", &tiny, root].map(ScanStore::path);
    expected.sort();
    let mut got: Vec<String> = layers.iter().flat_map(paths).collect();
    got.sort();
    assert_eq!(got, expected);
}

/// Bytes that do not compress.
pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let blocks =
        (0..).flat_map(|at: u64| Sha256::digest([seed, at].map(u64::to_le_bytes).concat()));
    blocks.take(bytes).collect()
}

pub(crate) fn paths(layer: &Value) -> Vec<String> {
    serde_json::from_value(layer["paths"].clone()).expect("a list of paths")
}

pub(crate) fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).expect("listing a folder");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a plain name");
    entries.map(|entry| name(entry.expect("listing a folder"))).collect()
}

pub(crate) fn digests(layers: &[Value]) -> Vec<String> {
    let digest = |layer: &Value| layer["digest"].as_str().expect("a digest").to_owned();
    layers.iter().map(digest).collect()
}
