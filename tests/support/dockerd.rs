//! A real Docker daemon that shares nothing with the machine's own: data, sockets and network are apart.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use super::lock::turn;
use super::outcome::Outcome;
use super::peer::program;
use super::server::Server;

/// A running daemon. Needs `peer!("docker", "dockerd")`.
///
/// One at a time on a machine: a test that starts one waits for its turn, so let a test have one and use it for all it
/// has to ask.
pub struct Dockerd {
    server: Option<Server>,
    dir: TempDir,
    _turn: File,
}

impl Dockerd {
    /// Starts one and waits until it answers. It trusts every registry on 127.0.0.0/8.
    ///
    /// # Panics
    /// If it does not start; the message has its log.
    pub fn start() -> Self {
        let mut turn = turn("dockerd.lock");
        clear_away_last(&mut turn);
        let dir = super::temp_dir();
        turn.write_all(dir.path().to_string_lossy().as_bytes())
            .expect("noting the daemon's folder");

        let mut failures = Vec::new();
        // overlay2 is fast, and does not work on top of an overlay, as in a container; vfs always does.
        for driver in ["overlay2", "vfs"] {
            match start(dir.path(), driver) {
                Ok(server) => return Self { server: Some(server), dir, _turn: turn },
                Err(failure) => failures.push(format!("dockerd with {driver} {failure}")),
            }
        }
        clear_away(dir.path());
        panic!("{}", failures.join("\n"));
    }

    /// Runs `docker ARGS`. A container needs `--network=none`: the daemon has no bridge.
    #[track_caller]
    pub fn docker<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        Outcome::of(self.command().args(args))
    }

    /// `docker`, as a command to add to; with `DOCKER_CONFIG` set to [`Self::config_dir`].
    pub fn command(&self) -> Command {
        docker(self.dir.path())
    }

    /// The client's configuration folder, empty at first.
    pub fn config_dir(&self) -> PathBuf {
        self.dir.path().join("config")
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        drop(self.server.take());
        clear_away(self.dir.path());
    }
}

fn start(dir: &Path, driver: &str) -> Result<Server, String> {
    let at = |name: &str| dir.join(name).display().to_string();
    let args = [
        format!("--data-root={}", at(&format!("data-{driver}"))),
        format!("--exec-root={}", at("exec")),
        format!("--pidfile={}", at("pid")),
        format!("--host=unix://{}", at("socket")),
        format!("--config-file={}", at("daemon.json")),
        format!("--storage-driver={driver}"),
        // The machine's packet filter and network stay as they are.
        "--bridge=none".to_owned(),
        "--iptables=false".to_owned(),
        "--ip6tables=false".to_owned(),
        "--ip-masq=false".to_owned(),
        "--insecure-registry=127.0.0.0/8".to_owned(),
    ];
    fs::write(dir.join("daemon.json"), "{}").expect("writing the daemon's configuration");
    let mut server = Server::start(&program("dockerd"), args, &dir.join("log"));
    server.wait_for(|_| (Outcome::of(docker(dir).arg("version")).code == Some(0)).then_some(()))?;
    Ok(server)
}

fn docker(dir: &Path) -> Command {
    let mut command = Command::new(program("docker"));
    for name in ["DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        command.env_remove(name);
    }
    command.env("DOCKER_HOST", format!("unix://{}", dir.join("socket").display()));
    command.env("DOCKER_CONFIG", dir.join("config"));
    command
}

/// Removes what a test left that was killed: its folder's name is in the lock file.
fn clear_away_last(turn: &mut File) {
    let mut last = String::new();
    turn.read_to_string(&mut last).expect("reading the last daemon's folder");
    turn.set_len(0).and_then(|()| turn.rewind()).expect("emptying the lock file");
    let dir = Path::new(&last);
    if last.is_empty() || !dir.is_dir() {
        return;
    }
    // Its leash is broken, so it is ending, forced after 20 s; it removes the file when it has.
    for _ in 0..250 {
        if !dir.join("pid").exists() {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    clear_away(dir);
    let _ = fs::remove_dir_all(dir);
}

/// Unmounts what is mounted below, the last first, so that the folder can be removed.
pub(super) fn clear_away(dir: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let points = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1));
    for point in points.filter(|point| Path::new(point).starts_with(dir)) {
        let _ = Command::new("umount").args(["--lazy", point]).output();
    }
}
