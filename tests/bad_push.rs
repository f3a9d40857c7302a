//! Pushes that a real registry refuses: what the tag said before, it says after.

mod support;

use std::fs;
use std::path::PathBuf;

use support::demo::{Demo, HELLO};
use support::outcome::Outcome;
use support::registry::{DockerRegistry, Options};

const PASSWORD: &str = "s3cr3t-p4ssw0rd";

/// The digest that the tag has in the registry's storage.
fn tag(registry: &DockerRegistry) -> String {
    let link = "docker/registry/v2/repositories/app/_manifests/tags/1/current/link";
    fs::read_to_string(registry.storage().join(link)).expect("a tag")
}

/// Pushes with these credentials and flags.
fn push(demo: &Demo, registry: &DockerRegistry, config: PathBuf, flags: &[&str]) -> Outcome {
    let mut oci = demo.ask("oci");
    oci.env("DOCKER_CONFIG", config).args(["--push", &registry.reference("app:1")]).args(flags);
    Outcome::of(&mut oci)
}

#[test]
fn a_tag_stays_when_the_push_is_refused() {
    peer!("docker-registry", "htpasswd");
    let demo = Demo::new();
    let registry = DockerRegistry::start(Options { htpasswd: Some(("ann", PASSWORD)), tls: false });
    push(&demo, &registry, registry.docker_config(), &[]).success();
    let before = tag(&registry);

    // Another image, by somebody whom the registry does not know.
    let other = ["--env", "A=1"];
    let host = registry.host();
    let login = format!("`closure2img login {host}`");
    let empty = demo.path("empty");
    fs::create_dir(&empty).expect("creating a folder");
    let wrong = demo.path("wrong");
    fs::create_dir(&wrong).expect("creating a folder");
    // `ann:wr0ng-p4ss`
    let config = format!(r#"{{"auths":{{"{host}":{{"auth":"YW5uOndyMG5nLXA0c3M="}}}}}}"#);
    fs::write(wrong.join("config.json"), config).expect("writing credentials");
    for (config, hint) in [(empty, "no credentials for"), (wrong, "were not accepted")] {
        let outcome = push(&demo, &registry, config, &other);
        let outcome = support::demo::explained(outcome, 1, &["answered 401", hint, &login]);
        for secret in [PASSWORD, "wr0ng-p4ss", "YW5uOndyMG5nLXA0c3M="] {
            assert!(!outcome.errors().contains(secret), "{}", outcome.errors());
        }
        outcome.prints("");
        assert_eq!(tag(&registry), before);
    }

    // By somebody who may, of a store path that is not what it was.
    let anew = ["--env", "A=1", "--no-cache"];
    fs::write(demo.real(HELLO).join("extra"), "").expect("writing a file");
    let outcome = push(&demo, &registry, registry.docker_config(), &anew);
    support::demo::explained(outcome, 1, &[HELLO, "changed"]).prints("");
    assert_eq!(tag(&registry), before);
    // What the registry has of it is whole, and is taken unless all is to be made anew.
    let known = push(&demo, &registry, registry.docker_config(), &other).success();
    fs::remove_file(demo.real(HELLO).join("extra")).expect("removing a file");
    let outcome = push(&demo, &registry, registry.docker_config(), &anew).success();
    assert!(outcome.text().contains("@sha256:"), "{}", outcome.text());
    assert_eq!(outcome.text(), known.text());
    assert_ne!(tag(&registry), before);
    assert!(!outcome.errors().contains(PASSWORD));
}

#[test]
fn a_certificate_of_somebody_else_is_not_trusted() {
    peer!("docker-registry", "openssl");
    let demo = Demo::new();
    let registry = DockerRegistry::start(Options { htpasswd: None, tls: true });
    let other = DockerRegistry::start(Options { htpasswd: None, tls: true });
    let of = |registry: &DockerRegistry| {
        registry.ca().expect("an authority").to_str().expect("UTF-8").to_owned()
    };
    let empty = demo.path("empty");
    fs::create_dir(&empty).expect("creating a folder");
    let push = |flags: &[&str]| push(&demo, &registry, empty.clone(), flags);
    push(&["--ca", &of(&registry)]).success();
    let before = tag(&registry);
    let host = format!("`{}`", registry.host());
    for flags in [&["--env", "A=1"][..], &["--env", "A=1", "--ca", &of(&other)]] {
        let named = ["certificate", "not trusted", &host, "`--ca FILE`"];
        support::demo::explained(push(flags), 1, &named).prints("");
        assert_eq!(tag(&registry), before);
    }
}

#[test]
fn one_of_two_registries_fails() {
    peer!("docker-registry");
    let demo = Demo::new();
    let registry = DockerRegistry::plain();
    let mut oci = demo.ask("oci");
    oci.args(["--max-layers", "1", "--no-previous", "--push", &registry.reference("app:1")]);
    oci.args(["--push", "127.0.0.1:1/app:1"]);
    demo.refuses(&mut oci, 1, &["`127.0.0.1:1`", "hint: check that"]);
    assert_eq!(registry.requests("PUT /v2/app/manifests"), 0);
}
