//! `AutostartCondition`: when a session starts an entry. A proposal that desktops took up.

use super::lists::is_desktop;
use super::problem::{Problems, shown};

/// Conditions that desktops have of their own: the first words that they need one of, and how many words
/// follow.
const CONDITIONS: [(&str, &[&str], usize); 3] =
    [("GNOME", &[], 1), ("GNOME3", &["if-session", "unless-session"], 1), ("GSettings", &[], 2)];

/// Checks a condition; `place` names its key.
pub(super) fn check(place: &str, value: &[u8], problems: &mut Problems) {
    let blank = value.iter().position(|byte| *byte == b' ');
    let (name, rest) = value.split_at(blank.unwrap_or(value.len()));
    let argument = blank.map(|_| skip(rest));
    let of = format!("the condition {}", shown(name));
    let known = CONDITIONS.iter().find(|(condition, ..)| condition.as_bytes() == name);
    match (name, known) {
        (b"if-exists" | b"unless-exists", _) => match argument {
            None | Some(b"") => problems.error(place, of, "a file behind it"),
            Some(file) if file.starts_with(b"/") => {
                problems.error(place, shown(file), "a file relative to `$XDG_CONFIG_HOME`");
            }
            Some(file) if file == b".." || file.starts_with(b"../") => {
                problems.warning(place, shown(file), "a file below `$XDG_CONFIG_HOME`");
            }
            Some(_) => {}
        },
        (_, Some((_, first, count))) => own(place, &of, argument, (first, *count), problems),
        (name, None) => {
            if !name.starts_with(b"X-") && !is_desktop(name) {
                problems.error(
                    place,
                    of,
                    "a condition that is registered, or one that begins with `X-`",
                );
            }
            if argument == Some(b"") {
                problems.warning(place, "blanks at its end", "none");
            }
        }
    }
}

/// A condition of a desktop's own.
fn own(
    place: &str,
    of: &str,
    argument: Option<&[u8]>,
    (first, count): (&[&str], usize),
    problems: &mut Problems,
) {
    let mut argument = argument.unwrap_or_default();
    if !first.is_empty() {
        let word = first.iter().find(|word| argument.starts_with(word.as_bytes()));
        let Some(word) = word else {
            return problems.error(place, of, format!("one of `{}` behind it", first.join("`, `")));
        };
        let behind = &argument[word.len()..];
        if matches!(behind.first(), None | Some(b' ')) {
            argument = skip(behind);
        }
    }
    let words = argument.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).count();
    // A single word may have blanks.
    if if count == 1 { words == 0 } else { words != count } {
        let expected = format!("{count} behind it");
        problems.error(place, format!("{of} with {words} words"), expected);
    }
}

fn skip(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| *byte != b' ').unwrap_or(text.len());
    &text[start..]
}
