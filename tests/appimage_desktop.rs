//! The checker of desktop entries says what `desktop-file-validate` says: of entries made for each rule,
//! and of what comes out when those are damaged.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use closure2img::appimage::desktop::{Severity, check};
use serde::Deserialize;
use support::peer::program;

/// How many damaged entries are tried.
const DAMAGED: usize = 1500;

/// What damage puts in.
const PIECES: [&[u8]; 22] = [
    b"[",
    b"]",
    b"=",
    b";",
    b"%",
    b"\\",
    b"\"",
    b" ",
    b"\n",
    b"\t",
    b"X-",
    b"$",
    b"f",
    b"/",
    b".",
    b"-",
    b"true",
    b"Actions=",
    b"[Desktop Action new]\n",
    b"\r",
    b"\x0c",
    b"\xc4",
];

/// An entry with the verdict of `desktop-file-validate` 0.26.
#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    errors: bool,
    remarks: bool,
}

fn cases() -> Vec<Case> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/desktop-entries.json");
    let text = std::fs::read_to_string(file).expect("reading the entries");
    serde_json::from_str(&text).expect("a list of entries")
}

/// Whether there are errors, and whether there is less.
fn verdict(name: &str, bytes: &[u8]) -> (bool, bool) {
    let problems = check(name, bytes);
    let errors = problems.iter().any(|problem| problem.severity == Severity::Error);
    (errors, problems.iter().any(|problem| problem.severity != Severity::Error))
}

#[test]
fn every_rule_has_the_recorded_verdict() {
    let cases = cases();
    assert!(cases.len() > 250, "{}", cases.len());
    for Case { name, text, errors, remarks } in cases {
        let problems = check(&name, text.as_bytes());
        assert_eq!(verdict(&name, text.as_bytes()), (errors, remarks), "{name}: {problems:#?}");
    }
}

#[test]
fn desktop_file_validate_agrees() {
    peer!("desktop-file-validate");
    let mut entries: BTreeMap<String, Vec<u8>> =
        cases().into_iter().map(|case| (case.name, case.text.into_bytes())).collect();
    entries.extend(damaged());
    let dir = support::temp_dir();
    for (name, bytes) in &entries {
        std::fs::write(dir.path().join(name), bytes).expect("writing an entry");
    }
    let mut validate = Command::new(program("desktop-file-validate"));
    let output =
        validate.current_dir(dir.path()).args(entries.keys()).output().expect("validating");
    let said = String::from_utf8_lossy(&output.stdout);
    let is_error = |line: &&str| line.contains(": error: ") && !line.contains("(will be fatal");
    let bad: Vec<&str> =
        said.lines().filter(is_error).filter_map(|line| line.split(": ").next()).collect();
    for (name, bytes) in &entries {
        let errors = bad.contains(&name.as_str());
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(verdict(name, bytes).0, errors, "{name}: {:#?}\n{text}", check(name, bytes));
    }
}

/// Entries that were fine until something was put in or taken out, the same in every run.
fn damaged() -> Vec<(String, Vec<u8>)> {
    let fine: Vec<Case> = cases().into_iter().filter(|case| !case.errors).collect();
    let mut state: u64 = 1;
    let mut below = |limit: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % limit.max(1)
    };
    let damage = |number| {
        let mut bytes = fine[below(fine.len())].text.clone().into_bytes();
        let at = below(bytes.len() + 1);
        if below(3) == 0 {
            bytes.drain(at..(at + 2).min(bytes.len()));
        } else {
            bytes.splice(at..at, PIECES[below(PIECES.len())].iter().copied());
        }
        (format!("damaged-{number}.desktop"), bytes)
    };
    (0..DAMAGED).map(damage).collect()
}
