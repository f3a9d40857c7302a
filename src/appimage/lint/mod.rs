//! What is wrong with an AppDir, found before an image is written.
//!
//! All that `appimagetool`, go-appimage, `appdir-lint.sh` and appimagelint look at, and what they do not:
//! links that lead nowhere or out of the image, and programs that the links lead to. Errors are what
//! makes an AppImage that cannot start or be shown in a menu; warnings and hints stop nothing.

mod app_run;
mod entry;
mod icon;
mod libraries;
mod links;
pub(super) mod machine;
mod metainfo;

use std::fmt;

pub use super::desktop::Severity;

use super::contents::Contents;
use super::desktop::Problem;
pub(super) use machine::machines;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Which check found it: `app-run`, `desktop-entry`, `icon`, `library`, `link`, `machine`, `metainfo`.
    pub check: &'static str,
    /// What it is about: a path in the AppDir.
    pub file: String,
    /// Where in there: a key or a line, or nothing.
    pub place: String,
    /// What is there.
    pub got: String,
    /// What may be there.
    pub expected: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, got, expected, .. } = self;
        let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
        write!(f, "`{file}`: {place}got {got}, expected {expected}")
    }
}

/// Looks at everything but machines, which need a look into every program.
pub(super) fn lint(contents: &Contents) -> Vec<Finding> {
    let mut findings = Findings::default();
    app_run::check(contents, &mut findings);
    let entry = entry::check(contents, &mut findings);
    icon::check(contents, entry.as_ref(), &mut findings);
    links::check(contents, &mut findings);
    libraries::check(contents, &mut findings);
    metainfo::check(contents, entry.as_ref(), &mut findings);
    findings.0
}

/// Findings being collected.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        (severity, check): (Severity, &'static str),
        file: &[u8],
        got: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let (file, place, got, expected) =
            (shown(file), String::new(), got.into(), expected.into());
        self.0.push(Finding { severity, check, file, place, got, expected });
    }

    fn problem(&mut self, check: &'static str, file: &[u8], problem: Problem) {
        let Problem { severity, place, got, expected } = problem;
        let place = if place == "the file" { String::new() } else { place };
        self.0.push(Finding { severity, check, file: shown(file), place, got, expected });
    }
}

/// A path in a message.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
