//! ferro-oci-server for one test: a registry with referrers and single-request uploads, and without ranges and mounts.

use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};

use tempfile::TempDir;

use super::peer::program;
use super::server::Server;

/// A running registry. Needs `peer!("ferro-oci-server")`.
pub struct Ferro {
    _server: Server,
    port: u16,
    _dir: TempDir,
}

/// How many ports are tried.
const PORTS: usize = 5;

impl Ferro {
    /// Starts one and waits until it listens.
    pub fn start() -> Self {
        let dir = super::temp_dir();
        for _ in 0..PORTS {
            // It does not tell which port it took, so it is given one that was free just now.
            let listener = TcpListener::bind("127.0.0.1:0").expect("finding a free port");
            let port = listener.local_addr().expect("a port").port();
            drop(listener);
            let mut storage = OsString::from("FERRO_OCI_STORAGE_DIR=");
            storage.push(dir.path().join("storage"));
            let listen = format!("FERRO_OCI_LISTEN=127.0.0.1:{port}").into();
            let args = [listen, storage, program("ferro-oci-server").into()];
            let mut server = Server::start(&program("env"), args, &dir.path().join("log"));
            let ready = server.wait_for(|server| {
                let says = server.log().contains("listening");
                says.then(|| TcpStream::connect(("127.0.0.1", port)).ok())?.map(drop)
            });
            match ready {
                Ok(()) => return Self { _server: server, port, _dir: dir },
                Err(log) if log.to_lowercase().contains("in use") => {}
                Err(error) => panic!("ferro-oci-server {error}"),
            }
        }
        panic!("{PORTS} ports were free and then were not");
    }

    /// `app:1` becomes `127.0.0.1:PORT/app:1`.
    pub fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }
}
