//! Lists of tags: in one piece or in pages, and never in circles or elsewhere.

use registry::Error;

use crate::client;
use crate::server::{Answer, Guard, Request, Server};

fn with_tags(server: &Server, count: usize) -> Vec<String> {
    let tags: Vec<String> = (0..count).map(|number| format!("v{number:03}")).collect();
    let mut state = server.state();
    for tag in &tags {
        state.manifests.insert(tag.clone(), (String::new(), Vec::new()));
    }
    tags
}

#[test]
fn all_pages_are_read() {
    let server = Server::start(Guard::Open);
    let expected = with_tags(&server, 7);
    assert_eq!(client(&server).tags().unwrap(), expected);
    assert_eq!(server.count("GET /v2/team/app/tags/list"), 1);
    server.state().page = Some(3);
    assert_eq!(client(&server).tags().unwrap(), expected);
    assert_eq!(server.count("GET /v2/team/app/tags/list"), 4);
}

#[test]
fn no_repository_is_not_an_empty_one() {
    let server = Server::start(Guard::Open);
    assert!(matches!(client(&server).tags(), Err(Error::Missing { .. })));
    let empty = Server::intercepting(Guard::Open, |request: &Request| {
        request.path.ends_with("/tags/list").then(|| Answer::new(200).body(r#"{"tags":null}"#))
    });
    assert_eq!(client(&empty).tags().unwrap(), Vec::<String>::new());
}

/// The error for a list whose every page ends with this link.
fn error_for(link: &'static str) -> Error {
    let server = Server::intercepting(Guard::Basic("user:pass"), move |request: &Request| {
        let is_list = request.path.ends_with("/tags/list");
        is_list.then(|| Answer::new(200).with("Link", link).body(r#"{"tags":["a"]}"#))
    });
    client(&server).tags().unwrap_err()
}

#[test]
fn the_next_page_is_at_the_registry() {
    for link in [
        "<http://127.0.0.1:1/v2/team/app/tags/list?last=a>; rel=next",
        "<//elsewhere.example/v2/>; rel=\"next\"",
        "<http://user:pass@127.0.0.1/>; rel=\"next\"",
        "<file:///etc/passwd>; rel=\"next\"",
    ] {
        let error = error_for(link);
        assert!(matches!(error, Error::UnsafeUrl { .. }), "{link}: {error}");
    }
}

#[test]
fn circles_are_noticed() {
    for link in ["</v2/team/app/tags/list?n=1000>; rel=next", "<?last=a>; rel=next", "<>; rel=next"]
    {
        let error = error_for(link);
        assert!(matches!(error, Error::Endless { .. }), "{link}: {error}");
    }
}

#[test]
fn what_are_no_tags_is_not_printed() {
    for body in [r#"{"tags":["a","\u001b[31m"]}"#, "<html>", r#"{"tags":"a"}"#] {
        let server = Server::intercepting(Guard::Open, move |request: &Request| {
            request.path.ends_with("/tags/list").then(|| Answer::new(200).body(body))
        });
        let error = client(&server).tags().unwrap_err();
        assert!(matches!(error, Error::NotARegistry { .. }), "{body}: {error}");
    }
}
