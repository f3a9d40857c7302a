//! Reads answers: bounded, and turned into an error when they are not what was expected.
//!
//! Whatever the far side sends is untrusted. Its words are worth repeating, since only it knows why it refused, but
//! no more than a few lines of them and without control characters.

use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use serde_json::{Value, from_slice};

use super::message::Response;
use crate::error::{Details, printable};
use crate::{Digest, Error};

/// More of an error's body than this is not read.
const MAX_WORDS: u64 = 64 * 1024;
/// Characters of the far side's words that are shown.
const SHOWN: usize = 300;
/// A registry that lists all hundred missing blobs is cut short.
const SHOWN_ERRORS: usize = 3;
/// More than the layers of any image.
const MAX_ERRORS: usize = 1000;

/// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>, and what `OAuth2` servers send.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    errors: Vec<Entry>,
    error: String,
    error_description: String,
    details: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    code: Option<String>,
    message: Option<String>,
    detail: Value,
}

/// The error for an answer that says no.
pub(crate) fn refusal(mut response: Response, action: &str, host: &str, authorized: bool) -> Error {
    let status = response.status();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    // What arrived before the connection broke is still worth showing.
    let _ = response.read(MAX_WORDS, &mut body);
    let parsed = from_slice::<Body>(&body).ok();
    let errors = || parsed.iter().flat_map(|body| &body.errors).take(MAX_ERRORS);
    Error::Refused {
        action: action.to_owned(),
        host: host.to_owned(),
        status,
        words: match &parsed {
            Some(parsed) => said(parsed),
            None => plain(&body, &headers),
        },
        details: Box::new(Details {
            codes: errors().filter_map(|entry| entry.code.clone()).collect(),
            missing: errors().filter_map(Entry::missing).collect(),
        }),
        retry_after: text(&headers, RETRY_AFTER.as_str())
            .and_then(|value| retry_after(value, SystemTime::now())),
        authorized,
    }
}

/// Seconds, or a date (RFC 9110 section 10.2.3); a date that is over means now.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

impl Entry {
    /// The blob that a manifest names and the registry lacks. Distribution has an entry for each.
    fn missing(&self) -> Option<Digest> {
        if !self.code.as_deref()?.ends_with("BLOB_UNKNOWN") {
            return None;
        }
        match &self.detail {
            Value::String(text) => text.parse().ok(),
            detail => detail.get("digest")?.as_str()?.parse().ok(),
        }
    }
}

fn said(body: &Body) -> String {
    let mut parts: Vec<String> = body
        .errors
        .iter()
        .take(SHOWN_ERRORS)
        .map(|entry| {
            [&entry.code, &entry.message]
                .into_iter()
                .filter_map(Option::as_deref)
                .collect::<Vec<_>>()
                .join(": ")
        })
        .collect();
    let others = [&body.error, &body.error_description, &body.details, &body.message];
    parts.extend(others.into_iter().cloned());
    parts.retain(|part| !part.is_empty());
    printable(&parts.join("; "), SHOWN)
}

/// A page for browsers helps nobody in a terminal; a plain line may.
fn plain(body: &[u8], headers: &HeaderMap) -> String {
    let kind = text(headers, CONTENT_TYPE.as_str());
    match kind.is_some_and(|kind| kind.starts_with("text/plain")) {
        true => printable(String::from_utf8_lossy(body).trim(), SHOWN),
        false => String::new(),
    }
}

/// A header's value, if it is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The whole body, unless it is longer than `limit`.
pub(crate) fn bytes(
    mut response: Response,
    limit: u64,
    what: &str,
    action: &str,
    host: &str,
) -> Result<Vec<u8>, Error> {
    let too_large = || Error::TooLarge { what: what.to_owned(), host: host.to_owned(), limit };
    let mut body = Vec::new();
    match response.read(limit, &mut body) {
        Ok(()) if body.len() as u64 > limit => Err(too_large()),
        Ok(()) => Ok(body),
        Err(source) => {
            Err(Error::Interrupted { action: action.to_owned(), host: host.to_owned(), source })
        }
    }
}

/// Reads what is left of an answer that does not matter, so that its connection can be used again.
pub(crate) fn discard(mut response: Response) {
    let _ = response.read(MAX_WORDS, &mut Vec::new());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str, kind: &'static str) -> String {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
        let parsed = from_slice::<Body>(body.as_bytes());
        parsed.map_or_else(|_| plain(body.as_bytes(), &headers), |parsed| said(&parsed))
    }

    #[test]
    fn waits_come_as_seconds_or_as_a_date() {
        let now = httpdate::parse_http_date("Fri, 20 Nov 2026 12:00:00 GMT").unwrap();
        for (value, seconds) in [
            ("3", Some(3)),
            (" 120 ", Some(120)),
            ("Fri, 20 Nov 2026 12:00:07 GMT", Some(7)),
            ("Fri, 20 Nov 2026 11:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn a_registry_names_the_blobs_that_it_lacks() {
        let digest = Digest::of(b"1");
        for (entry, expected) in [
            (
                format!(r#"{{"code":"MANIFEST_BLOB_UNKNOWN","detail":{{"digest":"{digest}"}}}}"#),
                true,
            ),
            (format!(r#"{{"code":"BLOB_UNKNOWN","detail":"{digest}"}}"#), true),
            (format!(r#"{{"code":"DENIED","detail":"{digest}"}}"#), false),
            (r#"{"code":"MANIFEST_BLOB_UNKNOWN"}"#.to_owned(), false),
            (r#"{"detail":[1]}"#.to_owned(), false),
        ] {
            let parsed: Entry = serde_json::from_str(&entry).unwrap();
            assert_eq!(parsed.missing(), expected.then_some(digest), "{entry}");
        }
    }

    #[test]
    fn the_registrys_words_are_kept_short_and_plain() {
        let json = r#"{"errors":[{"code":"DENIED","message":"no\n\u001b[31mway","detail":{}},{"code":"X"}]}"#;
        assert_eq!(shown(json, "application/json"), "DENIED: no\\n\\u{1b}[31mway; X");
        assert_eq!(
            shown(r#"{"details":"incorrect password"}"#, "application/json"),
            "incorrect password"
        );
        assert_eq!(shown("<html>", "text/html"), "");
        assert_eq!(shown(" no such thing\n", "text/plain; charset=utf-8"), "no such thing");
        assert_eq!(shown(&"x".repeat(1000), "text/plain").chars().count(), SHOWN + 1);
    }
}
