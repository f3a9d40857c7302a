//! Manifests and configs: bytes out, the same bytes in, and nothing that only looks like them.

use registry::{Blob, Digest, Error, Manifest, Silent};

use crate::server::{Answer, Guard, Server};
use crate::{MANIFEST_TYPE, blob, client};

#[test]
fn the_exact_bytes_go_and_come() {
    let server = Server::start(Guard::Open);
    let client = client(&server);
    let text = b"{ \"b\": 1,\n\t\"a\": 2 }";
    let manifest = Manifest::new(MANIFEST_TYPE, *text);
    assert_eq!(client.put_manifest("v1", MANIFEST_TYPE, text).unwrap(), manifest.digest);
    assert_eq!(client.get_manifest("v1").unwrap(), Some(manifest.clone()));
    assert_eq!(client.get_manifest(&manifest.digest.to_string()).unwrap(), Some(manifest));
    assert_eq!(client.get_manifest("absent").unwrap(), None);
}

#[test]
fn names_are_checked_before_anything_is_sent() {
    let server = Server::start(Guard::Open);
    let client = client(&server);
    assert!(matches!(client.get_manifest("../../x"), Err(Error::Reference(_))));
    let other = Digest::of(b"other").to_string();
    assert!(matches!(
        client.put_manifest(&other, MANIFEST_TYPE, b"{}"),
        Err(Error::WrongDigest { .. })
    ));
    assert_eq!(server.state().requests.len(), 0);
}

#[test]
fn what_the_registry_claims_is_checked() {
    let lie = |request: &crate::server::Request| {
        let status = if request.method == "PUT" { 201 } else { 200 };
        let answer =
            Answer::new(status).with("Docker-Content-Digest", Digest::of(b"other").to_string());
        request
            .path
            .contains("/manifests/")
            .then(|| answer.with("Content-Type", MANIFEST_TYPE).body("{}"))
    };
    let server = Server::intercepting(Guard::Open, lie);
    let client = client(&server);
    assert!(matches!(
        client.put_manifest("v1", MANIFEST_TYPE, b"{}"),
        Err(Error::WrongDigest { .. })
    ));
    assert!(matches!(client.get_manifest("v1"), Err(Error::WrongDigest { .. })));
    let by_digest = client.get_manifest(&Digest::of(b"wanted").to_string());
    assert!(matches!(by_digest, Err(Error::WrongDigest { .. })));
}

#[test]
fn a_page_for_browsers_is_no_manifest() {
    let server = Server::intercepting(Guard::Open, |request| {
        let page = Answer::new(200).with("Content-Type", "text/html").body("<html>");
        request.path.contains("/manifests/").then_some(page)
    });
    let error = client(&server).get_manifest("v1").unwrap_err();
    assert!(matches!(error, Error::NotARegistry { .. }), "{error}");
}

#[test]
fn sizes_are_bounded() {
    let server = Server::intercepting(Guard::Open, |request| {
        let huge =
            Answer::new(200).with("Content-Type", MANIFEST_TYPE).body(vec![b' '; (4 << 20) + 1]);
        request.path.contains("/manifests/").then_some(huge)
    });
    let client = client(&server);
    assert!(matches!(client.get_manifest("v1"), Err(Error::TooLarge { .. })));
    client.ensure_blob(&blob("config"), &Silent).unwrap();
    let digest = blob("config").digest();
    assert_eq!(client.get_blob(&digest, 6).unwrap(), b"config");
    assert!(matches!(client.get_blob(&digest, 5), Err(Error::TooLarge { limit: 5, .. })));
    assert!(matches!(client.get_blob(&blob("absent").digest(), 5), Err(Error::Missing { .. })));
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let once = AtomicBool::new(false);
    let server = Server::intercepting(Guard::Open, move |request| {
        let hit = request.is("GET /v2/team/app/blobs") && !once.swap(true, Ordering::SeqCst);
        hit.then(|| Answer::new(200).with("Content-Length", "6").body("con").early())
    });
    let client = client(&server);
    client.ensure_blob(&blob("config"), &Silent).unwrap();
    assert_eq!(client.get_blob(&blob("config").digest(), 100).unwrap(), b"config");
}
