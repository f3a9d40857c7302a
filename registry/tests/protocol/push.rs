//! Whole images: what is asked beforehand, what the manifest brings to light, and how long all of it may take.

use std::sync::Mutex;
use std::time::Duration;

use registry::{
    Blob, Client, ClientOptions, Deadline, Descriptor, Digest, Error, Manifest, Memory, Silent,
    finish, push, sending,
};

use crate::server::{Answer, Guard, Request, Server};
use crate::{Log, MANIFEST_TYPE, blob, client, manifest, options};

/// A manifest as images have it; the first blob is the configuration.
fn image(blobs: &[&dyn Blob]) -> Manifest {
    let describe = |blob: &&dyn Blob| {
        let descriptor = Descriptor::new("application/octet-stream", blob.digest(), blob.size());
        serde_json::to_value(descriptor).unwrap()
    };
    let config = blobs.first().map(describe);
    let layers: Vec<_> = blobs.iter().skip(1).map(describe).collect();
    let document = serde_json::json!({"config": config, "layers": layers});
    Manifest::new(MANIFEST_TYPE, document.to_string())
}

#[test]
fn the_manifest_at_the_tag_answers_for_its_blobs() {
    let server = Server::start(Guard::Open);
    let blobs: Vec<Memory> = (0..20).map(|n| blob(&format!("layer {n}"))).collect();
    let refs: Vec<&dyn Blob> = blobs.iter().map(|blob| blob as &dyn Blob).collect();
    push(&client(&server), &refs, &image(&refs), &Silent).unwrap();
    let new = blob("another layer");
    let changed: Vec<&dyn Blob> = refs[1..].iter().copied().chain([&new as &dyn Blob]).collect();
    let (before, log) = (server.state().requests.len(), Log::default());
    push(&client(&server), &changed, &image(&changed), &log).unwrap();
    assert_eq!((log.count("present"), log.count("done")), (19, 1));
    // The probe for plain http, the manifest, POST with its trial, PUT, and the manifest.
    let requests: Vec<String> = server.state().requests[before..]
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    assert!(requests.len() <= 6 && server.count("HEAD") == 0, "{requests:#?}");
}

#[test]
fn a_blob_that_is_there_after_all_is_not_sent() {
    let server = Server::start(Guard::Open);
    let large = Memory::new(vec![7; 64 << 10]);
    let first: [&dyn Blob; 1] = [&large];
    push(&client(&server), &first, &image(&first), &Silent).unwrap();
    let other = blob("other");
    let second: [&dyn Blob; 1] = [&other];
    push(&client(&server), &second, &image(&second), &Silent).unwrap();
    // What is at the tag now does not name the large one, and the POST that would open its upload finds it.
    let log = Log::default();
    push(&client(&server), &first, &image(&first), &log).unwrap();
    assert_eq!((log.count("present"), log.sum("started")), (1, 0));
}

#[test]
fn what_the_manifest_brings_to_light_is_mended() {
    // Once with the names of what is missing, once without.
    for named in [true, false] {
        let lost = blob("lost");
        let digest = lost.digest();
        let times = Mutex::new(1);
        let server = Server::intercepting(Guard::Open, move |request| {
            let mut times = times.lock().unwrap();
            if !request.is("PUT /v2/team/app/manifests") || *times == 0 {
                return None;
            }
            *times -= 1;
            let detail =
                if named { format!(r#","detail":{{"digest":"{digest}"}}"#) } else { String::new() };
            let body = format!(r#"{{"errors":[{{"code":"MANIFEST_BLOB_UNKNOWN"{detail}}}]}}"#);
            Some(Answer::new(400).body(body))
        });
        let (client, kept) = (client(&server), blob("kept"));
        let blobs: [&dyn Blob; 2] = [&lost, &kept];
        client.ensure_blob(&kept, &Silent).unwrap();
        // It is said to be there, and is not.
        client.learn([lost.digest()]);
        finish(&client, &blobs, &manifest(&blobs), &["v1".to_owned()], &Silent).unwrap();
        assert!(server.state().blobs.contains_key(&lost.digest().to_string()));
    }
}

#[test]
fn a_registry_that_always_lacks_something_is_told() {
    let body = r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}"#;
    let refuse = move |request: &Request| {
        request.is("PUT /v2/team/app/manifests").then(|| Answer::new(400).body(body))
    };
    let server = Server::intercepting(Guard::Open, refuse);
    let blob = blob("x");
    let error = push(&client(&server), &[&blob], &manifest(&[&blob]), &Silent).unwrap_err();
    assert!(error.to_string().contains("MANIFEST_BLOB_UNKNOWN: blob unknown"), "{error}");
    assert_eq!(server.count("PUT /v2/team/app/manifests"), 3);
}

#[test]
fn many_tags_take_one_request_where_that_is_offered() {
    let tags = ["v1", "v2", "latest"].map(str::to_owned);
    let offers = |request: &Request| {
        let asked = request.query.get("tag")?.join(", ");
        request
            .is("PUT /v2/team/app/manifests/sha256:")
            .then(|| Answer::new(201).with("OCI-Tag", asked))
    };
    let server = Server::intercepting(Guard::Open, offers);
    let manifest = image(&[]);
    finish(&client(&server), &[], &manifest, &tags, &Silent).unwrap();
    assert_eq!(server.count("PUT"), 1);

    let server = Server::start(Guard::Open);
    let client = client(&server);
    finish(&client, &[], &manifest, &tags, &Silent).unwrap();
    for tag in &tags {
        assert_eq!(server.state().manifests[tag].1, manifest.bytes);
    }
    // What the registry does not offer is asked for once.
    assert_eq!(server.count("PUT"), 4);
    finish(&client, &[], &manifest, &tags, &Silent).unwrap();
    assert_eq!(server.count("PUT"), 7);
}

#[test]
fn a_deadline_ends_whatever_is_under_way() {
    for deaf in ["PUT", "POST", "GET"] {
        let server = Server::intercepting(Guard::Open, move |request| {
            if request.is(deaf) && request.path != "/v2/" {
                std::thread::sleep(Duration::from_secs(3600));
            }
            None
        });
        let deadline = Some(Deadline::after(Duration::from_secs(1)));
        let options = ClientOptions { deadline, ..options() };
        let reference = format!("{}/team/app:v1", server.address()).parse().unwrap();
        let client = Client::new(reference, options).unwrap();
        let blob = Memory::new(vec![7; 1 << 20]);
        let error = push(&client, &[&blob], &manifest(&[&blob]), &Silent).unwrap_err();
        assert!(matches!(error, Error::Deadline { .. }), "{deaf}: {error:?}");
        assert!(error.to_string().contains("gave up after 1 s"), "{error}");
    }
}

#[test]
fn what_sending_says_comes_before_what_the_work_says() {
    let refuse =
        |request: &Request| request.is("POST").then(|| Answer::new(403).body("no such account"));
    let server = Server::intercepting(Guard::Open, refuse);
    let client = client(&server);
    let work: Result<(), Error> = sending(&Silent, |queue| {
        let wanted = || queue.add(&client, std::sync::Arc::new(blob("x")), None);
        while wanted() {
            std::thread::yield_now();
        }
        Err(Error::Missing { what: "stopped".into(), host: String::new() })
    });
    assert_eq!(work.unwrap_err().status(), Some(403));
    // And work that fails is not overtaken by what was still to be sent.
    let failed: Result<(), Error> =
        sending(&Silent, |_| Err(Error::Missing { what: "work".into(), host: String::new() }));
    assert!(matches!(failed, Err(Error::Missing { .. })));
}

#[test]
fn nothing_is_known_of_what_is_no_image() {
    // A page at the tag, a list of tags that is none.
    for body in ["<html>", "{}", r#"{"layers": 7}"#, r#"{"config": null}"#] {
        let server = Server::intercepting(Guard::Open, move |request| {
            let at_tag = request.is("GET /v2/team/app/manifests/v1");
            let listed = request.is("GET /v2/team/app/tags");
            let answer = || Answer::new(200).with("Content-Type", MANIFEST_TYPE).body(body);
            (at_tag || listed).then(answer)
        });
        let blob = blob("x");
        let log = Log::default();
        push(&client(&server), &[&blob], &manifest(&[&blob]), &log).unwrap();
        assert_eq!(log.count("done"), 1, "{body}");
        assert!(server.state().blobs.contains_key(&Digest::of(b"x").to_string()));
    }
}
