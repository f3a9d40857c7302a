//! A real store, made by real Nix from `store.nix`, and Nix's own answers about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::lock::{home, kept, turn};
use super::outcome::Outcome;
use super::peer::program;

/// What [`TestStore::app`] prints first.
pub const APP_SAYS: &str = "hello from the store\n";

/// Without a sandbox, since builders use the machine's own sh; without build users, which root otherwise needs; and
/// never asking a binary cache.
const CONFIG: &str = "sandbox = false\nbuild-users-group =\nsubstituters =\nextra-experimental-features = nix-command\n";

/// How often a build is tried whose builder was killed, as happens when memory is short.
const ATTEMPTS: usize = 5;

/// Store paths; what is in them is described in `store.nix`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestStore {
    /// A static busybox with a link for each of its programs. No references.
    pub busybox: PathBuf,
    /// One file, not executable. No references.
    pub file: PathBuf,
    /// One executable file; refers to `file`.
    pub executable: PathBuf,
    /// The output itself is a link; refers to `awkward`.
    pub symlink: PathBuf,
    /// A file that `app` prints.
    pub data: PathBuf,
    /// A single program, `bin/app`: a script that prints [`APP_SAYS`] and its arguments; refers to `busybox` and `data`.
    pub app: PathBuf,
    /// `app` with another content in the data, for updates: shares `busybox`.
    pub app2: PathBuf,
    /// Every kind of file, name, length and size that a packer meets.
    pub awkward: PathBuf,
    /// Names that are not UTF-8.
    pub nonutf8: PathBuf,
    /// Links of every kind; refers to `awkward` and `file`.
    pub links: PathBuf,
    /// Refers to itself and to `links`.
    pub itself: PathBuf,
    /// Refers to all but `app2`.
    pub top: PathBuf,
}

/// The store, built at the first call. Needs `peer!("nix-build")`.
pub fn store() -> &'static TestStore {
    static STORE: OnceLock<TestStore> = OnceLock::new();
    STORE.get_or_init(build)
}

fn build() -> TestStore {
    let _turn = turn("nix.lock");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/store.nix");
    let roots = kept("nix-roots");
    fs::create_dir_all(&roots).expect("creating a folder for the garbage collector's roots");
    let mut attempt = 1;
    loop {
        // The links in `roots` keep the garbage collector away.
        let built =
            Outcome::of(nix("nix-build").arg(&source).arg("--out-link").arg(roots.join("root")));
        if built.code == Some(0) {
            break;
        }
        let killed = built.errors().contains("signal 9");
        if !killed || attempt == ATTEMPTS {
            built.success();
        }
        attempt += 1;
    }
    let paths = "f: builtins.mapAttrs (_: output: output.outPath) (import f)";
    let expression = format!("({paths}) {}", source.display());
    let paths = Outcome::of(nix("nix-instantiate").args([
        "--eval",
        "--strict",
        "--json",
        "--expr",
        &expression,
    ]));
    serde_json::from_value(paths.success().json())
        .expect("store.nix and `TestStore` have the same names")
}

/// The closure of a path, sorted: `nix-store -qR`.
#[track_caller]
pub fn requisites(path: &Path) -> Vec<String> {
    let listed = Outcome::of(nix("nix-store").arg("-qR").arg(path)).success();
    let mut paths: Vec<_> = listed.text().lines().map(str::to_owned).collect();
    paths.sort_unstable();
    paths
}

/// What Nix knows about each path of a closure: `nix path-info --json -r`.
#[track_caller]
pub fn path_info_json(path: &Path) -> Value {
    Outcome::of(nix("nix").args(["path-info", "--json", "-r"]).arg(path)).success().json()
}

/// Copies the closure of paths into a store of its own with a database: a value for `--store`.
#[track_caller]
pub fn copy_to_chroot_store(paths: &[&Path], dir: &Path) {
    let store = format!("local?root={}", dir.display());
    Outcome::of(nix("nix").args(["copy", "--no-check-sigs", "--to", &store]).args(paths)).success();
}

/// One of Nix's programs, with settings that work for root anywhere.
pub fn nix(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.env("NIX_CONFIG", CONFIG).env("HOME", home());
    command
}
