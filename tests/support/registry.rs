//! A real registry (Debian's docker-registry) for one test: on a port of its own, plain, with a password, or with TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::BASE64;
use serde_json::json;
use tempfile::TempDir;

use super::outcome::Outcome;
use super::peer::program;
use super::server::Server;

/// How the registry treats its clients.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Name and password that it asks for. Needs `peer!("htpasswd")`.
    pub htpasswd: Option<(&'a str, &'a str)>,
    /// Whether it speaks https, with a certificate of an authority of its own. Needs `peer!("openssl")`.
    pub tls: bool,
}

/// A running registry. Needs `peer!("docker-registry")`.
pub struct DockerRegistry {
    server: Server,
    port: u16,
    credentials: Option<(String, String)>,
    tls: bool,
    dir: TempDir,
}

impl DockerRegistry {
    /// Starts one and waits until it listens.
    pub fn start(options: Options<'_>) -> Self {
        Self::start_with(options, |_, _| ())
    }

    /// Starts one that deletes nothing.
    pub fn undeletable() -> Self {
        Self::start_with(Options::default(), |config, _| {
            config["storage"]["delete"]["enabled"] = json!(false);
        })
    }

    /// As [`Self::start`], with a configuration that is changed before it starts, and files in its folder.
    pub fn start_with(
        options: Options<'_>,
        change: impl FnOnce(&mut serde_json::Value, &Path),
    ) -> Self {
        let dir = super::temp_dir();
        let mut config = configure(dir.path(), options);
        change(&mut config, dir.path());
        let path = dir.path().join("config.yml");
        // YAML contains JSON.
        fs::write(&path, config.to_string()).expect("writing the registry's configuration");
        let args = ["serve".as_ref(), path.as_os_str()];
        let mut server = Server::start(&program("docker-registry"), args, &dir.path().join("log"));
        // It was given port 0, so it says itself which one it took: no race for a free port.
        let port = server.wait_for(|server| listening_port(&server.log()));
        let port = port.unwrap_or_else(|error| panic!("docker-registry {error}"));
        let credentials =
            options.htpasswd.map(|(user, password)| (user.to_owned(), password.to_owned()));
        Self { server, port, credentials, tls: options.tls, dir }
    }

    /// Starts one that lets everybody in, over http.
    pub fn plain() -> Self {
        Self::start(Options::default())
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `app:1` becomes `127.0.0.1:PORT/app:1`.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// The certificate of its authority, if it has TLS.
    pub fn ca(&self) -> Option<PathBuf> {
        self.tls.then(|| self.cert_dir().join("ca.crt"))
    }

    /// Starts one with TLS that only lets in who has a certificate of its authority.
    pub fn mutual() -> Self {
        let tls = Options { htpasswd: None, tls: true };
        Self::start_with(tls, |config, dir| {
            config["http"]["tls"]["clientcas"] = json!([dir.join("certs/ca.crt")]);
        })
    }

    /// A client's certificate of its authority, and the key. Needs TLS.
    pub fn client_certificate(&self) -> (PathBuf, PathBuf) {
        let secret = self.dir.path().join("secret");
        openssl(&secret, "client", &["-subj", "/CN=ann", "-CA", "ca.pem", "-CAkey", "ca.key"]);
        (secret.join("client.pem"), secret.join("client.key"))
    }

    /// A folder as skopeo's `--cert-dir` wants it.
    pub fn cert_dir(&self) -> PathBuf {
        self.dir.path().join("certs")
    }

    /// A folder for `DOCKER_CONFIG`, whose `config.json` has the registry's name and password.
    pub fn docker_config(&self) -> PathBuf {
        let dir = self.dir.path().join("docker");
        fs::create_dir_all(&dir).expect("creating a folder for docker's configuration");
        let mut config = json!({ "auths": {} });
        if let Some((user, password)) = &self.credentials {
            let auth = BASE64.encode(format!("{user}:{password}").as_bytes());
            config["auths"][self.host()] = json!({ "auth": auth });
        }
        fs::write(dir.join("config.json"), config.to_string())
            .expect("writing docker's configuration");
        dir
    }

    /// Its storage: `docker/registry/v2/{blobs,repositories}`.
    pub fn storage(&self) -> PathBuf {
        self.dir.path().join("storage")
    }

    /// What it has logged so far, each request among it.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// What it sent of blobs so far: of each answer to a GET, the blob's digest, the status and how many bytes.
    pub fn sent(&self) -> Vec<(String, u16, u64)> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| {
            let (_, request) = line.split_once("\"GET /v2/")?;
            let (target, rest) = request.split_once(" HTTP/1.1\" ")?;
            let (_, digest) = target.split_once("/blobs/")?;
            let mut numbers = rest.split(' ');
            let (status, bytes) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
            Some((digest.to_owned(), status, bytes))
        });
        lines.collect()
    }

    /// How many requests with this method it has answered so far.
    pub fn requests(&self, method: &str) -> usize {
        let quoted = format!("\"{method} /v2/");
        self.log().lines().filter(|line| line.contains(&quoted)).count()
    }
}

fn configure(dir: &Path, options: Options<'_>) -> serde_json::Value {
    let mut config = json!({
        "version": 0.1,
        "log": { "level": "info" },
        "storage": {
            "filesystem": { "rootdirectory": dir.join("storage") },
            "delete": { "enabled": true },
        },
        "http": { "addr": "127.0.0.1:0" },
    });
    if let Some((user, password)) = options.htpasswd {
        let line =
            Outcome::of(Command::new(program("htpasswd")).args(["-Bbn", user, password])).success();
        fs::write(dir.join("htpasswd"), &line.stdout).expect("writing htpasswd");
        config["auth"]["htpasswd"] =
            json!({ "realm": "closure2img-tests", "path": dir.join("htpasswd") });
    }
    if options.tls {
        let certs = make_certificates(dir);
        config["http"]["tls"] =
            json!({ "certificate": certs.join("leaf.pem"), "key": certs.join("leaf.key") });
    }
    config
}

/// An authority and a certificate of it for this machine; answers the folder with the latter.
fn make_certificates(dir: &Path) -> PathBuf {
    let secret = dir.join("secret");
    let public = dir.join("certs");
    for folder in [&secret, &public] {
        fs::create_dir(folder).expect("creating a folder for certificates");
    }
    // An own configuration: openssl's would make the leaf an authority as well, which rustls refuses in a server.
    let sections = "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=closure2img tests\n\
        [ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n\
        [leaf]\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n\
        subjectAltName=DNS:localhost,DNS:registry.test,IP:127.0.0.1\n\
        [client]\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n";
    fs::write(secret.join("openssl.cnf"), sections).expect("writing openssl's configuration");
    openssl(&secret, "ca", &[]);
    openssl(&secret, "leaf", &["-subj", "/CN=localhost", "-CA", "ca.pem", "-CAkey", "ca.key"]);
    fs::copy(secret.join("ca.pem"), public.join("ca.crt"))
        .expect("copying the authority's certificate");
    secret
}

/// Makes `WHAT.pem` and `WHAT.key` with the extensions of that name.
fn openssl(dir: &Path, what: &str, rest: &[&str]) {
    let mut openssl = Command::new(program("openssl"));
    openssl.current_dir(dir).args(["req", "-x509", "-config", "openssl.cnf", "-extensions", what]);
    openssl.args(["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "30"]);
    openssl.args(["-keyout", &format!("{what}.key"), "-out", &format!("{what}.pem")]).args(rest);
    Outcome::of(&mut openssl).success();
}

fn listening_port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("listening on 127.0.0.1:")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}
