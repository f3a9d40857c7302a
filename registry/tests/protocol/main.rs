//! What a registry sees of the client, and what a user sees of a registry's faults.

#![allow(clippy::unwrap_used, missing_docs)]

mod auth;
mod delete;
mod manifest;
mod mirrors;
mod pull;
mod push;
mod referrers;
mod server;
mod tags;
mod tls;
mod upload;

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use registry::{
    Blob, CertificatePlaces, Client, ClientOptions, Digest, Environment, Event, Manifest, Memory,
    MirrorPlaces, Progress,
};
use server::Server;

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// An environment in which nobody has logged in or keeps certificates, and retries come at once.
fn options() -> ClientOptions {
    ClientOptions {
        authorities: Vec::new(),
        environment: Environment::default(),
        certificates: CertificatePlaces::default(),
        mirrors: MirrorPlaces::default(),
        first_wait: Duration::ZERO,
        ..ClientOptions::default()
    }
}

fn client(server: &Server) -> Client {
    Client::new(format!("{}/team/app:v1", server.address()).parse().unwrap(), options()).unwrap()
}

/// A client for a user whose `auth.json` has this entry for the server; the file lives as long as the second value.
fn client_with(server: &Server, entry: &str) -> (Client, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.json");
    fs::write(&file, format!(r#"{{"auths": {{"{}": {entry}}}}}"#, server.address())).unwrap();
    let environment = Environment { auth_file: Some(file), ..Environment::default() };
    let options = ClientOptions { environment, ..options() };
    (
        Client::new(format!("{}/team/app:v1", server.address()).parse().unwrap(), options).unwrap(),
        folder,
    )
}

fn blob(content: &str) -> Memory {
    Memory::new(content.as_bytes())
}

fn manifest(blobs: &[&dyn Blob]) -> Manifest {
    let digests: Vec<_> =
        blobs.iter().map(|blob| format!("{:?}", blob.digest().to_string())).collect();
    Manifest::new(MANIFEST_TYPE, format!(r#"{{"layers": [{}]}}"#, digests.join(", ")))
}

/// Writes down what is reported.
#[derive(Default)]
struct Log(Mutex<Vec<(Digest, &'static str, u64)>>);

impl Progress for Log {
    fn report(&self, event: Event<'_>) {
        let (digest, what, bytes) = match event {
            Event::Started { digest, size } => (digest, "started", size),
            Event::Sent { digest, bytes } => (digest, "sent", bytes),
            Event::Rewound { digest, bytes } => (digest, "rewound", bytes),
            Event::Present { digest } => (digest, "present", 0),
            Event::Mounted { digest } => (digest, "mounted", 0),
            Event::Done { digest } => (digest, "done", 0),
            Event::Resumed { digest, bytes } => (digest, "resumed", bytes),
            _ => return,
        };
        self.0.lock().unwrap().push((*digest, what, bytes));
    }
}

impl Log {
    fn sum(&self, wanted: &str) -> u64 {
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, what, _)| *what == wanted)
            .map(|(_, _, bytes)| bytes)
            .sum()
    }

    fn count(&self, wanted: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, what, _)| *what == wanted).count()
    }
}
