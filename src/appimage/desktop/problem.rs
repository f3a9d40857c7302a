//! What can be wrong with an entry.

use std::fmt;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It may not stay.
    Error,
    /// It should not stay, but works.
    Warning,
    /// It could be better.
    Hint,
}

impl Severity {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Hint => "hint",
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is: a key with its group, a line, or the file.
    pub place: String,
    /// What is there.
    pub got: String,
    /// What may be there.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: got {}, expected {}", self.place, self.got, self.expected)
    }
}

/// Problems being collected.
#[derive(Debug, Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn add(
        &mut self,
        severity: Severity,
        place: impl Into<String>,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let (place, got, expected) = (place.into(), got.into(), expected.into());
        self.0.push(Problem { severity, place, got, expected });
    }

    pub(super) fn error(
        &mut self,
        place: impl Into<String>,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(Severity::Error, place, got, expected);
    }

    pub(super) fn warning(
        &mut self,
        place: impl Into<String>,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(Severity::Warning, place, got, expected);
    }

    pub(super) fn hint(
        &mut self,
        place: impl Into<String>,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(Severity::Hint, place, got, expected);
    }
}

/// Bytes of a file in a message.
pub(super) fn shown(bytes: &[u8]) -> String {
    format!("`{}`", String::from_utf8_lossy(bytes))
}
