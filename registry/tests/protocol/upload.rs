//! Blobs: present, mounted, sent in one piece or in two steps, and sent again.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use registry::{Blob, Client, ClientOptions, Digest, Error, Memory, Placed, Silent, push};

use crate::server::{Answer, Guard, Request, Server};
use crate::{Log, blob, client, manifest, options};

/// An interceptor that answers the first `times` requests that start like this.
fn first(
    times: u32,
    start: &'static str,
    answer: Answer,
) -> impl Fn(&Request) -> Option<Answer> + Send + Sync {
    let left = AtomicU32::new(times);
    move |request| {
        let hit = request.is(start)
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok();
        hit.then(|| answer.clone())
    }
}

#[test]
fn an_image_arrives_whole() {
    let server = Server::start(Guard::Open);
    let client = client(&server);
    let blobs: Vec<Memory> = (0..30).map(|n| blob(&format!("layer {n}"))).collect();
    let mut refs: Vec<&dyn Blob> = blobs.iter().map(|blob| blob as &dyn Blob).collect();
    refs.push(&blobs[0]);
    let manifest = manifest(&refs);
    let log = Log::default();
    assert_eq!(push(&client, &refs, &manifest, &log).unwrap(), manifest.digest);
    assert_eq!(server.state().manifests["v1"].1, manifest.bytes);
    assert_eq!((log.count("started"), log.count("done")), (30, 30));
    assert_eq!(log.sum("sent") - log.sum("rewound"), log.sum("started"));

    // A client of another process finds everything there.
    let again = crate::client(&server);
    let log = Log::default();
    push(&again, &refs, &manifest, &log).unwrap();
    assert_eq!((log.count("started"), log.count("present")), (0, 30));
    assert_eq!(server.count("PUT /v2/team/app/blobs"), 30);
}

#[test]
fn the_empty_blob_is_a_blob() {
    let server = Server::start(Guard::Open);
    assert_eq!(client(&server).ensure_blob(&blob(""), &Silent).unwrap(), Placed::Uploaded);
    assert!(server.state().blobs.contains_key(&Digest::of(b"").to_string()));
}

#[test]
fn the_same_blob_is_sent_once_at_a_time() {
    let server = Server::start(Guard::Open);
    let client = client(&server);
    let blob = blob("shared");
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| client.ensure_blob(&blob, &Silent).unwrap())).collect();
        let placed: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(placed.iter().filter(|placed| **placed == Placed::Uploaded).count(), 1);
    });
    assert_eq!(server.count("POST"), 1);
}

#[test]
fn absolute_locations_work() {
    let address = Arc::new(std::sync::OnceLock::<String>::new());
    let known = Arc::clone(&address);
    // The server's own answer is relative; this one opens a session that exists and names it in full.
    let server = Server::intercepting(Guard::Open, move |request| {
        (request.is("PUT /v2/team/app/blobs/uploads/7")).then(|| Answer::new(201)).or_else(|| {
            let location = format!("http://{}/v2/team/app/blobs/uploads/7?_state=x", known.get()?);
            request.is("POST").then(|| Answer::new(202).with("Location", location))
        })
    });
    address.set(server.address().to_owned()).unwrap();
    client(&server).ensure_blob(&blob("x"), &Silent).unwrap();
    let state = server.state();
    let put = state.requests.iter().find(|request| request.is("PUT")).unwrap();
    assert_eq!(put.query("_state"), Some("x"));
    assert_eq!(put.query("digest"), Some(Digest::of(b"x").to_string().as_str()));
}

#[test]
fn a_passing_failure_costs_a_retry_and_rewinds_the_bar() {
    for start in ["HEAD", "POST", "PUT /v2/team/app/blobs", "PUT /v2/team/app/manifests"] {
        let server = Server::intercepting(
            Guard::Open,
            first(1, start, Answer::new(503).with("Retry-After", "0")),
        );
        let (client, blob, log) = (client(&server), blob("content"), Log::default());
        push(&client, &[&blob], &manifest(&[&blob]), &log).unwrap();
        assert_eq!(log.sum("sent") - log.sum("rewound"), blob.size(), "{start}");
        assert_eq!((log.count("started"), log.count("done")), (1, 1), "{start}");
    }
}

#[test]
fn a_connection_that_breaks_within_a_body_is_made_again() {
    let server = Server::intercepting(Guard::Open, first(2, "PUT", Answer::broken()));
    let log = Log::default();
    let big = Memory::new(vec![7; 8 << 20]);
    client(&server).ensure_blob(&big, &log).unwrap();
    assert_eq!(log.sum("sent") - log.sum("rewound"), big.size());
}

#[test]
fn an_answer_that_comes_before_the_body_is_read_is_heard() {
    let words = r#"{"errors":[{"code":"SIZE_INVALID","message":"too big"}]}"#;
    let server =
        Server::intercepting(Guard::Open, first(99, "PUT", Answer::new(413).body(words).early()));
    let error = client(&server).ensure_blob(&Memory::new(vec![7; 16 << 20]), &Silent).unwrap_err();
    assert!(error.to_string().contains("413: SIZE_INVALID: too big"), "{error:?}");
}

#[test]
fn a_registry_that_falls_silent_is_given_up() {
    // Neither reads the body nor answers; the connection stays open until the test is over.
    for deaf in ["PUT", "HEAD"] {
        let server = Server::intercepting(Guard::Open, move |request| {
            if request.is(deaf) {
                thread::sleep(Duration::from_secs(3600));
            }
            None
        });
        let options = ClientOptions { idle: Duration::from_millis(100), ..options() };
        let client =
            Client::new(format!("{}/x", server.address()).parse().unwrap(), options).unwrap();
        let error = client.ensure_blob(&Memory::new(vec![7; 16 << 20]), &Silent).unwrap_err();
        assert!(matches!(error, Error::Stalled { .. }), "{error}");
    }
}

#[test]
fn a_refused_question_is_asked_for_its_reason() {
    let words = r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#;
    let server = Server::intercepting(Guard::Open, move |request| {
        request.path.contains("/blobs/").then(|| Answer::new(403).body(words))
    });
    let error = client(&server).exists(&Digest::of(b""), 0).unwrap_err();
    assert!(error.to_string().contains("DENIED: not yours"), "{error}");
}

#[test]
fn a_lasting_failure_is_told_in_the_registrys_words() {
    let words = r#"{"errors":[{"code":"DENIED","message":"quota exceeded"}]}"#;
    let server = Server::intercepting(Guard::Open, first(99, "POST", Answer::new(403).body(words)));
    let error = client(&server).ensure_blob(&blob("x"), &Silent).unwrap_err();
    assert!(error.to_string().ends_with("answered 403: DENIED: quota exceeded"), "{error}");
    assert!(error.hint().unwrap().contains("docker login"));
    assert_eq!(server.count("POST"), 1);

    let server = Server::intercepting(Guard::Open, first(99, "POST", Answer::new(502)));
    assert!(matches!(
        client(&server).ensure_blob(&blob("x"), &Silent),
        Err(Error::Refused { status: 502, .. })
    ));
    assert_eq!(server.count("POST"), 6);
}

#[test]
fn a_registry_without_whole_puts_is_served_by_patch() {
    let refuses = |request: &Request| {
        let whole =
            request.is("PUT /v2/team/app/blobs") && request.header("content-length") != Some("0");
        whole.then(|| Answer::new(500))
    };
    let server = Server::intercepting(Guard::Open, refuses);
    let (client, log) = (client(&server), Log::default());
    for content in ["one", "two"] {
        assert_eq!(client.ensure_blob(&blob(content), &log).unwrap(), Placed::Uploaded);
    }
    assert_eq!(server.count("PATCH"), 2);
    // The first blob is put twice, since a failure may pass, and then patched; the second does not try what failed.
    // Each upload is opened by a POST, and one more finds out that this registry takes no blob with it.
    assert_eq!((server.count("PUT"), server.count("POST")), (4, 4));
    assert_eq!(log.sum("sent") - log.sum("rewound"), 6);
}

#[test]
fn a_registry_that_knows_only_whole_puts_is_not_lost_to_a_few_failures() {
    let left = AtomicU32::new(3);
    let server = Server::intercepting(Guard::Open, move |request| {
        if request.method == "PATCH" {
            return Some(Answer::new(400));
        }
        let fails = request.is("PUT /v2/team/app/blobs")
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_ok();
        fails.then(|| Answer::new(500))
    });
    assert_eq!(client(&server).ensure_blob(&blob("x"), &Silent).unwrap(), Placed::Uploaded);
}

#[test]
fn a_mount_saves_the_upload_or_opens_one() {
    let server = Server::start(Guard::Open);
    let there = blob("there");
    let digest = there.digest().to_string();
    server
        .state()
        .elsewhere
        .entry("base/image".into())
        .or_default()
        .insert(digest, b"there".to_vec());
    let (client, log) = (client(&server), Log::default());
    assert_eq!(client.ensure_blob_from(&there, Some("base/image"), &log).unwrap(), Placed::Mounted);
    assert_eq!(
        client.ensure_blob_from(&blob("not"), Some("base/image"), &log).unwrap(),
        Placed::Uploaded
    );
    assert_eq!((log.count("mounted"), log.count("done")), (1, 1));
    // The session that the vain mount opened is the one that is used.
    assert_eq!(server.count("POST"), 2);
}

#[test]
fn a_blob_that_lies_about_its_size_is_found_out() {
    let wrong = |request: &Request| {
        let answer = Answer::new(200).with("Content-Length", "3");
        request
            .is("HEAD")
            .then(|| answer.with("Docker-Content-Digest", Digest::of(b"content").to_string()))
    };
    let server = Server::intercepting(Guard::Open, wrong);
    let error = client(&server).ensure_blob(&blob("content"), &Silent).unwrap_err();
    assert!(matches!(error, Error::WrongSize { got: 3, expected: 7, .. }), "{error}");

    let other = |request: &Request| {
        let answer =
            Answer::new(200).with("Docker-Content-Digest", Digest::of(b"other").to_string());
        request.is("HEAD").then(|| answer.with("Content-Length", "7"))
    };
    let server = Server::intercepting(Guard::Open, other);
    let error = client(&server).ensure_blob(&blob("content"), &Silent).unwrap_err();
    assert!(matches!(error, Error::WrongDigest { .. }), "{error}");
}

#[test]
fn a_server_that_says_yes_to_everything_is_no_registry() {
    for length in ["0", "5"] {
        let server = Server::intercepting(Guard::Open, move |request| {
            let answer = Answer::new(200).with("Content-Type", "text/html");
            Some(if request.method == "HEAD" {
                answer.with("Content-Length", length)
            } else {
                answer
            })
        });
        let blob = blob("layer");
        let error = push(&client(&server), &[&blob], &manifest(&[&blob]), &Silent).unwrap_err();
        assert!(matches!(error, Error::NotARegistry { .. }), "{error}");
        assert!(error.hint().unwrap().contains("does not behave like an OCI registry"));
    }
}

#[test]
fn an_upload_without_a_location_is_no_upload() {
    let server = Server::intercepting(Guard::Open, first(99, "POST", Answer::new(202)));
    let error = client(&server).ensure_blob(&blob("x"), &Silent).unwrap_err();
    assert!(error.to_string().contains("202 without a location"), "{error}");
}

/// A blob whose content is not what it says.
struct Odd {
    open: fn() -> io::Result<Box<dyn Read + Send>>,
}

impl Blob for Odd {
    fn digest(&self) -> Digest {
        Digest::of(b"odd")
    }

    fn size(&self) -> u64 {
        100
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        (self.open)()
    }
}

#[test]
fn a_fault_at_this_end_is_not_blamed_on_the_registry() {
    let server = Server::start(Guard::Open);
    let short = Odd { open: || Ok(Box::new(&b"short"[..])) };
    let unopened = Odd { open: || Err(io::Error::other("gone")) };
    for odd in [short, unopened] {
        let error = client(&server).ensure_blob(&odd, &Silent).unwrap_err();
        assert!(matches!(error, Error::ReadBlob { .. }), "{error}");
    }
    assert_eq!(server.count("PUT"), 0);
}
