//! Registries that refuse, break or are none: the push fails with advice, no tag is moved, no file is
//! left, and no password is shown.

mod support;

use std::fs;
use std::net::TcpListener;

use support::demo::Demo;
use support::fake_http::{FakeHttp, Reply, Request};
use support::outcome::Outcome;

const PASSWORD: &str = "s3cr3t-p4ssw0rd";
/// `ann:` and the password, in base 64.
const BASIC: &str = "YW5uOnMzY3IzdC1wNHNzdzByZA==";

/// Stores a password for the host, where the tool looks for it.
fn log_in(demo: &Demo, host: &str) {
    fs::create_dir_all(demo.path("docker")).expect("creating a folder");
    let config = format!(r#"{{"auths":{{"{host}":{{"auth":"{BASIC}"}}}}}}"#);
    fs::write(demo.path("docker/config.json"), config).expect("writing credentials");
}

/// Asserts that pushing to the server fails as told, with credentials stored.
#[track_caller]
fn refused(demo: &Demo, server: &FakeHttp, named: &[&str]) {
    let host = server.host();
    log_in(demo, &host);
    let named: Vec<&str> = named.iter().copied().chain([host.as_str()]).collect();
    let mut oci = demo.ask("oci");
    oci.env("DOCKER_CONFIG", demo.path("docker")).args(["--push", &format!("{host}/team/app:1")]);
    keeps_secrets(&demo.refuses(&mut oci, 1, &named));
}

#[track_caller]
fn keeps_secrets(outcome: &Outcome) {
    for secret in [PASSWORD, BASIC, "s3ss1on"] {
        let said = format!("{}{}", outcome.errors(), String::from_utf8_lossy(&outcome.stdout));
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn refusals() {
    let challenge = || vec!["WWW-Authenticate: Basic realm=\"here\"".to_owned()];
    let words = r#"{"errors":[{"code":"DENIED","message":"not \u001b[31myours"}]}"#;
    let cases: [(u16, Vec<String>, &str, &[&str]); 6] = [
        (401, challenge(), "", &["answered 401", "were not accepted: `closure2img login"]),
        (401, Vec::new(), "", &["answered 401", "hint: "]),
        (403, Vec::new(), words, &["answered 403", "hint: "]),
        (404, Vec::new(), "", &["answered 404", "hint: some registries want a repository"]),
        (413, Vec::new(), "", &["answered 413", "limits the size"]),
        (501, Vec::new(), "", &["answered 501", "hint: this is the registry's fault"]),
    ];
    for (status, headers, body, named) in cases {
        let demo = Demo::new();
        let server = FakeHttp::start(move |_| Reply::Answer(status, headers.clone(), body));
        refused(&demo, &server, named);
        assert_eq!(server.count("PUT", ""), 0);
    }
}

#[test]
fn an_error_for_ever() {
    let demo = Demo::new();
    let server = FakeHttp::start(|_| Reply::status(500));
    refused(&demo, &server, &["answered 500", "hint: this is the registry's fault"]);
    assert_eq!(server.count("PUT", ""), 0);
}

#[test]
fn no_registry_at_all() {
    let html = "<!DOCTYPE html><title>Welcome</title>";
    let demo = Demo::new();
    let named = ["answered 200", "expected", "does not behave like an OCI registry"];
    refused(&demo, &FakeHttp::start(|_| Reply::status(200)), &named);
    refused(&demo, &FakeHttp::start(move |_| Reply::Answer(200, Vec::new(), html)), &named);
    // It does not know blobs, and agrees to all else.
    let agrees = |request: &Request| match request.method.as_str() {
        "HEAD" => Reply::status(404),
        _ => Reply::status(200),
    };
    refused(&demo, &FakeHttp::start(agrees), &["does not behave like an OCI registry"]);
    // A redirect to somewhere else must not get the password.
    let elsewhere = FakeHttp::start(|_| Reply::status(200));
    let location = format!("Location: http://{}/login", elsewhere.host());
    let redirect = FakeHttp::start(move |_| Reply::Answer(302, vec![location.clone()], ""));
    refused(&demo, &redirect, &["hint: "]);
}

#[test]
fn nobody_there() {
    let demo = Demo::new();
    let port =
        TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let host = format!("127.0.0.1:{port}");
    // One layer: each waits for its turn to try again.
    let mut oci = demo.ask("oci");
    oci.args(["--max-layers", "1", "--push", &format!("{host}/app:1")]);
    let hint = format!("hint: check that `{host}` is the right name and port");
    demo.refuses(&mut oci, 1, &[&host, "Connection refused", &hint]);
}

#[test]
fn no_such_host() {
    let demo = Demo::new();
    let mut oci = demo.ask("oci");
    oci.args(["--max-layers", "1", "--push", "nonexistent.invalid/app:1"]);
    let hint = "hint: check that `nonexistent.invalid` is the right name and port";
    demo.refuses(&mut oci, 1, &["`nonexistent.invalid`", hint]);
}

#[test]
fn a_connection_that_breaks() {
    let demo = Demo::new();
    let cut = |method: &'static str, part: &'static str| {
        FakeHttp::registry(move |request| {
            let here = request.method == method && request.path.contains(part);
            here.then_some(Reply::Cut)
        })
    };
    // In the middle of an upload, and when the manifest is sent.
    for (method, part) in [("PUT", "/uploads/"), ("PUT", "/manifests/")] {
        let server = cut(method, part);
        refused(&demo, &server, &["the connection to", "failed"]);
        let tags = server.count("PUT", "/manifests/");
        assert_eq!(tags > 0, part == "/manifests/", "a manifest before its blobs");
    }
}

#[test]
fn a_blob_or_manifest_is_refused() {
    for (part, status) in [("/uploads/", 400), ("/uploads/", 403), ("/manifests/", 400)] {
        let demo = Demo::new();
        let server = FakeHttp::registry(move |request| {
            let here = request.method == "PUT" && request.path.contains(part);
            here.then(|| Reply::status(status))
        });
        let (host, answered) = (server.host(), format!("answered {status}"));
        let mut oci = demo.ask("oci");
        oci.args(["--push", &format!("{host}/app:1")]);
        let outcome = demo.refuses(&mut oci, 1, &[&host, &answered]);
        keeps_secrets(&outcome);
        assert_eq!(server.count("PUT", "/manifests/") > 0, part == "/manifests/");
    }
}

#[test]
fn no_answer_within_the_time_given() {
    let demo = Demo::new();
    let server = FakeHttp::registry(|request| {
        (request.path.contains("/manifests/") && request.method == "PUT").then_some(Reply::Never)
    });
    let mut oci = demo.ask("oci");
    oci.args(["--push", &format!("{}/app:1", server.host()), "--deadline", "2s"]);
    demo.refuses(&mut oci, 1, &["gave up after 2 s, as asked", "hint: "]);
    // Registries that ask for more patience than there is are not waited for.
    let later = || vec!["Retry-After: 100".to_owned()];
    let server = FakeHttp::start(move |_| Reply::Answer(429, later(), ""));
    let mut oci = demo.ask("oci");
    oci.args(["--push", &format!("{}/app:1", server.host()), "--deadline", "1m"]);
    demo.refuses(&mut oci, 1, &["gave up after 60 s", "answered 429"]);
}

#[test]
fn an_authority_that_cannot_be_read() {
    let demo = Demo::new();
    fs::write(demo.path("ca.pem"), "not a certificate").expect("writing a file");
    let oci = |file: &str, named: &[&str]| {
        let mut oci = demo.ask("oci");
        oci.args(["--push", "localhost:1/app:1", "--ca", file]);
        demo.refuses(&mut oci, 1, named);
    };
    oci("nowhere.pem", &["`nowhere.pem`", "No such file"]);
    oci("store", &["`store`", "directory"]);
    oci("ca.pem", &["`ca.pem` holds no certificate"]);
}

#[test]
fn credentials_that_cannot_be_read() {
    let demo = Demo::new();
    let server = FakeHttp::registry(|_| {
        Some(Reply::Answer(401, vec!["WWW-Authenticate: Basic realm=\"here\"".into()], ""))
    });
    let host = server.host();
    let entry = |entry: &str| format!(r#"{{"auths":{{"{host}":{entry}}}}}"#);
    let cases = [
        ("{".to_owned(), "config.json`"),
        (r#"{"auths":3}"#.to_owned(), "config.json`"),
        (entry(&format!(r#"{{"auth":"{BASIC}!"}}"#)), "config.json`"),
        (entry(r#"{"auth":3}"#), "config.json`"),
        (r#"{"credsStore":"nowhere"}"#.to_owned(), "docker-credential-nowhere"),
    ];
    fs::create_dir(demo.path("docker")).expect("creating a folder");
    for (text, named) in cases {
        fs::write(demo.path("docker/config.json"), text).expect("writing credentials");
        let mut oci = demo.ask("oci");
        oci.env("DOCKER_CONFIG", demo.path("docker")).args(["--push", &format!("{host}/app:1")]);
        keeps_secrets(&demo.refuses(&mut oci, 1, &[named]));
    }
}
