//! Real podman, with storage of its own.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::dockerd::clear_away;
use super::lock::home;
use super::outcome::Outcome;
use super::peer::program;

/// Podman as root, in virtual machines and containers as well:
/// - cgroups without systemd, and no journal;
/// - locks in our folder instead of shared memory, which all podmans of a machine would share;
/// - limits that need not be raised: without `CAP_SYS_RESOURCE` podman's defaults make runc fail with "error setting
///   rlimit type 7: operation not permitted".
const CONFIG: &str = r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
"#;

/// How the storage is set up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Storage {
    /// vfs, which works on every file system and leaves no mount behind.
    Plain,
    /// overlay, the only one that takes layers in parts.
    Partial,
}

/// Storage and settings for podman. Needs `peer!("podman", "runc")`.
pub struct Podman {
    dir: TempDir,
    storage: Storage,
}

impl Podman {
    /// Podman with no images.
    pub fn new() -> Self {
        Self::start(Storage::Plain)
    }

    /// Podman that fetches of a layer only what it lacks, where the layer says what is in it.
    pub fn partial() -> Self {
        let podman = Self::start(Storage::Partial);
        let path = |name: &str| json!(podman.dir.path().join(name));
        // Of TOML, the part that JSON's strings are in, too.
        let config = format!(
            "[storage]\ndriver = \"overlay\"\nrunroot = {}\ngraphroot = {}\n\
             [storage.options]\npull_options = {{enable_partial_images = \"true\"}}\n",
            path("run"),
            path("root"),
        );
        fs::write(podman.dir.path().join("storage.conf"), config)
            .expect("writing podman's configuration");
        podman
    }

    fn start(storage: Storage) -> Self {
        let dir = super::temp_dir();
        fs::write(dir.path().join("containers.conf"), CONFIG)
            .expect("writing podman's configuration");
        Self { dir, storage }
    }

    /// Runs `podman ARGS`. Containers need `--network=none`.
    #[track_caller]
    pub fn podman<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        Outcome::of(self.command().args(args))
    }

    /// `podman` with its global flags, as a command to add to.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program("podman"));
        command.env("HOME", home());
        command.env("CONTAINERS_CONF", self.dir.path().join("containers.conf"));
        for name in
            ["CONTAINER_HOST", "CONTAINERS_STORAGE_CONF", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"]
        {
            command.env_remove(name);
        }
        command.arg("--tmpdir").arg(self.dir.path().join("tmp"));
        if self.storage == Storage::Partial {
            command.env("CONTAINERS_STORAGE_CONF", self.dir.path().join("storage.conf"));
            return command;
        }
        command.arg("--storage-driver=vfs");
        for (flag, folder) in [("--root", "root"), ("--runroot", "run")] {
            command.arg(flag).arg(self.dir.path().join(folder));
        }
        command
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        clear_away(self.dir.path());
    }
}
