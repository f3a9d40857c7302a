//! What things may be called (appc spec, "AC Identifier Type" and "AC Name Type"; app container image, "environment").
//!
//! The rules are those of the text. appc's own code only looks at letters and edges, so that `a//b` passes there.

/// Letters that may stand between the words of an identifier.
const SEPARATORS: &[u8] = b"-._~/";

/// What an AC Name is, for messages.
pub(crate) const AC_NAME: &str = "words of `a-z` and `0-9` with single `-` between them";

/// What an AC Identifier is, for messages.
pub(crate) const AC_IDENTIFIER: &str =
    "words of `a-z` and `0-9` with single `-`, `.`, `_`, `~` or `/` between them";

/// What the name of an environment variable is, for messages.
pub(crate) const ENVIRONMENT_NAME: &str = "letters, digits, `_`, `.` and `-`, not a digit first";

/// Whether `text` is `^[a-z0-9]+(-[a-z0-9]+)*$`.
pub(crate) fn is_ac_name(text: &str) -> bool {
    is_words(text, b"-")
}

/// Whether `text` is `^[a-z0-9]+([-._~/][a-z0-9]+)*$`.
pub(crate) fn is_ac_identifier(text: &str) -> bool {
    is_words(text, SEPARATORS)
}

fn is_words(text: &str, separators: &[u8]) -> bool {
    let words = text.as_bytes().split(|byte| separators.contains(byte));
    words.into_iter().all(|word| {
        !word.is_empty()
            && word.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// Whether `text` can name an environment variable.
pub(crate) fn is_environment_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.bytes().next().is_some_and(|first| !first.is_ascii_digit()) && text.bytes().all(letter)
}

/// An AC Name as near to `text` as can be: lower case, and `-` for whatever else does not fit. `None` if nothing fits.
pub(crate) fn to_ac_name(text: &str) -> Option<String> {
    fit(text, b"-")
}

/// As [`to_ac_name`], for an AC Identifier.
pub(crate) fn to_ac_identifier(text: &str) -> Option<String> {
    fit(text, SEPARATORS)
}

fn fit(text: &str, separators: &[u8]) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    for letter in text.chars() {
        let letter = letter.to_ascii_lowercase();
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            name.push(letter);
            continue;
        }
        let between = match u8::try_from(letter) {
            Ok(byte) if separators.contains(&byte) => letter,
            _ => '-',
        };
        // One at a time, and none at the edges.
        if name.bytes().last().is_some_and(|last| !SEPARATORS.contains(&last)) {
            name.push(between);
        }
    }
    name.truncate(name.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric()).len());
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_strict() {
        for good in ["a", "0", "example.com/app", "a-b_c~d.e/f", "123"] {
            assert!(is_ac_identifier(good), "{good}");
        }
        for bad in ["", "A", "a//b", "a--b", "a..b", "/a", "-a", "a/", "a:b", "a+b", "a b", "ä"] {
            assert!(!is_ac_identifier(bad), "{bad}");
        }
        for (text, name, identifier) in [
            ("gtk+3", Some("gtk-3"), Some("gtk-3")),
            ("X11_Socket", Some("x11-socket"), Some("x11_socket")),
            ("/nix/store", Some("nix-store"), Some("nix/store")),
            ("+++", None, None),
            ("a?=b.", Some("a-b"), Some("a-b")),
        ] {
            assert_eq!(to_ac_name(text).as_deref(), name, "{text}");
            assert_eq!(to_ac_identifier(text).as_deref(), identifier, "{text}");
        }
    }

    #[test]
    fn variables_are_named_as_shells_name_them() {
        for good in ["PATH", "_", "a.b-c", "x1"] {
            assert!(is_environment_name(good), "{good}");
        }
        for bad in ["", "1x", "A=B", "BASH_FUNC_x()", "a b"] {
            assert!(!is_environment_name(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_to_fit_fits(text in any::<String>()) {
            prop_assert!(to_ac_name(&text).is_none_or(|name| is_ac_name(&name)));
            prop_assert!(to_ac_identifier(&text).is_none_or(|name| is_ac_identifier(&name)));
        }

        #[test]
        fn what_fits_stays(name in "[a-z0-9]{1,5}([-._~/][a-z0-9]{1,5}){0,4}") {
            prop_assert!(is_ac_identifier(&name));
            prop_assert_eq!(to_ac_identifier(&name), Some(name));
        }
    }
}
