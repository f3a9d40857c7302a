//! Certificates: the right authority is believed, any other is an error that says what to do; the right one is shown.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use registry::{
    Authority, CertificatePlaces, Client, ClientCertificate, ClientOptions, Digest, Error,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::options;
use crate::server::{Answer, Guard, Server};

/// An authority of our own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate of that authority and its key, both as PEM.
fn issue(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// A server for `localhost` that has nothing: its port, and its certificate in PEM form.
fn start() -> (u16, String) {
    let (port, pem, _) = start_for(None);
    (port, pem)
}

/// As [`start`]; wants to see a certificate of `clients`, and counts requests.
fn start_for(
    clients: Option<&CertifiedIssuer<'static, KeyPair>>,
) -> (u16, String, Arc<AtomicUsize>) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let config = builder.with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, stream));
            let seen = Arc::clone(&seen);
            thread::spawn(move || {
                loop {
                    let mut line = String::new();
                    // Whoever does not speak TLS, or does not believe the certificate, leaves here.
                    if stream.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    if line == "\r\n" {
                        seen.fetch_add(1, Ordering::SeqCst);
                        let answer = b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n";
                        if stream.get_mut().write_all(answer).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (port, certified.cert.pem(), requests)
}

fn exists(port: u16, options: ClientOptions) -> Result<bool, Error> {
    Client::new(format!("localhost:{port}/x").parse().unwrap(), options)?
        .exists(&Digest::of(b""), 0)
}

fn ask(port: u16, authorities: Vec<Authority>) -> Result<bool, Error> {
    exists(port, ClientOptions { authorities, ..options() })
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

#[test]
fn the_authorities_of_nix_replace_those_of_the_system() {
    let (port, pem) = start();
    let folder = tempfile::tempdir().unwrap();
    let with_roots = |name: &str| ClientOptions {
        certificates: CertificatePlaces {
            roots: Some(folder.path().join(name)),
            ..CertificatePlaces::default()
        },
        ..options()
    };
    // A bundle may well hold something that is no certificate of ours to judge.
    let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(folder.path().join("bundle.crt"), format!("# all\n{odd}{pem}")).unwrap();
    assert!(!exists(port, with_roots("bundle.crt")).unwrap());
    // What Nix names in a sandbox: no authority at all.
    let error = exists(port, with_roots("no-cert-file.crt")).unwrap_err();
    assert!(matches!(error, Error::Certificate { .. }), "{error}");
}

#[test]
fn a_client_certificate_is_shown_to_the_registry_that_asks() {
    let (ours, theirs) = (authority(), authority());
    let (port, pem, requests) = start_for(Some(&ours));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let trusting = |client_certificate| ClientOptions {
        authorities: vec![Authority::Pem(pem.clone().into_bytes())],
        client_certificate,
        ..options()
    };
    let (certificate, key) = issue(&ours, "me");
    let mine =
        ClientCertificate { certificate: file("me.cert", &certificate), key: file("me.key", &key) };
    assert!(!exists(port, trusting(Some(mine.clone()))).unwrap());

    let before = requests.load(Ordering::SeqCst);
    let (certificate, key) = issue(&theirs, "me");
    let foreign = ClientCertificate {
        certificate: file("foreign.cert", &certificate),
        key: file("foreign.key", &key),
    };
    for shown in [None, Some(foreign.clone())] {
        let error = exists(port, trusting(shown)).unwrap_err();
        assert!(matches!(error, Error::NotIdentified { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains("certs.d"));
    }
    assert_eq!(requests.load(Ordering::SeqCst), before);

    // Nor is it shown to another host that the registry leads to.
    let location = format!("https://localhost:{port}/x");
    let leading = Server::intercepting(Guard::Open, move |request| {
        let blob = request.path.contains("/blobs/");
        blob.then(|| Answer::new(307).with("Location", location.clone()))
    });
    let reference = format!("{}/x", leading.address()).parse().unwrap();
    let client = Client::new(reference, trusting(Some(mine.clone()))).unwrap();
    let error = client.get_blob(&Digest::of(b""), 1).unwrap_err();
    assert!(matches!(error, Error::NotIdentified { .. }), "{error}");

    // What cannot be used is named, before anything is sent.
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
    for (key, reason) in [
        (foreign.key, "not that of the certificate"),
        (file("encrypted.key", encrypted), "encrypted"),
        (file("empty.key", ""), "PEM"),
        (folder.path().join("absent.key"), "absent.key"),
    ] {
        let files = ClientCertificate { key, ..mine.clone() };
        let error = exists(port, trusting(Some(files))).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn folders_with_the_registrys_name_are_found() {
    let ours = authority();
    let (port, pem, _) = start_for(Some(&ours));
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join(format!("localhost:{port}"));
    fs::create_dir(&here).unwrap();
    let (certificate, key) = issue(&ours, "me");
    for (name, content) in [("ca.crt", &pem), ("me.cert", &certificate), ("me.key", &key)] {
        fs::write(here.join(name), content).unwrap();
    }
    let options = || ClientOptions {
        certificates: CertificatePlaces {
            folders: vec!["/nowhere".into(), folder.path().to_owned()],
            ..CertificatePlaces::default()
        },
        ..options()
    };
    assert!(!exists(port, options()).unwrap());
    fs::remove_file(here.join("me.key")).unwrap();
    let error = exists(port, options()).unwrap_err().to_string();
    assert!(error.contains("me.cert"), "{error}");
    fs::rename(&here, folder.path().join("localhost")).unwrap();
    assert!(matches!(exists(port, options()), Err(Error::Certificate { .. })));
}

#[test]
fn insecure_is_meant_for_the_host_that_is_named() {
    let (port, _) = start();
    let insecure =
        |name: &str| ClientOptions { insecure: vec![name.parse().unwrap()], ..options() };
    assert!(!exists(port, insecure(&format!("localhost:{port}"))).unwrap());
    for other in ["localhost", "localhost:1", "elsewhere.example"] {
        assert!(matches!(exists(port, insecure(other)), Err(Error::Certificate { .. })));
    }
    // Nor for another host that this one leads to.
    let location = format!("https://localhost:{port}/x");
    let leading = Server::intercepting(Guard::Open, move |request| {
        let blob = request.path.contains("/blobs/");
        blob.then(|| Answer::new(307).with("Location", location.clone()))
    });
    let name = leading.address();
    let client = Client::new(format!("{name}/x").parse().unwrap(), insecure(name)).unwrap();
    let error = client.get_blob(&Digest::of(b""), 1).unwrap_err();
    assert!(matches!(error, Error::Certificate { .. }), "{error}");

    // An address of this machine that nothing is known of by its name, and that has no TLS.
    let server = Server::start(Guard::Open);
    let name = server.address().replace("127.0.0.1", "0.0.0.0");
    let at = |options: ClientOptions| {
        let client = Client::new(format!("{name}/x").parse().unwrap(), options).unwrap();
        client.exists(&Digest::of(b""), 0)
    };
    assert!(matches!(at(options()), Err(Error::Connection { .. })));
    assert!(!at(insecure(&name)).unwrap());
}
