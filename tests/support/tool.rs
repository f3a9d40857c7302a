//! The tool itself, run from outside.

use std::ffi::OsStr;
use std::process::Command;

use super::lock::home;
use super::outcome::Outcome;

/// The tool as a command to add to. What the user of this machine has set for it or for registries does not count.
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_closure2img"));
    for name in [
        "DOCKER_CONFIG",
        "NIX_SSL_CERT_FILE",
        "REGISTRY_AUTH_FILE",
        "SOURCE_DATE_EPOCH",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
    ] {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    // Nothing that one test finds out about a registry is known to another, which may have its port.
    command.env("HOME", home()).env("XDG_CACHE_HOME", "/dev/null");
    command
}

/// Runs the tool with these arguments.
#[track_caller]
pub fn tool<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Outcome {
    Outcome::of(binary().args(args))
}
