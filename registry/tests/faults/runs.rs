//! What one run leaves behind for the next.

use registry::{Blob, Client, ClientOptions, Memory, Placed, Silent};

use crate::fault::{End, Fault, Kind, Rule};
use crate::proxy::Setting;
use crate::story::{Stage, WORDS, noise};
use crate::wire::Reply;

const MIB: usize = 1 << 20;

/// A client of another run, with the cache of the first.
fn run(stage: &Stage, cache: &tempfile::TempDir) -> Client {
    let options = ClientOptions { cache: Some(cache.path().into()), ..stage.options() };
    Client::new(stage.client().reference().clone(), options).unwrap()
}

/// Bytes of bodies that arrived with these requests.
fn received(stage: &Stage, kind: Kind) -> u64 {
    let entries = stage.proxy.entries();
    entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.received).sum()
}

#[test]
fn an_upload_goes_on_in_the_next_run() {
    let blob: Memory = noise(12 * MIB, 7);
    let away = Fault::Answer(Reply::error(503, "UNAVAILABLE", WORDS));
    let rules = vec![
        Rule::new(Kind::Put, 1, Fault::InBody(5 * MIB, End::Reset)).from(blob.size()),
        // Nobody answers any more until the first run has given up.
        Rule::new(Kind::Status, 5, away),
    ];
    let stage = Stage::with(Setting { rules, keeps: true, ..Setting::default() });
    let cache = tempfile::tempdir().unwrap();
    let error = run(&stage, &cache).ensure_blob(&blob, &Silent).unwrap_err();
    assert_eq!(error.status(), Some(503), "{error}");

    assert_eq!(run(&stage, &cache).ensure_blob(&blob, &Silent).unwrap(), Placed::Uploaded);
    assert_eq!(stage.proxy.count(Kind::Put), 2, "the one that broke, and the end");
    assert_eq!(received(&stage, Kind::Patch), (7 * MIB) as u64);
    let there = stage.upstream.blob(&blob.digest().to_string());
    assert_eq!(there.as_deref(), Some(blob.bytes()));
    // What is complete is not gone on with.
    let left = std::fs::read_dir(cache.path().join("uploads")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn an_upload_that_the_registry_forgot_begins_anew() {
    let blob: Memory = noise(5 * MIB, 8);
    let away = Fault::Answer(Reply::error(503, "UNAVAILABLE", WORDS));
    let rules = vec![
        Rule::new(Kind::Put, 1, Fault::InBody(MIB, End::Reset)).from(blob.size()),
        Rule::new(Kind::Status, 5, away),
    ];
    let stage = Stage::new(rules);
    let cache = tempfile::tempdir().unwrap();
    run(&stage, &cache).ensure_blob(&blob, &Silent).unwrap_err();
    assert_eq!(run(&stage, &cache).ensure_blob(&blob, &Silent).unwrap(), Placed::Uploaded);
    let there = stage.upstream.blob(&blob.digest().to_string());
    assert_eq!(there.as_deref(), Some(blob.bytes()));
}

#[test]
fn what_asks_for_a_password_is_not_asked_what_it_asks_for() {
    let stage = Stage::new(Vec::new());
    let cache = tempfile::tempdir().unwrap();
    let requests = || {
        let before = stage.proxy.entries().len();
        run(&stage, &cache).get_manifest("v1").unwrap();
        let entries = stage.proxy.entries();
        entries[before..].iter().map(|entry| entry.kind).collect::<Vec<_>>()
    };
    let first = [Kind::Probe, Kind::ManifestGet, Kind::Token, Kind::ManifestGet];
    assert_eq!(requests(), first);
    // The probe is for plain http on this machine; nobody else is asked.
    assert_eq!(requests(), [Kind::Probe, Kind::Token, Kind::ManifestGet]);
}

#[test]
fn what_a_registry_refuses_is_not_tried_in_the_next_run() {
    let refused = Fault::Answer(Reply::error(415, "UNSUPPORTED", WORDS));
    let stage = Stage::new(vec![Rule::always(Kind::Put, refused).from(1)]);
    let cache = tempfile::tempdir().unwrap();
    for (seed, refusals) in [(9, 1), (10, 1)] {
        let blob: Memory = noise(MIB, seed);
        assert_eq!(run(&stage, &cache).ensure_blob(&blob, &Silent).unwrap(), Placed::Uploaded);
        let entries = stage.proxy.entries();
        let tried = entries.iter().filter(|entry| entry.kind == Kind::Put && entry.hit);
        assert_eq!(tried.count(), refusals, "{seed}");
        let there = stage.upstream.blob(&blob.digest().to_string());
        assert_eq!(there.as_deref(), Some(blob.bytes()));
    }
    assert_eq!(stage.proxy.count(Kind::Patch), 2);
}

#[test]
fn what_was_remembered_wrongly_is_found_out_again() {
    use crate::guard::Scheme;
    let cache = tempfile::tempdir().unwrap();
    let first = Stage::with(Setting { scheme: Scheme::Bearer, ..Setting::default() });
    run(&first, &cache).get_manifest("v1").unwrap();
    // Whoever has the port next wants passwords, and the token server is gone.
    let records: Vec<_> =
        std::fs::read_dir(cache.path().join("registries")).unwrap().flatten().collect();
    assert_eq!(records.len(), 1);
    let second = Stage::with(Setting { scheme: Scheme::Basic, ..Setting::default() });
    let name = registry::Digest::of(second.proxy.address().as_bytes());
    let text = std::fs::read_to_string(records[0].path()).unwrap();
    let gone = text.replace(first.proxy.address(), "127.0.0.1:1");
    std::fs::write(cache.path().join("registries").join(name.hex()), gone).unwrap();
    assert_eq!(run(&second, &cache).get_manifest("v1").unwrap(), None);
}
