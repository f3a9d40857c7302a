//! Against the registry that everybody runs: `docker-registry`, as Debian packages it.
//!
//! Without the program the tests are skipped with a word on standard error, except in CI, where they fail.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use registry::{
    Blob, Client, ClientOptions, Environment, Error, Manifest, Memory, Placed, Silent, push,
};

/// `user:pass`, as `htpasswd -Bbn user pass` prints it.
const HTPASSWD: &str = "user:$2y$05$a8JM8ryLLcaXmnQA8RF9aezj/kxaiBse6kD3BbM/GTbpot8c6afvm";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A registry of its own for each test.
struct Registry {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Registry {
    /// `None` if the program is not installed.
    fn start(auth: bool) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        // The port is free now; nobody but the kernel hands it out again so soon.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let root = folder.path().display();
        let mut config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: \"{root}/data\"}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n"
        );
        if auth {
            fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
            config.extend([
                "auth: {htpasswd: {realm: test, path: \"",
                &root.to_string(),
                "/htpasswd\"}}\n",
            ]);
        }
        let file = folder.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            assert!(env::var_os("CI").is_none(), "docker-registry is not installed");
            eprintln!("SKIPPED: docker-registry is not installed");
            return None;
        };
        let registry = Self { process, port, folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "docker-registry does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    fn client(&self, repository: &str) -> Client {
        let environment = Environment {
            auth_file: Some(self.folder.path().join("auth.json")),
            ..Environment::default()
        };
        let reference = format!("127.0.0.1:{}/{repository}:v1", self.port).parse().unwrap();
        Client::new(reference, ClientOptions { environment, ..ClientOptions::default() }).unwrap()
    }

    fn log_in(&self) {
        let mut file = fs::File::create(self.folder.path().join("auth.json")).unwrap();
        write!(file, r#"{{"auths": {{"127.0.0.1:{}": {{"auth": "dXNlcjpwYXNz"}}}}}}"#, self.port)
            .unwrap();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It has nothing that must survive.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn image() -> (Vec<Memory>, Manifest) {
    let config = Memory::new(
        *br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#,
    );
    let mut blobs: Vec<Memory> = (0..10_u8).map(|n| Memory::new(vec![n; 100_000])).collect();
    blobs.push(Memory::new(vec![1; 5 << 20]));
    let describe = |kind: &str, blob: &Memory| {
        format!(r#"{{"mediaType":"{kind}","digest":"{}","size":{}}}"#, blob.digest(), blob.size())
    };
    let layers: Vec<_> = blobs.iter().map(|blob| describe(LAYER_TYPE, blob)).collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST_TYPE}","config":{},"layers":[{}]}}"#,
        describe(CONFIG_TYPE, &config),
        layers.join(",")
    );
    blobs.push(config);
    (blobs, Manifest::new(MANIFEST_TYPE, manifest))
}

fn push_and_pull(client: &Client) {
    let (blobs, manifest) = image();
    let refs: Vec<&dyn Blob> = blobs.iter().map(|blob| blob as &dyn Blob).collect();
    assert_eq!(push(client, &refs, &manifest, &Silent).unwrap(), manifest.digest);
    assert_eq!(client.get_manifest("v1").unwrap(), Some(manifest));
    let config = blobs.last().unwrap().digest();
    assert!(client.get_blob(&config, 1000).unwrap().starts_with(b"{\"architecture\""));
}

#[test]
fn an_open_registry() {
    let Some(registry) = Registry::start(false) else { return };
    push_and_pull(&registry.client("team/app"));
    // From a client that has placed nothing yet, into another repository.
    let other = registry.client("other");
    let (blobs, _) = image();
    assert_eq!(
        other.ensure_blob_from(&blobs[0], Some("team/app"), &Silent).unwrap(),
        Placed::Mounted
    );
    assert_eq!(registry.client("other").ensure_blob(&blobs[0], &Silent).unwrap(), Placed::Present);
    assert_eq!(other.get_manifest("v1").unwrap(), None);
}

#[test]
fn a_registry_with_passwords() {
    let Some(registry) = Registry::start(true) else { return };
    let error = registry.client("app").ensure_blob(&image().0[0], &Silent).unwrap_err();
    assert!(matches!(error, Error::Refused { status: 401, .. }), "{error}");
    registry.log_in();
    push_and_pull(&registry.client("app"));
}
