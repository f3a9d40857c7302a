//! An OCI image made by `tar` and a few lines of JSON: what peers do with it cannot be our tool's doing.

use std::fs;
use std::path::Path;
use std::process::Command;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::outcome::Outcome;
use super::peer::program;

/// Writes an OCI layout with the tag `1`: one layer with these absolute paths of this machine.
pub fn layout<P: AsRef<Path>>(layout: &Path, paths: &[P], entrypoint: &[&str]) {
    layout_for("amd64", layout, paths, entrypoint);
}

/// As [`layout`], for this architecture.
pub fn layout_for<P: AsRef<Path>>(arch: &str, layout: &Path, paths: &[P], entrypoint: &[&str]) {
    fs::create_dir_all(layout.join("blobs/sha256")).expect("creating a layout");
    let relative =
        paths.iter().map(|path| path.as_ref().strip_prefix("/").expect("an absolute path"));
    let mut tar = Command::new(program("tar"));
    tar.args([
        "-C",
        "/",
        "--format=pax",
        "--pax-option=delete=atime,delete=ctime",
        "--sort=name",
        "--hard-dereference",
    ]);
    tar.args(["--mtime=@1", "--owner=0", "--group=0", "--numeric-owner", "-c", "--"])
        .args(relative);
    let layer = Outcome::of(&mut tar).success().stdout;
    let layer = blob(layout, "application/vnd.oci.image.layer.v1.tar", &layer);
    let config = json!({
        "architecture": arch,
        "os": "linux",
        "config": { "Entrypoint": entrypoint },
        "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
    });
    let config =
        blob(layout, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer] });
    let mut manifest = blob(layout, media_type, manifest.to_string().as_bytes());
    manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(layout.join("index.json"), index.to_string()).expect("writing the index");
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
        .expect("writing oci-layout");
}

/// Changes configuration and manifest of the one image of a layout, and all that names them.
pub fn change(layout: &Path, change: impl FnOnce(&mut Value, &mut Value)) {
    let read = super::image::Layout::at(layout);
    let (mut config, mut manifest) = (read.config(), read.manifest());
    let mut descriptor = read.descriptor();
    change(&mut config, &mut manifest);
    let store = |document: &Value, descriptor: &mut Value| {
        let media_type = descriptor["mediaType"].as_str().expect("a media type").to_owned();
        let stored = blob(layout, &media_type, document.to_string().as_bytes());
        descriptor["digest"] = stored["digest"].clone();
        descriptor["size"] = stored["size"].clone();
    };
    store(&config, &mut manifest["config"]);
    store(&manifest, &mut descriptor);
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    fs::write(layout.join("index.json"), index.to_string()).expect("writing the index");
}

/// Stores the bytes under their digest; answers the descriptor.
fn blob(layout: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let hex = HEXLOWER.encode(&Sha256::digest(bytes));
    fs::write(layout.join("blobs/sha256").join(&hex), bytes).expect("writing a blob");
    json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() })
}
