//! Registries that take blobs in their own ways: limits, pieces, mounts, and bodies that are continued.

use registry::{Blob, Placed, Silent};

use crate::fault::{Change, End, Fault, Kind, Rule};
use crate::proxy::{Entry, Setting};
use crate::story::{Act, NEW, Stage, WORDS};
use crate::wire::{Head, Reply};

const MIB: u64 = 1 << 20;

fn refused(status: u16, code: &str) -> Fault {
    Fault::Answer(Reply::error(status, code, WORDS))
}

fn is_ranged(head: &Head) -> bool {
    head.get("content-range").is_some()
}

/// No body of more than 2 MiB, as a proxy before the registry may want it.
fn limited() -> Vec<Rule> {
    let limit = 2 * MIB + 1;
    vec![
        Rule::always(Kind::Put, refused(413, "SIZE_INVALID")).from(limit),
        Rule::always(Kind::Patch, refused(413, "SIZE_INVALID")).from(limit),
    ]
}

fn push(rules: Vec<Rule>) -> Vec<Entry> {
    let stage = Stage::new(rules);
    stage.play(Act::Push).unwrap().unwrap();
    stage.proxy.entries()
}

#[test]
fn a_limit_on_bodies_is_met_by_pieces() {
    let entries = push(limited());
    assert!(entries.iter().any(|entry| entry.kind == Kind::Patch && is_ranged(&entry.head)));
}

#[test]
fn a_limit_on_pieces_is_met_by_smaller_ones() {
    // GHCR says it like this, at 4 MiB.
    let mut rules = limited();
    let piece = Rule::always(Kind::Patch, refused(416, "RANGE_INVALID")).from(MIB + 1);
    rules.insert(0, piece.only(is_ranged));
    push(rules);
}

#[test]
fn pieces_are_as_large_as_the_registry_wants() {
    let mut rules = limited();
    rules.push(Rule::always(
        Kind::Post,
        Fault::Change(|reply, _| reply.head.set("OCI-Chunk-Min-Length", "1048576")),
    ));
    let entries = push(rules);
    let last = NEW.blobs[2].bytes().len() as u64 - 1;
    let pieces = entries.iter().filter(|entry| entry.kind == Kind::Patch && is_ranged(&entry.head));
    for entry in pieces {
        let range = entry.head.get("content-range").unwrap();
        let (_, end) = range.split_once('-').unwrap();
        let length = entry.head.length().unwrap();
        assert!(length >= MIB || end.parse() == Ok(last), "{range}");
    }
}

#[test]
fn a_range_that_is_stale_or_off_by_one_does_not_confuse_pieces() {
    // ECR reports the first piece for ever, and answers 201; others count one byte too many, or tell nothing.
    let changes: [Change; 4] = [
        |reply, _| {
            reply.set_status(201);
            reply.head.set("Range", "0-1048575");
        },
        |reply, _| {
            let end =
                reply.head.get("range").and_then(|range| range.split_once('-')?.1.parse().ok());
            reply.head.set("Range", format!("0-{}", end.unwrap_or(0_u64) + 1));
        },
        |reply, _| reply.head.remove("Range"),
        |reply, _| reply.head.set("Range", "0-0"),
    ];
    for change in changes {
        let mut rules = limited();
        rules.push(Rule::always(Kind::Patch, Fault::Change(change)));
        push(rules);
    }
}

#[test]
fn a_mount_that_only_opens_an_upload_is_used_as_one() {
    let stage = Stage::new(Vec::new());
    let blob = &NEW.blobs[1];
    // The registry answers 202: there is nothing in that repository.
    let placed = stage.client().ensure_blob_from(blob, Some("no/such"), &Silent).unwrap();
    assert_eq!(placed, Placed::Uploaded);
    assert_eq!(stage.proxy.count(Kind::Post), 1);
}

#[test]
fn a_mount_that_is_refused_does_not_fail_the_upload() {
    for status in [400, 401, 403, 404, 405, 429, 500, 503] {
        let rule = Rule::always(Kind::Post, refused(status, "DENIED"));
        let stage = Stage::new(vec![rule.only(|head| head.query("mount").is_some())]);
        let blob = &NEW.blobs[1];
        let placed = stage.client().ensure_blob_from(blob, Some("no/such"), &Silent).unwrap();
        assert_eq!(placed, Placed::Uploaded, "{status}");
        let there = stage.upstream.blob(&blob.digest().to_string());
        assert_eq!(there.as_deref(), Some(blob.bytes()), "{status}");
    }
}

#[test]
fn a_sessions_own_query_comes_back_to_the_letter() {
    let add: Change = |reply, _| {
        let location = reply.head.get("location").unwrap_or_default();
        let sign = if location.contains('?') { '&' } else { '?' };
        let more = format!("{location}{sign}sig=a%2Fb+c%3D%3D&x");
        reply.head.set("Location", more);
    };
    for kind in [Kind::Post, Kind::Patch] {
        let mut rules = vec![Rule::always(kind, Fault::Change(add))];
        if kind == Kind::Patch {
            rules.push(Rule::always(Kind::Put, refused(415, "UNSUPPORTED")).from(1));
        }
        let entries = push(rules);
        let mut puts =
            entries.iter().filter(|entry| entry.upstream == Some(201) && entry.kind == Kind::Put);
        assert!(puts.all(|entry| entry.head.target().contains("sig=a%2Fb+c%3D%3D&x")));
    }
}

#[test]
fn a_broken_body_is_continued_where_the_registry_keeps_it() {
    for (kind, end) in [(Kind::Put, End::Reset), (Kind::Patch, End::Reset), (Kind::Put, End::Close)]
    {
        let mut rules = vec![Rule::new(kind, 2, Fault::InBody(1 << 20, end)).from(MIB)];
        if kind == Kind::Patch {
            rules.push(Rule::always(Kind::Put, refused(415, "UNSUPPORTED")).from(1));
        }
        let stage = Stage::with(Setting { rules, keeps: true, ..Setting::default() });
        stage.play(Act::Push).unwrap().unwrap();
        let entries = stage.proxy.entries();
        let whole_put = |entry: &Entry| kind == Kind::Patch && entry.kind == Kind::Put;
        let sent: u64 = entries
            .iter()
            .filter(|entry| matches!(entry.kind, Kind::Put | Kind::Patch) && !whole_put(entry))
            .map(|entry| entry.received)
            .sum();
        let size: u64 = NEW.blobs.iter().map(|blob| blob.bytes().len() as u64).sum();
        assert!(sent <= size, "{kind:?} {end:?}: {sent} bytes were sent for {size}");
    }
}

#[test]
fn a_token_that_ends_in_the_middle_of_a_push_is_replaced() {
    for (kind, skip) in [(Kind::Post, 1), (Kind::Put, 1), (Kind::Put, 2), (Kind::Post, 2)] {
        let stage = Stage::new(vec![Rule::after(skip, kind, refused(401, "UNAUTHORIZED"))]);
        stage.play(Act::Push).unwrap().unwrap();
        assert_eq!(stage.proxy.count(Kind::Token), 2, "{kind:?}");
    }
}
