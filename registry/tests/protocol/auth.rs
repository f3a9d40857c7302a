//! Who gets credentials, when, and how often.

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use registry::{Blob, Client, Credential, Error, Memory, Placed, Secret, Silent, push};

use crate::server::{Answer, Guard, Server};
use crate::{Log, blob, client, client_with, manifest, options};

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
fn sixteen_threads_ask_for_one_token() {
    let server = Server::start(Guard::Token(Some("user:pass")));
    let (client, _home) = client_with(&server, USER);
    let gate = Barrier::new(16);
    thread::scope(|scope| {
        for n in 0..16 {
            let (client, gate) = (&client, &gate);
            scope.spawn(move || {
                gate.wait();
                client.ensure_blob(&blob(&format!("blob {n}")), &Silent).unwrap();
            });
        }
    });
    assert_eq!(server.count("GET /token"), 1);
}

#[test]
fn sixteen_threads_try_a_wrong_password_once() {
    let server = Server::start(Guard::Token(Some("user:other")));
    let (client, _home) = client_with(&server, USER);
    thread::scope(|scope| {
        for n in 0..16 {
            let client = &client;
            scope.spawn(move || {
                let error = client.ensure_blob(&blob(&format!("blob {n}")), &Silent).unwrap_err();
                assert!(error.to_string().contains("incorrect username or password"), "{error}");
            });
        }
    });
    assert_eq!((server.count("GET /token"), server.count("POST /token")), (1, 0));
}

/// A token server that refuses `method` with `status`, and answers the other with a token.
fn of_one_way(method: &'static str, status: u16) -> Server {
    Server::intercepting(Guard::Token(Some("user:pass")), move |request| {
        (request.path == "/token" && request.method == method).then(|| Answer::new(status))
    })
}

#[test]
fn a_token_server_with_another_way_is_asked_that_way() {
    for status in [400, 404, 405] {
        let server = of_one_way("GET", status);
        let (client, _home) = client_with(&server, USER);
        client.ensure_blob(&blob("x"), &Silent).unwrap();
        server.revoke_tokens();
        client.ensure_blob(&blob("y"), &Silent).unwrap();
        assert_eq!((server.count("GET /token"), server.count("POST /token")), (1, 2), "{status}");
    }
    for status in [404, 405] {
        let server = of_one_way("POST", status);
        let (client, _home) = client_with(&server, r#"{"identitytoken": "identity"}"#);
        client.ensure_blob(&blob("x"), &Silent).unwrap();
        assert_eq!((server.count("GET /token"), server.count("POST /token")), (1, 1), "{status}");
    }
    // A server that has understood a password is not asked again.
    for status in [401, 403] {
        let server = of_one_way("GET", status);
        let (client, _home) = client_with(&server, USER);
        let error = client.ensure_blob(&blob("x"), &Silent).unwrap_err();
        assert_eq!(error.status(), Some(status));
        assert_eq!((server.count("GET /token"), server.count("POST /token")), (1, 0), "{status}");
    }
}

#[test]
fn credentials_that_the_caller_gives_win_for_their_registry_alone() {
    let server = Server::start(Guard::Basic("ann:given"));
    let (_, home) = client_with(&server, USER);
    let given = |registry: &str| {
        let mut options = options();
        options.environment.auth_file = Some(home.path().join("auth.json"));
        let password = Secret::new("given");
        options.credentials = [(
            registry.parse().unwrap(),
            Credential::Basic { username: "ann".to_owned(), password },
        )]
        .into();
        let reference = format!("{}/team/app:v1", server.address()).parse().unwrap();
        Client::new(reference, options).unwrap()
    };
    given(server.address()).ensure_blob(&blob("x"), &Silent).unwrap();
    let error = given("127.0.0.1").ensure_blob(&blob("y"), &Silent).unwrap_err();
    assert_eq!(error.status(), Some(401));
}

#[test]
fn a_registry_may_want_another_scope() {
    let server = Server::intercepting(Guard::Token(None), |request| {
        let bearer = request.header("authorization").is_some();
        let realm = format!("http://{}/token", request.header("host").unwrap());
        let challenge = format!(
            r#"Bearer realm="{realm}",scope="repository:project/app:pull registry:catalog:*",error="insufficient_scope""#
        );
        (request.path.starts_with("/v2/team") && !bearer)
            .then(|| Answer::new(401).with("WWW-Authenticate", challenge))
    });
    client(&server).ensure_blob(&blob("x"), &Silent).unwrap();
    let state = server.state();
    let asked = state.requests.iter().find(|request| request.path == "/token").unwrap();
    assert_eq!(
        asked.query["scope"],
        ["repository:team/app:pull,push", "repository:project/app:pull"]
    );
}

#[test]
fn a_missing_helper_does_not_keep_from_reading_what_everybody_may() {
    let server = Server::start(Guard::Token(None));
    let (client, home) = client_with(&server, "{}");
    fs::write(home.path().join("auth.json"), r#"{"credsStore": "absent-from-here"}"#).unwrap();
    assert_eq!(client.get_manifest("v1").unwrap(), None);
    server.revoke_tokens();
    assert_eq!(client.get_manifest("v1").unwrap(), None);
    let error = client.ensure_blob(&blob("x"), &Silent).unwrap_err();
    assert!(error.to_string().contains("absent-from-here"), "{error}");
    // Nor does it hide behind a refusal.
    let server = Server::start(Guard::Token(Some("user:pass")));
    let (client, home) = client_with(&server, "{}");
    fs::write(home.path().join("auth.json"), r#"{"credsStore": "absent-from-here"}"#).unwrap();
    let error = client.get_manifest("v1").unwrap_err();
    assert!(error.to_string().contains("absent-from-here"), "{error}");
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
