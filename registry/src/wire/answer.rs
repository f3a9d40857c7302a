//! Reads answers: bounded, and turned into an error when they are not what was expected.
//!
//! Whatever the far side sends is untrusted. Its words are worth repeating, since only it knows why it refused, but
//! no more than a few lines of them and without control characters.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;

use super::transport::Response;
use crate::Error;
use crate::error::printable;

/// More of an error's body than this is not read.
const MAX_WORDS: u64 = 64 * 1024;
/// Characters of the far side's words that are shown.
const SHOWN: usize = 300;
/// A registry that lists all hundred missing blobs is cut short.
const SHOWN_ERRORS: usize = 3;

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
}

/// The error for an answer that says no.
pub(crate) fn refusal(mut response: Response, action: &str, host: &str, authorized: bool) -> Error {
    let status = response.status();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    // What arrived before the connection broke is still worth showing.
    let _ = response.read(MAX_WORDS, &mut body);
    Error::Refused {
        action: action.to_owned(),
        host: host.to_owned(),
        status,
        words: words(&body, &headers),
        retry_after: text(&headers, RETRY_AFTER.as_str())
            .and_then(|value| value.trim().parse().ok())
            .map(Duration::from_secs),
        authorized,
    }
}

fn words(body: &[u8], headers: &HeaderMap) -> String {
    let Ok(parsed) = serde_json::from_slice::<Body>(body) else {
        // A page for browsers helps nobody in a terminal; a plain line may.
        let plain =
            text(headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/plain"));
        return if plain {
            printable(String::from_utf8_lossy(body).trim(), SHOWN)
        } else {
            String::new()
        };
    };
    let mut parts: Vec<String> = parsed
        .errors
        .into_iter()
        .take(SHOWN_ERRORS)
        .map(|entry| {
            [entry.code, entry.message].into_iter().flatten().collect::<Vec<_>>().join(": ")
        })
        .collect();
    parts.extend([parsed.error, parsed.error_description, parsed.details, parsed.message]);
    parts.retain(|part| !part.is_empty());
    printable(&parts.join("; "), SHOWN)
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
        words(body.as_bytes(), &headers)
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
