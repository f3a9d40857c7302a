//! MIME types, of which a menu learns what an application opens: RFC 2045, 2046, 2077 and 8081, and what
//! desktops use beside them.

use super::problem::{Problems, shown};

const USUAL: [&str; 11] = [
    "application",
    "audio",
    "font",
    "image",
    "model",
    "text",
    "video",
    "inode",
    "x-content",
    "x-scheme-handler",
    "chemical",
];

/// Types of mails and of their parts, which files seldom have.
const SELDOM: [&str; 2] = ["message", "multipart"];

/// Types that break the rules and are used all the same.
const EXCEPTIONS: [&str; 3] = ["message/rfc822", "multipart/related", "misc/ultravox"];

/// Checks one type of a list; `place` names its key. Nothing here is an error yet.
pub(super) fn check(place: &str, kind: &[u8], problems: &mut Problems) {
    let got = format!("the MIME type {}", shown(kind));
    let exception = EXCEPTIONS.iter().any(|exception| exception.as_bytes() == kind);
    let Some(slash) = kind.iter().position(|byte| *byte == b'/') else {
        return problems.warning(place, got, "`TYPE/SUBTYPE`");
    };
    let (media, subtype) = (&kind[..slash], &kind[slash + 1..]);
    if subtype.is_empty() || !subtype.iter().all(|byte| is_token(*byte)) {
        return problems.warning(place, got, "a subtype of letters that RFC 2045 allows");
    }
    if exception || USUAL.iter().any(|usual| usual.as_bytes() == media) {
        return;
    }
    if SELDOM.iter().any(|seldom| seldom.as_bytes() == media) {
        problems.warning(place, got, "a type that files have");
    } else {
        problems.warning(place, got, "a registered type, such as `application/x-…`");
    }
}

fn is_token(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}
