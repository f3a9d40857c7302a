//! Who gets credentials, when, and how often.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use registry::{Blob, Error, Memory, Placed, Silent, push};

use crate::server::{Answer, Guard, Server};
use crate::{Log, blob, client, client_with, manifest};

/// `user:pass`
const USER: &str = r#"{"auth": "dXNlcjpwYXNz"}"#;

#[test]
fn basic_credentials_are_sent_once_they_are_asked_for() {
    let server = Server::start(Guard::Basic("user:pass"));
    let (client, _home) = client_with(&server, USER);
    let blob = blob("layer");
    push(&client, &[&blob], &manifest(&[&blob]), &Silent).unwrap();
    let bare = server
        .state()
        .requests
        .iter()
        .filter(|request| request.header("authorization").is_none())
        .count();
    assert_eq!(bare, 2, "the probe for plain http, and the first request");
}

#[test]
fn wrong_and_missing_credentials_are_told_apart() {
    let server = Server::start(Guard::Basic("user:other"));
    let (wrong, _home) = client_with(&server, USER);
    let error = wrong.ensure_blob(&blob("x"), &Silent).unwrap_err();
    assert!(error.hint().unwrap().contains("were not accepted"), "{error}");
    let error = client(&server).ensure_blob(&blob("x"), &Silent).unwrap_err();
    assert!(error.hint().unwrap().contains("no credentials"), "{error}");

    let server = Server::start(Guard::Token(Some("user:other")));
    let (wrong, _home) = client_with(&server, USER);
    let blobs: Vec<Memory> = (0..20).map(|n| blob(&format!("layer {n}"))).collect();
    let refs: Vec<&dyn Blob> = blobs.iter().map(|blob| blob as &dyn Blob).collect();
    let error = push(&wrong, &refs, &manifest(&refs), &Silent).unwrap_err();
    assert_eq!(server.count("GET /token"), 1, "a wrong password is not tried again and again");
    assert!(error.to_string().contains("incorrect username or password"), "{error}");
    assert!(!format!("{error:?}").contains("dXNlcjpwYXNz"));
}

#[test]
fn one_token_serves_many_threads() {
    let server = Server::start(Guard::Token(Some("user:pass")));
    let (client, _home) = client_with(&server, USER);
    let blobs: Vec<Memory> = (0..20).map(|n| blob(&format!("layer {n}"))).collect();
    let refs: Vec<&dyn Blob> = blobs.iter().map(|blob| blob as &dyn Blob).collect();
    push(&client, &refs, &manifest(&refs), &Silent).unwrap();
    // A token that may push may pull.
    assert!(client.get_manifest("v1").unwrap().is_some());
    assert_eq!(server.count("GET /token"), 1);
    let state = server.state();
    let asked = state.requests.iter().find(|request| request.path == "/token").unwrap();
    assert_eq!(asked.query("service"), Some("test registry"));
    assert_eq!(asked.query["scope"], ["repository:team/app:pull,push"]);
}

#[test]
fn anonymous_tokens_need_no_credentials() {
    let server = Server::start(Guard::Token(None));
    let client = client(&server);
    assert_eq!(client.get_manifest("v1").unwrap(), None);
    client.ensure_blob(&blob("x"), &Silent).unwrap();
    let state = server.state();
    let asked: Vec<_> = state.requests.iter().filter(|request| request.path == "/token").collect();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].query("scope"), Some("repository:team/app:pull"));
    assert!(asked.iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn an_identity_token_is_traded_in() {
    let server = Server::start(Guard::Token(Some("user:pass")));
    let (client, _home) =
        client_with(&server, r#"{"auth": "MDAwOg==", "identitytoken": "identity"}"#);
    client.ensure_blob(&blob("x"), &Silent).unwrap();
    assert_eq!((server.count("POST /token"), server.count("GET /token")), (1, 0));
}

#[test]
fn a_token_that_expires_is_replaced_and_the_body_sent_again() {
    let server = Server::start(Guard::Token(None));
    let client = client(&server);
    client.ensure_blob(&blob("first"), &Silent).unwrap();
    server.revoke_tokens();
    client.ensure_blob(&blob("second"), &Silent).unwrap();
    assert_eq!(server.count("GET /token"), 2);
}

#[test]
fn a_401_in_the_middle_of_an_upload_rewinds_the_body() {
    let struck = AtomicBool::new(false);
    let challenge = r#"Bearer realm="http://SELF/token""#;
    for early in [false, true] {
        struck.store(false, Ordering::SeqCst);
        let once = AtomicBool::new(false);
        let server = Server::intercepting(Guard::Token(None), move |request| {
            let hit = request.is("PUT /v2/team/app/blobs") && !once.swap(true, Ordering::SeqCst);
            let realm = challenge.replace("SELF", request.header("host").unwrap());
            let answer = Answer::new(401).with("WWW-Authenticate", realm);
            hit.then(|| if early { answer.early() } else { answer })
        });
        let (client, log) = (client(&server), Log::default());
        // More than the connection holds, so that an early answer meets a body under way.
        let big = Memory::new(vec![1; 16 << 20]);
        assert_eq!(client.ensure_blob(&big, &log).unwrap(), Placed::Uploaded);
        assert_eq!(log.sum("sent") - log.sum("rewound"), big.size());
        assert_eq!(server.count("GET /token"), 2, "early: {early}");
    }
}

#[test]
fn many_threads_replace_a_token_once() {
    let server = Server::start(Guard::Token(None));
    let client = client(&server);
    client.ensure_blob(&blob("first"), &Silent).unwrap();
    server.revoke_tokens();
    thread::scope(|scope| {
        for n in 0..8 {
            let client = &client;
            scope.spawn(move || client.ensure_blob(&blob(&format!("blob {n}")), &Silent).unwrap());
        }
    });
    assert_eq!(server.count("GET /token"), 2);
}

#[test]
fn a_mount_asks_for_both_repositories() {
    let server = Server::start(Guard::Token(None));
    let there = blob("there");
    let digest = there.digest().to_string();
    server.state().elsewhere.entry("base".into()).or_default().insert(digest, b"there".to_vec());
    let client = client(&server);
    assert_eq!(client.ensure_blob_from(&there, Some("base"), &Silent).unwrap(), Placed::Mounted);
    let state = server.state();
    let asked = state.requests.iter().rfind(|request| request.path == "/token").unwrap();
    assert_eq!(asked.query["scope"], ["repository:team/app:pull,push", "repository:base:pull"]);
}

#[test]
fn other_hosts_get_no_credentials() {
    let storage = Server::intercepting(Guard::Open, |request| match request.method.as_str() {
        "PUT" => Some(Answer::new(201)),
        _ => Some(Answer::new(200).body("config")),
    });
    let address = storage.address().to_owned();
    let server = Server::intercepting(Guard::Basic("user:pass"), move |request| {
        let elsewhere = |status| {
            Some(Answer::new(status).with("Location", format!("http://{address}/x?sig=secret")))
        };
        match request.method.as_str() {
            "POST" if request.header("authorization").is_some() => elsewhere(202),
            "GET"
                if request.path.contains("/blobs/")
                    && request.header("authorization").is_some() =>
            {
                elsewhere(307)
            }
            _ => None,
        }
    });
    let (client, _home) = client_with(&server, USER);
    client.ensure_blob(&blob("layer"), &Silent).unwrap();
    assert_eq!(client.get_blob(&blob("config").digest(), 100).unwrap(), b"config");
    let error = client.get_blob(&blob("other").digest(), 100).unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }), "{error}");
    let state = storage.state();
    assert_eq!(state.requests.len(), 3);
    assert!(state.requests.iter().all(|request| request.header("authorization").is_none()));
    assert!(state.requests.iter().all(|request| request.query("sig") == Some("secret")));
}

#[test]
fn redirects_end() {
    let server = Server::intercepting(Guard::Open, |request| {
        request
            .path
            .contains("/blobs/")
            .then(|| Answer::new(302).with("Location", request.path.clone()))
    });
    let error = client(&server).get_blob(&blob("x").digest(), 100).unwrap_err();
    assert!(matches!(error, Error::Refused { status: 302, .. }), "{error}");
    assert_eq!(server.count("GET /v2/team"), 11);
}
