//! Text that may be shown: bounded, without control characters and without secrets.

use std::fmt::Write as _;

use reqwest::Url;

/// `text` without `secret`. A short one may be part of a word by accident; then it gives nothing away.
pub(super) fn without(text: &str, secret: &str) -> String {
    const LONG: usize = 8;
    let in_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, from) = rest.split_at(at);
        let after = &from[secret.len()..];
        let alone = !in_word(before.chars().next_back()) && !in_word(after.chars().next());
        shown.push_str(before);
        shown.push_str(if alone || secret.len() >= LONG { "[secret]" } else { secret });
        rest = after;
    }
    shown + rest
}

/// `text` in at most `limit` characters, none of which is a control character.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        if letter.is_control() {
            let _ = write!(shown, "{}", letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A URL without userinfo, query and fragment, any of which may be a secret.
pub(crate) fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for URLs that cannot carry userinfo in the first place.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    printable(shown.as_str(), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_text_is_bounded_and_plain() {
        assert_eq!(printable("a\n\u{1b}[31mb", 20), "a\\n\\u{1b}[31mb");
        assert_eq!(printable("abcdef", 3), "abc…");
    }

    #[test]
    fn what_was_sent_is_not_repeated() {
        assert_eq!(
            without("you sent `pass`: bad password", "pass"),
            "you sent `[secret]`: bad password"
        );
        assert_eq!(without("xs3cr3t-p4ssx", "s3cr3t-p4ss"), "x[secret]x");
        assert_eq!(without("pass", "pass"), "[secret]");
        assert_eq!(without("nothing", "pass"), "nothing");
    }

    #[test]
    fn urls_lose_their_secrets() {
        let url = Url::parse("https://user:pass@host:5000/v2/x/?_state=secret#token").unwrap();
        assert_eq!(redacted(&url), "https://host:5000/v2/x/");
    }
}
