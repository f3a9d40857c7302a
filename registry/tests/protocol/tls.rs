//! Certificates: the right authority is believed, any other is an error that says what to do.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use registry::{Authority, Client, ClientOptions, Digest, Error};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::options;

/// A server for `localhost` that has nothing: its port, and its certificate in PEM form.
fn start() -> (u16, String) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, stream));
            thread::spawn(move || {
                loop {
                    let mut line = String::new();
                    // Whoever does not speak TLS, or does not believe the certificate, leaves here.
                    if stream.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    if line == "\r\n"
                        && stream
                            .get_mut()
                            .write_all(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n")
                            .is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    (port, certified.cert.pem())
}

fn ask(port: u16, authorities: Vec<Authority>) -> Result<bool, Error> {
    let options = ClientOptions { authorities, ..options() };
    Client::new(format!("localhost:{port}/x").parse().unwrap(), options)?
        .exists(&Digest::of(b""), 0)
}

#[test]
fn only_the_right_authority_is_believed() {
    let (port, pem) = start();
    assert!(!ask(port, vec![Authority::Pem(pem.clone().into_bytes())]).unwrap());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &pem).unwrap();
    assert!(!ask(port, vec![Authority::File(file.path().to_owned())]).unwrap());

    let (_, other) = start();
    for authorities in [vec![], vec![Authority::Pem(other.into_bytes())]] {
        let error = ask(port, authorities).unwrap_err();
        assert!(
            matches!(&error, Error::Certificate { host, .. } if *host == format!("localhost:{port}")),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("SSL_CERT_FILE"));
    }
}

#[test]
fn what_is_no_certificate_is_named() {
    let error = ask(1, vec![Authority::Pem(b"no".to_vec())]).unwrap_err();
    assert!(matches!(error, Error::InvalidCertificate { .. }), "{error}");
    let error = ask(1, vec![Authority::File("/nowhere/ca.pem".into())]).unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}
