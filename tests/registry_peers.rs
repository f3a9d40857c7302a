//! Registries that are made otherwise than Docker's: what is pushed to them comes back byte for byte.

mod support;

use std::fs;
use std::path::Path;

use registry::{Client, ClientOptions, Descriptor, Environment, Manifest, Memory, Silent};
use serde_json::json;
use support::container_registry::ContainerRegistry;
use support::ferro::Ferro;
use support::image::Layout;
use support::nix;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::binary;
use support::tree::assert_same_tree;

/// Pushes an image and writes it to a file at once, gets it back, and compares the two.
#[track_caller]
fn comes_back(reference: &str, docker_config: Option<&Path>) {
    let dir = temp_dir();
    let [archive, back] = ["app.tar", "back"].map(|name| dir.path().join(name));
    let tool = |subcommand: &str| {
        let mut tool = binary();
        tool.arg(subcommand);
        docker_config.map(|config| tool.env("DOCKER_CONFIG", config));
        tool
    };
    let mut push = tool("oci");
    push.arg(&nix::store().app).args(["--push", reference, "-o"]).arg(&archive);
    let pushed = Outcome::of(&mut push).success();
    Outcome::of(tool("copy").arg(reference).arg(&back)).success().prints("");
    let made = Layout::unpacked(&archive, &dir.path().join("made"));
    let digest = made.descriptor()["digest"].as_str().expect("a digest").to_owned();
    assert!(pushed.text().ends_with(&format!("@{digest}")), "{}", pushed.text());
    assert_eq!(Layout::at(&back).descriptor()["digest"], digest);
    assert_same_tree(&dir.path().join("made/blobs"), &back.join("blobs"));
    // Again, which finds everything in place, and by digest.
    let again = Outcome::of(tool("copy").arg(&back).arg(reference)).success();
    assert_eq!(again.text(), pushed.text());
    let file = dir.path().join("again.tar");
    Outcome::of(tool("copy").arg(again.text()).arg(&file)).success();
    assert!(fs::metadata(file).expect("a file").len() > 0);
}

#[test]
fn an_image_comes_back_from_ferro() {
    peer!("ferro-oci-server", "nix-build", "tar");
    let registry = Ferro::start();
    comes_back(&registry.reference("deep/er/app:1"), None);
}

#[test]
fn an_image_comes_back_from_container_registry() {
    peer!("container-registry", "nix-build", "tar");
    let registry = ContainerRegistry::start();
    comes_back(&registry.reference("team/app:1"), Some(&registry.docker_config()));
}

#[test]
fn a_registry_with_the_referrers_api_lists_them_itself() {
    peer!("ferro-oci-server");
    let registry = Ferro::start();
    let reference = registry.reference("team/app:1").parse().expect("a reference");
    let options = ClientOptions { environment: Environment::default(), ..ClientOptions::default() };
    let client = Client::new(reference, options).expect("a client");
    let empty = Memory::new(*b"{}");
    client.ensure_blob(&empty, &Silent).expect("a blob");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let config = |kind: &str| Descriptor::new(kind, registry::Digest::of(b"{}"), 2);
    let subject = json!({
        "schemaVersion": 2, "mediaType": kind, "layers": [],
        "config": config("application/vnd.oci.image.config.v1+json"),
    });
    let subject = Manifest::new(kind, subject.to_string());
    client.put_manifest("1", kind, &subject.bytes).expect("a manifest");
    assert_eq!(client.referrers(&subject.digest, None).expect("a list"), []);
    let mut put = Vec::new();
    for artifact_type in ["application/vnd.example.one", "application/vnd.example.two"] {
        let referrer = json!({
            "schemaVersion": 2, "mediaType": kind, "artifactType": artifact_type, "layers": [],
            "config": config("application/vnd.oci.empty.v1+json"),
            "subject": subject.descriptor(),
        });
        let referrer = Manifest::new(kind, referrer.to_string());
        put.push(client.put_referrer(&referrer).expect("a referrer"));
    }
    let listed = client.referrers(&subject.digest, None).expect("a list");
    assert_eq!(listed.len(), 2, "{listed:?}");
    let one = client.referrers(&subject.digest, Some("application/vnd.example.one"));
    let one = one.expect("a list");
    assert_eq!(one.iter().map(|it| it.digest).collect::<Vec<_>>(), put[..1]);
    // It kept the list itself: nobody had to make the tag for it.
    let tag = format!("sha256-{}", subject.digest.hex());
    assert_eq!(client.get_manifest(&tag).expect("an answer"), None);
}
