//! Real tools that copy and unpack images: skopeo and umoci.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lock::home;
use super::outcome::Outcome;
use super::peer::program;

/// Runs `skopeo ARGS`. Needs `peer!("skopeo")`.
#[track_caller]
pub fn skopeo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Outcome {
    Outcome::of(skopeo_command().args(args))
}

/// `skopeo`, as a command to add to. It accepts unsigned images, whatever the machine's policy says.
pub fn skopeo_command() -> Command {
    let mut command = Command::new(program("skopeo"));
    command
        .env_remove("REGISTRY_AUTH_FILE")
        .env_remove("DOCKER_CONFIG")
        .env("HOME", home())
        .arg("--insecure-policy");
    command
}

/// Runs `umoci ARGS`. Needs `peer!("umoci")`.
#[track_caller]
pub fn umoci<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Outcome {
    Outcome::of(Command::new(program("umoci")).args(args))
}

/// Unpacks the image `tag` of an OCI layout with umoci; answers its root file system.
#[track_caller]
pub fn unpack(layout: &Path, tag: &str, bundle: &Path) -> PathBuf {
    let image = format!("{}:{tag}", layout.display());
    umoci(["unpack".as_ref(), "--image".as_ref(), image.as_ref(), bundle.as_os_str()]).success();
    bundle.join("rootfs")
}
