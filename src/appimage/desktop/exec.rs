//! Command lines: quotes, reserved characters and field codes.
//!
//! Desktop Entry Specification, "The Exec key". Backslashes are escaped once for the value and once more
//! for the quote, so that two in the file are one here; a single one takes the letter behind it along.

use super::problem::{Problems, shown};

/// What must stand in quotes.
const RESERVED: &[u8] = b"\t\n'><~|&;*?#()";

/// Checks a command line; `place` names its key.
pub(super) fn check(place: &str, value: &[u8], problems: &mut Problems) {
    let mut line =
        Line { place, value, problems, quoted: false, escaped: false, code: false, files: false };
    line.run();
}

#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own")]
struct Line<'a> {
    place: &'a str,
    value: &'a [u8],
    problems: &'a mut Problems,
    /// Between two quotes.
    quoted: bool,
    /// Behind an escaped backslash, until something escapable comes.
    escaped: bool,
    /// Behind a percent sign.
    code: bool,
    /// A field code for files or URLs was there.
    files: bool,
}

impl Line<'_> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(&byte) = self.value.get(at) {
            at += 1;
            match byte {
                // A percent sign stays open over a blank, and two of them are one.
                b' ' => {}
                b'%' => self.code = !self.code,
                b'f' | b'u' | b'F' | b'U' if self.code => {
                    if self.files {
                        self.fault("several of `%f`, `%F`, `%u` and `%U`", "one of them at most");
                    }
                    (self.files, self.code) = (true, false);
                }
                b'i' | b'c' | b'k' if self.code => self.code = false,
                b'd' | b'D' | b'n' | b'N' | b'v' | b'm' if self.code => {
                    let got = format!("`%{}`, which is deprecated", char::from(byte));
                    self.problems.warning(self.place, got, "no such field code");
                    self.code = false;
                }
                _ if self.code => {
                    let got = format!("the field code {}", shown(&[b'%', byte]));
                    self.fault(&got, "one of `%f`, `%F`, `%u`, `%U`, `%i`, `%c`, `%k` and `%%`");
                    self.code = false;
                }
                b'"' => self.quote(),
                b'`' | b'$' => self.dollar(byte),
                b'\\' => match self.value.get(at) {
                    None => self.fault("a backslash at its end", "a letter behind it"),
                    Some(next) => {
                        at += 1;
                        self.escaped ^= self.quoted && *next == b'\\';
                    }
                },
                byte if RESERVED.contains(&byte) && !self.quoted => {
                    self.fault(
                        &format!("{} outside of quotes", shown(&[byte])),
                        "it within quotes",
                    );
                }
                _ => {}
            }
        }
        if self.quoted {
            self.fault("a quote that does not end", "another `\"`");
        }
        if self.code {
            self.fault("a percent sign at its end", "`%%`, or a field code");
        }
    }

    fn quote(&mut self) {
        if self.quoted {
            self.quoted = self.escaped;
        } else if self.escaped {
            self.fault("an escaped quote outside of quotes", "it within quotes");
        } else {
            self.quoted = true;
        }
        self.escaped = false;
    }

    fn dollar(&mut self, byte: u8) {
        let letter = char::from(byte);
        match (self.quoted, self.escaped) {
            (true, true) => self.escaped = false,
            (true, false) => {
                self.fault(&format!("`{letter}` in quotes"), &format!("`\\\\{letter}` there"));
            }
            (false, _) => {
                self.fault(&format!("`{letter}` outside of quotes"), "it within quotes");
            }
        }
    }

    fn fault(&mut self, got: &str, expected: &str) {
        self.problems.error(self.place, format!("{got} in {}", shown(self.value)), expected);
    }
}

/// The program of a command line, without quotes: its first word.
pub(in crate::appimage) fn program(value: &str) -> Option<String> {
    let text = value.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        return text.split(' ').next().filter(|word| !word.is_empty()).map(str::to_owned);
    };
    let mut word = String::new();
    let mut letters = quoted.chars().filter(|letter| *letter != '\\');
    for letter in letters.by_ref() {
        if letter == '"' {
            return (!word.is_empty()).then_some(word);
        }
        word.push(letter);
    }
    None
}
