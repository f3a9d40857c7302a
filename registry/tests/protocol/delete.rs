//! Deleting: a tag goes alone, however the registry wants it, and never for nothing.

use registry::{Client, Error};

use crate::server::{Answer, Deletion, Guard, Request, Server};
use crate::{MANIFEST_TYPE, client};

fn tags(server: &Server) -> Vec<String> {
    let state = server.state();
    state.manifests.keys().filter(|key| !key.contains(':')).cloned().collect()
}

/// Two tags of one manifest, and one of another.
fn with_tags(server: &Server) -> Client {
    let client = client(server);
    for (tag, text) in [("a", &b"{}"[..]), ("b", b"{}"), ("c", b"{ }")] {
        client.put_manifest(tag, MANIFEST_TYPE, text).unwrap();
    }
    client
}

#[test]
fn a_tag_goes_alone() {
    for deletion in [Deletion::Digests, Deletion::Tags] {
        let server = Server::start(Guard::Open);
        server.state().deletion = deletion;
        let client = with_tags(&server);
        client.delete_tag("a").unwrap();
        assert_eq!(tags(&server), ["b", "c"]);
        assert_eq!(client.get_manifest("b").unwrap().unwrap().bytes, b"{}");
        assert!(matches!(client.delete_tag("a"), Err(Error::Missing { .. })));
    }
}

#[test]
fn an_image_goes_with_its_tags() {
    let server = Server::start(Guard::Open);
    let client = with_tags(&server);
    let digest = client.get_manifest("a").unwrap().unwrap().digest;
    client.delete_manifest(&digest).unwrap();
    assert_eq!(tags(&server), ["c"]);
    assert!(matches!(client.delete_manifest(&digest), Err(Error::Missing { .. })));
}

#[test]
fn where_nothing_is_deleted_no_tag_is_touched() {
    let server = Server::start(Guard::Open);
    server.state().deletion = Deletion::Nothing;
    let client = with_tags(&server);
    let digest = client.get_manifest("a").unwrap().unwrap().digest;
    for error in [client.delete_tag("a"), client.delete_manifest(&digest)].map(Result::unwrap_err) {
        assert!(matches!(error, Error::Undeletable { .. }), "{error}");
        assert!(error.to_string().contains("UNSUPPORTED"), "{error}");
        assert!(error.hint().unwrap().contains("storage.delete.enabled"));
    }
    assert_eq!(tags(&server), ["a", "b", "c"]);
    assert_eq!(client.get_manifest("a").unwrap().unwrap().bytes, b"{}");
}

#[test]
fn a_tag_that_cannot_go_in_the_end_is_as_it_was() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let count = AtomicUsize::new(0);
    // The tag itself, the rehearsal, and then it counts.
    let server = Server::intercepting(Guard::Open, move |request: &Request| {
        (request.method == "DELETE" && count.fetch_add(1, Ordering::SeqCst) == 2)
            .then(|| Answer::new(403))
    });
    let client = with_tags(&server);
    assert!(matches!(client.delete_tag("a"), Err(Error::Refused { status: 403, .. })));
    assert_eq!(client.get_manifest("a").unwrap().unwrap().bytes, b"{}");
}

#[test]
fn what_deletes_follows_no_redirect() {
    let server = Server::intercepting(Guard::Open, |request: &Request| {
        (request.method == "DELETE")
            .then(|| Answer::new(307).with("Location", "/v2/other/manifests/latest"))
    });
    let client = with_tags(&server);
    assert!(matches!(client.delete_tag("a"), Err(Error::Refused { status: 307, .. })));
    assert_eq!(server.count("DELETE"), 1);
}

#[test]
fn deleting_asks_for_that_right() {
    let server = Server::start(Guard::Token(None));
    server.state().deletion = Deletion::Tags;
    let client = with_tags(&server);
    client.delete_tag("a").unwrap();
    let state = server.state();
    let scopes = state.requests.iter().filter(|request| request.path == "/token");
    let scopes: Vec<_> = scopes.filter_map(|request| request.query("scope")).collect();
    assert!(scopes.contains(&"repository:team/app:pull,delete"), "{scopes:?}");
}
