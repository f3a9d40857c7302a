//! A real registry that wants tokens of a server of their own, which do not live long.

mod support;

use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use registry::{
    Blob, Client, ClientOptions, Credential, Manifest, Memory, RegistryName, Secret, Silent,
};
use support::demo::{Demo, explained};
use support::outcome::Outcome;
use support::registry::{DockerRegistry, Options};
use support::token_server::{LEEWAY, TokenServer};

const USER: &str = "ann";
const PASSWORD: &str = "s3cr3t-p4ssw0rd";
const BASIC: &str = "YW5uOnMzY3IzdC1wNHNzdzByZA==";
/// Longer than any test.
const LONG: i64 = 3600;

fn guarded(tokens: &TokenServer) -> DockerRegistry {
    DockerRegistry::start_with(Options::default(), |config, dir| tokens.configure(config, dir))
}

/// Pushes with the password on standard input.
fn push(demo: &Demo, registry: &DockerRegistry, password: &str, more: &[&str]) -> Outcome {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(password.as_bytes()).expect("writing a file");
    std::io::Seek::rewind(&mut file).expect("rewinding a file");
    let mut oci = demo.ask("oci");
    oci.args(["--push", &registry.reference("app:1"), "--username", USER, "--password-stdin"]);
    Outcome::of(oci.args(more).stdin(Stdio::from(file)))
}

#[track_caller]
fn keeps_secrets(outcome: &Outcome, tokens: &TokenServer) {
    let said = format!("{}{}", outcome.errors(), String::from_utf8_lossy(&outcome.stdout));
    for secret in [PASSWORD, BASIC, "wr0ng"] {
        assert!(!said.contains(secret), "{said}");
    }
    for token in tokens.tokens() {
        // The middle part alone says who may do what.
        assert!(!token.split('.').any(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn a_push_makes_do_with_one_token() {
    peer!("docker-registry", "openssl");
    let tokens = TokenServer::start(USER, PASSWORD, |_| LONG);
    let (demo, registry) = (Demo::new(), guarded(&tokens));
    let outcome = push(&demo, &registry, PASSWORD, &["--no-previous"]).success();
    keeps_secrets(&outcome, &tokens);
    assert_eq!(tokens.tokens().len(), 1);
}

#[test]
fn tokens_that_have_expired_are_replaced() {
    peer!("docker-registry", "openssl");
    let tokens =
        TokenServer::start(USER, PASSWORD, |number| if number % 2 == 0 { -1 } else { LONG });
    let (demo, registry) = (Demo::new(), guarded(&tokens));
    keeps_secrets(&push(&demo, &registry, PASSWORD, &[]).success(), &tokens);
    assert!(tokens.tokens().len() >= 2);
}

#[test]
fn a_push_outlives_its_tokens() {
    peer!("docker-registry", "openssl");
    let tokens = TokenServer::start(USER, PASSWORD, |_| 2);
    let registry = guarded(&tokens);
    let password = Secret::new(PASSWORD);
    let given = Credential::Basic { username: USER.to_owned(), password };
    let name: RegistryName = registry.host().parse().expect("a name");
    let options = ClientOptions { credentials: [(name, given)].into(), ..ClientOptions::default() };
    let reference = registry.reference("app:1").parse().expect("a reference");
    let client = Client::new(reference, options).expect("a client");
    let (config, layer) = (Memory::new(*b"{}"), Memory::new(vec![7; 1 << 20]));
    client.ensure_blob(&config, &Silent).expect("a blob");
    // The registry alone knows that the token has ended, and says so in the middle of what follows.
    thread::sleep(Duration::from_secs(4));
    client.ensure_blob(&layer, &Silent).expect("a blob");
    thread::sleep(Duration::from_secs(4));
    let described = |blob: &Memory, kind: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{}","size":{}}}"#,
            blob.digest(),
            blob.size()
        )
    };
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{},"layers":[{}]}}"#,
        described(&config, "config.v1+json"),
        described(&layer, "layer.v1.tar")
    );
    let manifest = Manifest::new(kind, text);
    client.put_manifest("1", &manifest.media_type, &manifest.bytes).expect("a manifest");
    assert!(tokens.tokens().len() >= 3, "{}", tokens.tokens().len());
}

#[test]
fn what_is_refused_is_told_without_secrets() {
    peer!("docker-registry", "openssl");
    let demo = Demo::new();
    // Each token has ended before it comes.
    let tokens = TokenServer::start(USER, PASSWORD, |_| -LEEWAY);
    let registry = guarded(&tokens);
    for more in [&[][..], &["--json", "--tag", "x"]] {
        let outcome = push(&demo, &registry, PASSWORD, more);
        keeps_secrets(&outcome, &tokens);
        explained(outcome, 1, &["answered 401", &registry.host()]).prints("");
    }
    assert!(tokens.tokens().len() < 40, "{}", tokens.tokens().len());
    // A password is tried once, however many layers there are.
    let tokens = TokenServer::start(USER, PASSWORD, |_| LONG);
    let registry = guarded(&tokens);
    let outcome = push(&demo, &registry, "wr0ng", &[]);
    keeps_secrets(&outcome, &tokens);
    explained(outcome, 1, &["incorrect username or password", "were not accepted"]).prints("");
    assert!(tokens.tokens().is_empty());
}
