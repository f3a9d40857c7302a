//! A real containerd with folders and a socket of its own.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::dockerd::clear_away;
use super::outcome::Outcome;
use super::peer::program;
use super::server::Server;

/// A running containerd. Needs `peer!("containerd", "ctr", "runc")`.
pub struct Containerd {
    server: Option<Server>,
    dir: TempDir,
}

impl Containerd {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// If it does not start; the message has its log.
    pub fn start() -> Self {
        let dir = super::temp_dir();
        let path = |name: &str| dir.path().join(name);
        let config = path("config.toml");
        // Of TOML, the part that JSON's strings are in, too.
        let [root, state, socket] =
            ["root", "state", "socket"].map(|name| json!(path(name).display().to_string()));
        let plugins = json!(["io.containerd.grpc.v1.cri"]);
        let text = format!(
            "version = 2\nroot = {root}\nstate = {state}\ndisabled_plugins = {plugins}\n[grpc]\naddress = {socket}\n"
        );
        fs::write(&config, text).expect("writing containerd's configuration");
        let args = ["--config".as_ref(), config.as_os_str()];
        let mut server = Server::start(&program("containerd"), args, &path("log"));
        let mut containerd = Self { server: None, dir };
        let ready =
            server.wait_for(|_| (containerd.ctr(["version"]).code == Some(0)).then_some(()));
        ready.unwrap_or_else(|error| panic!("containerd {error}"));
        containerd.server = Some(server);
        containerd
    }

    /// Runs `ctr ARGS`.
    #[track_caller]
    pub fn ctr<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        let mut ctr = Command::new(program("ctr"));
        ctr.arg("--address").arg(self.dir.path().join("socket"));
        Outcome::of(ctr.args(args))
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        drop(self.server.take());
        clear_away(self.dir.path());
    }
}
