//! What refers to a manifest: in the registry's own list, or in one that clients keep together.

use std::sync::Barrier;
use std::thread;

use registry::{Blob, Client, Descriptor, Digest, Manifest, Memory, Silent};
use serde_json::json;

use crate::server::{Answer, Guard, Request, Server};
use crate::{MANIFEST_TYPE, client};

const SIGNATURE: &str = "application/vnd.example.signature";

/// A manifest that refers to `subject`, whose blobs are in place.
fn referrer(client: &Client, subject: &Manifest, kind: &str, text: &str) -> Manifest {
    let empty = Memory::new(*b"{}");
    client.ensure_blob(&empty, &Silent).unwrap();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": kind,
        "config": Descriptor::new("application/vnd.oci.empty.v1+json", empty.digest(), empty.size()),
        "layers": [],
        "subject": subject.descriptor(),
        "annotations": {"text": text},
    });
    Manifest::new(MANIFEST_TYPE, manifest.to_string())
}

fn subject() -> Manifest {
    Manifest::new(MANIFEST_TYPE, *b"{}")
}

fn digests(found: &[Descriptor]) -> Vec<Digest> {
    let mut digests: Vec<_> = found.iter().map(|descriptor| descriptor.digest).collect();
    digests.sort();
    digests
}

#[test]
fn referrers_are_found_with_the_api_and_without() {
    for (api, conditional) in [(true, false), (false, false), (false, true)] {
        let server = Server::start(Guard::Open);
        (server.state().referrers, server.state().conditional) = (api, conditional);
        let client = client(&server);
        let subject = subject();
        assert_eq!(client.referrers(&subject.digest, None).unwrap(), []);
        let [one, two] = [(SIGNATURE, "1"), ("other/type", "2")].map(|(kind, text)| {
            let manifest = referrer(&client, &subject, kind, text);
            assert_eq!(client.put_referrer(&manifest).unwrap(), manifest.digest);
            // Twice is once.
            client.put_referrer(&manifest).unwrap();
            manifest
        });
        let mut both = vec![one.digest, two.digest];
        both.sort();
        assert_eq!(digests(&client.referrers(&subject.digest, None).unwrap()), both);
        let signatures = client.referrers(&subject.digest, Some(SIGNATURE)).unwrap();
        assert_eq!(digests(&signatures), [one.digest]);
        assert_eq!(signatures[0].artifact_type.as_deref(), Some(SIGNATURE));
        let tag = format!("sha256-{}", subject.digest.hex());
        assert_eq!(server.state().manifests.contains_key(&tag), !api);
    }
}

#[test]
fn writers_at_the_same_time_lose_nothing() {
    // With a registry that heeds `If-Match`, and with one that does not, as all that were tried.
    for conditional in [true, false] {
        let server = Server::start(Guard::Open);
        server.state().conditional = conditional;
        let subject = subject();
        let start = Barrier::new(8);
        let put = |number: usize| {
            let client = client(&server);
            let manifest = referrer(&client, &subject, SIGNATURE, &number.to_string());
            start.wait();
            client.put_referrer(&manifest).unwrap()
        };
        let mut all: Vec<Digest> = thread::scope(|scope| {
            let put = &put;
            // The empty blob goes first, since the server minds that it comes twice.
            client(&server).ensure_blob(&Memory::new(*b"{}"), &Silent).unwrap();
            let writers: Vec<_> = (0..8).map(|number| scope.spawn(move || put(number))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        all.sort();
        let found = client(&server).referrers(&subject.digest, None).unwrap();
        assert_eq!(digests(&found), all, "If-Match heeded: {conditional}");
    }
}

#[test]
fn others_entries_stay_as_they_are() {
    let server = Server::start(Guard::Open);
    let client = client(&server);
    let subject = subject();
    let foreign =
        json!({"mediaType": "x/y", "digest": "sha512:00", "size": 1, "data": "e30=", "new": [1]});
    let index = json!({"schemaVersion": 2, "manifests": [foreign]}).to_string();
    let tag = format!("sha256-{}", subject.digest.hex());
    client.put_manifest(&tag, "application/vnd.oci.image.index.v1+json", index.as_bytes()).unwrap();
    client.put_referrer(&referrer(&client, &subject, SIGNATURE, "")).unwrap();
    let index: serde_json::Value =
        serde_json::from_slice(&client.get_manifest(&tag).unwrap().unwrap().bytes).unwrap();
    assert_eq!(index["manifests"][0], foreign);
    assert_eq!(index["manifests"][1]["artifactType"], SIGNATURE);
    assert_eq!(index["manifests"][1]["annotations"]["text"], "");
    assert_eq!(client.referrers(&subject.digest, None).unwrap().len(), 1);
}

#[test]
fn pages_are_read_to_the_end_and_web_pages_are_no_list() {
    let entry = |text: &str| json!({"mediaType": MANIFEST_TYPE, "digest": Digest::of(text.as_bytes()).to_string(), "size": 1});
    let pages = [json!({"manifests": [entry("1")]}), json!({"manifests": [entry("2")]})];
    let server = Server::intercepting(Guard::Open, move |request: &Request| {
        let is_list = request.path.contains("/referrers/");
        is_list.then(|| match request.query("page") {
            None => {
                Answer::new(200).with("Link", "<?page=2>; rel=\"next\"").body(pages[0].to_string())
            }
            Some(_) => Answer::new(200).body(pages[1].to_string()),
        })
    });
    assert_eq!(client(&server).referrers(&subject().digest, None).unwrap().len(), 2);
    let server = Server::intercepting(Guard::Open, |request: &Request| {
        request.path.contains("/referrers/").then(|| Answer::new(200).body("<html>"))
    });
    assert_eq!(client(&server).referrers(&subject().digest, None).unwrap(), []);
}
