//! Runs the table: every fault, in every kind of request, once, three times and for ever.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use registry::Error;

use crate::fault::{Fault, Kind, Rule};
use crate::story::{Act, ONLY_SILENCE, SOME_SILENCE, Stage, WORDS};
use crate::table::{Ending, Row, TIMES, rows};
use crate::wire::Reply;

/// Stories at once: of those that wait, and of those that work. The latter shall not make the former wait for longer.
const WAITING: usize = 24;
const WORKING: usize = 4;

/// How it ended, if that is an ending that people understand.
fn ending(result: &Result<(), Error>, kind: Kind) -> Result<Ending, String> {
    let error = match result {
        Ok(()) => return Ok(Ending::Done),
        Err(error) => error,
    };
    Ok(match error {
        Error::Refused { status, words, .. } => {
            // A redirect needs no words, and the answer to HEAD has none.
            let mute = kind == Kind::Head || (300..400).contains(status);
            if !mute && !words.contains(WORDS) && !words.contains("UNSUPPORTED") {
                return Err(format!("the registry's words are missing: {error}"));
            }
            if error.hint().is_none() && !matches!(status, 400 | 408 | 415 | 425) {
                return Err(format!("there is no hint: {error}"));
            }
            Ending::Refused(*status)
        }
        Error::Connection { .. } | Error::Interrupted { .. } => Ending::Broken,
        Error::Stalled { .. } => Ending::Silent,
        Error::NotARegistry { .. } => Ending::NoRegistry,
        Error::WrongDigest { .. } | Error::WrongSize { .. } => Ending::WrongDigest,
        other => return Err(format!("{other:?}")),
    })
}

/// Plays one cell. `Err` says what is wrong.
fn play(row: &Row, kind: Kind, times: usize, allowed: &[Ending]) -> Result<(), String> {
    let mut rules = Vec::new();
    if kind == Kind::Patch {
        // Only then is PATCH tried.
        let answer = Fault::Answer(Reply::error(415, "UNSUPPORTED", "whole blobs"));
        rules.push(Rule::always(Kind::Put, answer).from(1));
    }
    let act = match kind {
        Kind::ManifestGet | Kind::BlobGet => Act::Pull,
        _ => Act::Push,
    };
    // These come first in their stories, so that one of them must pass for a token to be taken.
    let skip = usize::from(row.token && matches!(kind, Kind::Head | Kind::ManifestGet));
    let kind = if kind == Kind::Known { Kind::ManifestGet } else { kind };
    let mut rule = Rule { skip, ..Rule::new(kind, times, row.fault.clone()) }.from(row.body);
    if row.token {
        rule = rule.only(|head| head.get("authorization").is_some());
    }
    rules.push(rule);
    let mut stage = Stage::new(rules);
    if row.silent {
        stage.idle = if allowed.contains(&Ending::Done) { SOME_SILENCE } else { ONLY_SILENCE };
    }
    let result = stage.play(act)?;
    if !stage.was_hit(kind) {
        return Err("the fault never came to pass".to_owned());
    }
    let got = ending(&result, kind)?;
    // Where PATCH is all that is left and fails, the registry's no to PUT is as good a reason.
    let other_way = kind == Kind::Patch
        && got == Ending::Refused(415)
        && allowed.iter().any(|ending| *ending != Ending::Done);
    if allowed.contains(&got) || other_way {
        return Ok(());
    }
    let words = result.err().map(|error| error.to_string()).unwrap_or_default();
    Err(format!("ended in {got:?}, allowed are {allowed:?}; {words}"))
}

/// Plays the cells of these columns.
fn column(kind: Kind) {
    let rows = rows();
    let cells =
        rows.iter().filter_map(|row| Some((row, row.endings(kind)?))).flat_map(|(row, endings)| {
            TIMES.iter().zip(endings).map(move |(times, allowed)| (row, times, allowed))
        });
    let (waiting, working): (Vec<_>, Vec<_>) = cells.partition(|(row, ..)| row.silent);
    let failures = Mutex::new(Vec::new());
    for (cells, stories) in [(&waiting, WAITING), (&working, WORKING)] {
        let next = AtomicUsize::new(0);
        let play_all = || {
            while let Some((row, (often, times), allowed)) =
                cells.get(next.fetch_add(1, Ordering::Relaxed))
            {
                if let Err(what) = play(row, kind, *times, allowed) {
                    failures.lock().unwrap().push(format!("{}, {often}: {what}", row.name));
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..stories {
                scope.spawn(play_all);
            }
        });
    }
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let (count, all) = (failures.len(), waiting.len() + working.len());
    assert!(failures.is_empty(), "{kind:?}: {count} of {all} cells:\n{}", failures.join("\n"));
}

#[test]
fn post() {
    column(Kind::Post);
}

#[test]
fn patch() {
    column(Kind::Patch);
}

#[test]
fn put() {
    column(Kind::Put);
}

#[test]
fn head() {
    column(Kind::Head);
}

#[test]
fn manifest_put() {
    column(Kind::ManifestPut);
}

#[test]
fn token() {
    column(Kind::Token);
}

#[test]
fn manifest_get() {
    column(Kind::ManifestGet);
}

#[test]
fn manifest_get_within_a_push() {
    column(Kind::Known);
}

#[test]
fn blob_get() {
    column(Kind::BlobGet);
}
