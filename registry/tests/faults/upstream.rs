//! The registry behind the proxy: Debian's docker-registry, with its data in memory, or the one of the protocol tests
//! where that is not installed. What the tests check there they ask it around the proxy.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use registry::{Blob, Manifest, Memory};

use crate::server::{Guard, Server};
use crate::wire::{Head, Reply, ask};

/// A registry with a repository that nobody else uses.
pub(crate) struct Upstream {
    pub(crate) address: String,
    pub(crate) repository: String,
}

static REPOSITORIES: AtomicU32 = AtomicU32::new(0);

impl Upstream {
    pub(crate) fn new() -> Self {
        let number = REPOSITORIES.fetch_add(1, Ordering::Relaxed);
        let address = match docker_registry() {
            Some(address) => address.clone(),
            // It complains when it goes about repeated uploads, which are what is wanted here.
            None => Box::leak(Box::new(Server::start(Guard::Open))).address().to_owned(),
        };
        Self { address, repository: format!("cell/{number}") }
    }

    pub(crate) fn ask(&self, method: &str, tail: &str, media_type: &str, body: &[u8]) -> Reply {
        let path = if tail.starts_with('/') {
            tail.to_owned()
        } else {
            format!("/v2/{}/{tail}", self.repository)
        };
        let mut head = Head { line: format!("{method} {path} HTTP/1.1"), headers: Vec::new() };
        head.set("Host", &self.address);
        head.set("Accept", media_type);
        head.set("Content-Type", media_type);
        head.set("Content-Length", body.len().to_string());
        ask(&self.address, &head, body).unwrap()
    }

    /// Puts an image there, as if it had always been there.
    pub(crate) fn put(&self, tag: &str, blobs: &[Memory], manifest: &Manifest) {
        for blob in blobs {
            let opened = self.ask("POST", "blobs/uploads/", "text/plain", b"");
            let location = opened.head.get("location").unwrap();
            let path = location.find("/v2/").map(|start| &location[start..]).unwrap();
            let sign = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{sign}digest={}", blob.digest());
            let put = self.ask("PUT", &path, "application/octet-stream", blob.bytes());
            assert_eq!(put.status(), 201, "{put:?}");
        }
        let tail = format!("manifests/{tag}");
        let put = self.ask("PUT", &tail, &manifest.media_type, &manifest.bytes);
        assert_eq!(put.status(), 201, "{put:?}");
    }

    /// The bytes of the manifest at a tag.
    pub(crate) fn manifest(&self, tag: &str, media_type: &str) -> Option<Vec<u8>> {
        let reply = self.ask("GET", &format!("manifests/{tag}"), media_type, b"");
        (reply.status() == 200).then_some(reply.body)
    }

    /// The bytes of a blob.
    pub(crate) fn blob(&self, digest: &str) -> Option<Vec<u8>> {
        let reply = self.ask("GET", &format!("blobs/{digest}"), "*/*", b"");
        (reply.status() == 200).then_some(reply.body)
    }
}

/// Where the process's own docker-registry listens, if the program is installed. It ends with the test process.
fn docker_registry() -> Option<&'static String> {
    static ADDRESS: OnceLock<Option<String>> = OnceLock::new();
    ADDRESS.get_or_init(start).as_ref()
}

fn start() -> Option<String> {
    // Its own storage in memory copies a blob anew for each piece of it.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { env::temp_dir() };
    let folder = tempfile::tempdir_in(place).unwrap().keep();
    // The port is free now; nobody but the kernel hands it out again so soon.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let config = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: \"{root}/data\"}}}}\nhttp: {{addr: \"{address}\"}}\n",
        root = folder.display()
    );
    let file = folder.join("config.yml");
    fs::write(&file, config).unwrap();
    // A static is never dropped, so the shell waits for the end of this process: its standard input then closes.
    let started = Command::new("/bin/sh")
        .args([
            "-c",
            r#"command -v docker-registry || exit 1
            docker-registry serve "$0/config.yml" 2>/dev/null </dev/null & server=$!
            cat; kill $server; rm -r "$0""#,
        ])
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut process = started.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(&address).is_err() {
        if process.try_wait().unwrap().is_some() {
            assert!(env::var_os("CI").is_none(), "docker-registry is not installed");
            eprintln!(
                "docker-registry is not installed: the protocol tests' registry takes its place"
            );
            return None;
        }
        assert!(Instant::now() < deadline, "docker-registry does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    // The leash: held for as long as this process lives.
    std::mem::forget(process);
    Some(address)
}
