//! container-registry for one test: it takes blobs only by PATCH and an empty PUT, wants names of exactly two components,
//! and leaves out what others send. Whoever gets along with it gets along with much.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use data_encoding::BASE64;
use serde_json::json;
use tempfile::TempDir;

use super::peer::program;
use super::server::Server;

/// What it asks for; any name will do.
const PASSWORD: &str = "s3cret";

/// A running registry. Needs `peer!("container-registry")`.
pub struct ContainerRegistry {
    server: Server,
    port: u16,
    dir: TempDir,
}

impl ContainerRegistry {
    /// Starts one and waits until it listens.
    pub fn start() -> Self {
        let dir = super::temp_dir();
        let storage = dir.path().join("storage");
        fs::create_dir(&storage).expect("creating a registry's storage");
        let args: [OsString; 6] = [
            "--bind".into(),
            "127.0.0.1:0".into(),
            "--password".into(),
            PASSWORD.into(),
            "--storage".into(),
            storage.into(),
        ];
        let log = dir.path().join("log");
        let mut server = Server::start(&program("container-registry"), args, &log);
        let port = server.wait_for(|server| listening_port(&server.log()));
        let port = port.unwrap_or_else(|error| panic!("container-registry {error}"));
        Self { server, port, dir }
    }

    /// `team/app:1` becomes `127.0.0.1:PORT/team/app:1`.
    pub fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// A folder for `DOCKER_CONFIG`, whose `config.json` has the password.
    pub fn docker_config(&self) -> PathBuf {
        let dir = self.dir.path().join("docker");
        fs::create_dir_all(&dir).expect("creating a folder for docker's configuration");
        let auth = BASE64.encode(format!("anybody:{PASSWORD}").as_bytes());
        let host = format!("127.0.0.1:{}", self.port);
        let config = json!({ "auths": { host: { "auth": auth } } });
        fs::write(dir.join("config.json"), config.to_string())
            .expect("writing docker's configuration");
        dir
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

fn listening_port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("bound, starting to serve")?;
    let (_, rest) = rest.split_once("127.0.0.1:")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}
