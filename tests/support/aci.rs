//! ACIs that the tool made: looked at, unpacked, and put to the judges.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use closure2img::aci::check;
use serde_json::Value;

use super::actool;
use super::outcome::Outcome;
use super::peer;

/// The manifest of an image that nobody has anything against, neither our checker nor, where it is there, `actool`.
///
/// # Panics
/// If there is something.
#[track_caller]
pub fn approved(image: &Path) -> Value {
    let report = check(File::open(image).expect("opening an image")).expect("reading an image");
    assert!(report.findings.is_empty(), "{}: {:?}", image.display(), report.findings);
    let manifest = report.manifest.expect("an image has a manifest");
    // Found by its absence elsewhere: `peer!("actool")` in tests/aci_check.rs fails in CI.
    if peer::find("actool").is_some() {
        actool::validate(image).success();
        assert_eq!(actool::manifest(image)["name"], manifest["name"]);
    }
    manifest
}

/// Its image ID, as our checker reckons it.
#[track_caller]
pub fn id(image: &Path) -> String {
    let report = check(File::open(image).expect("opening an image")).expect("reading an image");
    report.id.expect("an image has an end").to_string()
}

/// Unpacks an image with GNU tar, which finds out the compression by itself; answers where its `rootfs` is.
#[track_caller]
pub fn unpack(image: &Path, dir: &Path) -> PathBuf {
    fs::create_dir_all(dir).expect("creating a folder");
    let mut tar = Command::new(peer::program("tar"));
    // Directories of the store cannot be written; those of layers that are put upon each other must be.
    tar.args(["--delay-directory-restore", "-xpf"]).arg(image).arg("-C").arg(dir);
    Outcome::of(&mut tar).success();
    dir.join("rootfs")
}
