//! One connection to the proxy: plain, or with TLS.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

/// What the first byte of a client that speaks TLS is.
const HANDSHAKE: u8 = 0x16;

/// A certificate for `localhost`, and what its holder does with it.
pub(crate) struct Certificate {
    config: Arc<ServerConfig>,
    pub(crate) pem: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        Self { config: Arc::new(config), pem: certified.cert.pem() }
    }
}

pub(crate) struct Line {
    tcp: TcpStream,
    tls: Option<RefCell<StreamOwned<ServerConnection, TcpStream>>>,
}

impl Line {
    /// Whether the client speaks TLS is seen from its first byte.
    pub(crate) fn new(tcp: TcpStream, certificate: Option<&Certificate>) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let mut first = [0];
        let tls = match certificate {
            Some(certificate) if tcp.peek(&mut first)? == 0 || first[0] == HANDSHAKE => {
                let config = Arc::clone(&certificate.config);
                let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                Some(RefCell::new(StreamOwned::new(connection, tcp.try_clone()?)))
            }
            _ => None,
        };
        Ok(Self { tcp, tls })
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Ends with RST once it is dropped.
    pub(crate) fn reset(&self) -> io::Result<()> {
        SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            let mut tls = tls.borrow_mut();
            tls.conn.send_close_notify();
            tls.flush()?;
        }
        self.tcp.shutdown(how)
    }

    /// Something that keeps it open.
    pub(crate) fn hold(&self) -> io::Result<TcpStream> {
        self.tcp.try_clone()
    }
}

impl Read for &Line {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.borrow_mut().read(bytes),
            None => (&self.tcp).read(bytes),
        }
    }
}

impl Write for &Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.borrow_mut().write(bytes),
            None => (&self.tcp).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.tls {
            Some(tls) => tls.borrow_mut().flush(),
            None => (&self.tcp).flush(),
        }
    }
}
