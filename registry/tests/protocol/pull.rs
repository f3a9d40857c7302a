//! Blobs on their way in: what breaks goes on where it broke, and only what is right arrives.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use registry::{
    Blob, Client, ClientOptions, Deadline, Descriptor, Digest, Error, Memory, Placed, RemoteBlob,
    Silent,
};

use crate::server::{Answer, Guard, Request, Server};
use crate::{MANIFEST_TYPE, blob, client, client_with, options};

const CONTENT: &str = "0123456789";

fn descriptor(blob: &dyn Blob) -> Descriptor {
    Descriptor::new("application/octet-stream", blob.digest(), blob.size())
}

/// A server with the blob, which answers the first `GET`s of it as `faults` say.
fn faulty(faults: Vec<Answer>) -> Server {
    let next = AtomicUsize::new(0);
    let server = Server::intercepting(Guard::Open, move |request| {
        let is_read = request.is("GET /v2/team/app/blobs/");
        is_read.then(|| faults.get(next.fetch_add(1, Ordering::SeqCst)).cloned())?
    });
    let digest = Digest::of(CONTENT.as_bytes()).to_string();
    server.state().blobs.insert(digest, CONTENT.into());
    server
}

/// An answer of all ten bytes that breaks off.
fn broken_after(count: usize) -> Answer {
    Answer::new(200).with("Content-Length", "10").body(&CONTENT.as_bytes()[..count]).early()
}

fn broken_part(start: usize, count: usize) -> Answer {
    Answer::new(206)
        .with("Content-Range", format!("bytes {start}-9/10"))
        .with("Content-Length", (10 - start).to_string())
        .body(&CONTENT.as_bytes()[start..start + count])
        .early()
}

fn pulled(server: &Server) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    client(server).pull_blob(&descriptor(&blob(CONTENT)), &mut out).map(|()| out)
}

/// Where each `GET` of the blob asked to begin.
fn ranges(server: &Server) -> Vec<Option<String>> {
    let state = server.state();
    let reads = state.requests.iter().filter(|request| request.is("GET /v2/team/app/blobs/"));
    reads.map(|request| request.header("range").map(str::to_owned)).collect()
}

#[test]
fn what_broke_goes_on_where_it_broke() {
    let server = faulty(vec![broken_after(4), broken_part(4, 3)]);
    assert_eq!(pulled(&server).unwrap(), CONTENT.as_bytes());
    let from = |start: &str| Some(format!("bytes={start}-"));
    assert_eq!(ranges(&server), [None, from("4"), from("7")]);
}

#[test]
fn what_fell_silent_goes_on_elsewhere() {
    let server = faulty(vec![broken_after(4).silent()]);
    let options = ClientOptions { idle: Duration::from_millis(300), ..options() };
    let reference = format!("{}/team/app:v1", server.address()).parse().unwrap();
    let client = Client::new(reference, options).unwrap();
    let mut out = Vec::new();
    client.pull_blob(&descriptor(&blob(CONTENT)), &mut out).unwrap();
    assert_eq!(out, CONTENT.as_bytes());
    assert_eq!(ranges(&server), [None, Some("bytes=4-".to_owned())]);
}

#[test]
fn a_deadline_ends_a_pull() {
    let server = faulty(vec![broken_after(4).silent(); 100]);
    let deadline = Some(Deadline::after(Duration::from_millis(300)));
    let reference = format!("{}/team/app:v1", server.address()).parse().unwrap();
    let client = Client::new(reference, ClientOptions { deadline, ..options() }).unwrap();
    let error = client.pull_blob(&descriptor(&blob(CONTENT)), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
}

#[test]
fn each_byte_that_arrives_is_worth_another_try() {
    let mut faults = vec![broken_after(1)];
    faults.extend((1..10).map(|start| broken_part(start, 1)));
    let server = faulty(faults);
    assert_eq!(pulled(&server).unwrap(), CONTENT.as_bytes());
}

#[test]
fn a_server_that_brings_nothing_is_given_up() {
    let server = faulty(vec![broken_after(0); 100]);
    assert!(matches!(pulled(&server), Err(Error::Interrupted { .. })));
    assert!(ranges(&server).len() < 20);
    // Nor does it help to send again and again what is there already.
    let server = faulty(vec![broken_after(4); 100]);
    assert!(matches!(pulled(&server), Err(Error::Interrupted { .. })));
    assert!(ranges(&server).len() < 20);
}

#[test]
fn servers_may_know_ranges_or_not() {
    let whole = || Answer::new(200).body(CONTENT);
    let part = |range: &str| Answer::new(206).with("Content-Range", range).body("456789");
    for faults in [
        vec![broken_after(4), whole()],
        vec![broken_after(4), broken_after(6), whole()],
        // Wrong, or no word about which part it is: then all of it, please.
        vec![broken_after(4), part("bytes 5-9/10"), whole()],
        vec![broken_after(4), Answer::new(206).body("456789"), whole()],
        vec![broken_after(4), Answer::new(416), whole()],
        // More than was asked for.
        vec![
            broken_after(4),
            Answer::new(206).with("Content-Range", "bytes 2-9/10").body("23456789"),
        ],
        // Less than was asked for.
        vec![
            broken_after(4),
            Answer::new(206).with("Content-Range", "bytes 4-5/10").body("45"),
            Answer::new(206).with("Content-Range", "bytes 6-6/10").body("6"),
        ],
    ] {
        let server = faulty(faults);
        assert_eq!(pulled(&server).unwrap(), CONTENT.as_bytes(), "{:?}", ranges(&server));
    }
}

#[test]
fn other_content_is_no_blob() {
    let too_much = |answer: Answer| {
        answer.with("Transfer-Encoding", "chunked").body("b\r\n0123456789X\r\n0\r\n\r\n")
    };
    let server = faulty(vec![Answer::new(200).body("012345678X")]);
    assert!(matches!(pulled(&server), Err(Error::WrongDigest { .. })));
    let server = faulty(vec![Answer::new(200).body("0123456789X")]);
    assert!(matches!(pulled(&server), Err(Error::WrongSize { got: 11, expected: 10, .. })));
    let server = faulty(vec![too_much(Answer::new(200))]);
    assert!(matches!(pulled(&server), Err(Error::TooLarge { limit: 10, .. })));
    let server = faulty(vec![
        broken_after(4),
        Answer::new(206).with("Content-Range", "bytes 4-10/11").body("456789X"),
    ]);
    assert!(matches!(pulled(&server), Err(Error::WrongSize { got: 11, .. })));
    // None of it was worth another try.
    assert_eq!(ranges(&server).len(), 2);
}

#[test]
fn the_last_piece_is_held_back_until_all_is_right() {
    let server = faulty(vec![broken_after(4), Answer::new(200).body("012345678X")]);
    let client = client(&server);
    let mut reader = client.open_blob(&blob(CONTENT).digest(), Some(10)).unwrap();
    let mut got = Vec::new();
    assert!(reader.read_to_end(&mut got).is_err());
    assert_eq!(got, b"0123");
    // An error is not forgotten by reading on.
    assert!(reader.read(&mut [0; 1]).is_err());
}

#[test]
fn a_blob_of_unknown_size_ends_where_it_ends() {
    let server = faulty(vec![broken_after(4)]);
    let client = client(&server);
    let mut got = String::new();
    let digest = blob(CONTENT).digest();
    client.open_blob(&digest, None).unwrap().read_to_string(&mut got).unwrap();
    assert_eq!(got, CONTENT);
    let empty = blob("");
    client.ensure_blob(&empty, &Silent).unwrap();
    assert_eq!(client.open_blob(&empty.digest(), None).unwrap().read(&mut [0; 9]).unwrap(), 0);
    client.pull_blob(&descriptor(&empty), &mut Vec::new()).unwrap();
    let absent = client.open_blob(&blob("absent").digest(), None);
    assert!(matches!(absent.map(drop), Err(Error::Missing { .. })));
}

#[test]
fn storage_elsewhere_sees_no_credentials_and_is_looked_up_anew() {
    let parts = Mutex::new(vec![broken_part(4, 6), broken_after(4)]);
    // The address of the first answer is of no use for the second.
    let storage = Server::intercepting(Guard::Open, move |request: &Request| {
        let fits = match request.header("range") {
            None => request.path == "/signed-1",
            Some(range) => request.path == "/signed-2" && range == "bytes=4-",
        };
        Some(if fits { parts.lock().unwrap().pop().unwrap() } else { Answer::new(403) })
    });
    let storage = Arc::new(storage);
    let (address, count) = (storage.address().to_owned(), AtomicUsize::new(0));
    let server = Server::intercepting(Guard::Basic("user:pass"), move |request| {
        let is_read = request.is("GET /v2/team/app/blobs/");
        (is_read && request.header("authorization").is_some()).then(|| {
            let count = count.fetch_add(1, Ordering::SeqCst) + 1;
            Answer::new(307).with("Location", format!("http://{address}/signed-{count}?secret"))
        })
    });
    let (client, _folder) = client_with(&server, r#"{"auth": "dXNlcjpwYXNz"}"#);
    let mut out = Vec::new();
    client.pull_blob(&descriptor(&blob(CONTENT)), &mut out).unwrap();
    assert_eq!(out, CONTENT.as_bytes());
    let state = storage.state();
    assert_eq!(state.requests.len(), 2);
    assert!(state.requests.iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_blob_goes_from_one_registry_to_another() {
    let source = faulty(vec![broken_after(4)]);
    let target = Server::start(Guard::Open);
    let remote = RemoteBlob::new(Arc::new(client(&source)), &descriptor(&blob(CONTENT)));
    assert_eq!(client(&target).ensure_blob(&remote, &Silent).unwrap(), Placed::Uploaded);
    assert_eq!(client(&target).get_blob(&remote.digest(), 10).unwrap(), CONTENT.as_bytes());

    // What an upload has sent already it does not get again.
    let mut rest = String::new();
    remote.open_at(4).unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, &CONTENT[4..]);
    assert_eq!(ranges(&source).last(), Some(&Some("bytes=4-".to_owned())));

    let absent = Memory::new(*b"absent");
    let remote = RemoteBlob::new(Arc::new(client(&source)), &descriptor(&absent));
    let error = client(&target).ensure_blob(&remote, &Silent).unwrap_err();
    assert!(matches!(error, Error::ReadBlob { .. }), "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("does not exist"), "{cause}");
}

#[test]
fn what_a_manifest_is_can_be_asked_without_getting_it() {
    let digest = Digest::of(b"{}");
    let expected = Descriptor::new(MANIFEST_TYPE, digest, 2);
    let full = Answer::new(200)
        .with("Content-Type", MANIFEST_TYPE)
        .with("Docker-Content-Digest", digest.to_string())
        .with("Content-Length", "2");
    let silent = Answer::new(200).with("Content-Type", MANIFEST_TYPE).with("Content-Length", "2");
    for (answer, gets) in [
        (full, 0),
        (silent, 1),
        (Answer::new(403), 1),
        (Answer::new(405), 1),
        (Answer::new(429).with("Retry-After", "3600"), 1),
    ] {
        let server = Server::intercepting(Guard::Open, move |request| {
            request.is("HEAD /v2/team/app/manifests/").then(|| answer.clone())
        });
        let client = client(&server);
        client.put_manifest("v1", MANIFEST_TYPE, b"{}").unwrap();
        assert_eq!(client.head_manifest("v1").unwrap(), Some(expected.clone()));
        assert_eq!(server.count("GET /v2/team/app/manifests/"), gets);
    }
    let server = Server::start(Guard::Open);
    assert_eq!(client(&server).head_manifest("absent").unwrap(), None);
}
