//! `AppRun`: there, a file, executable, and something that a kernel can start.

use super::{Contents, Findings, Severity, shown};
use crate::appimage::contents::Place;
use crate::appimage::tree::Item;

const APP_RUN: &[u8] = b"AppRun";

/// Interpreters that scripts find on every machine.
const EVERYWHERE: [&[u8]; 3] = [b"/bin/sh", b"/usr/bin/env", b"/bin/bash"];

pub(super) fn check(contents: &Contents, findings: &mut Findings) {
    let error = (Severity::Error, "app-run");
    let place = contents.follow(APP_RUN);
    let is_there = contents.tree.get(APP_RUN).is_some();
    let Some(file) = contents.file(APP_RUN) else {
        match place {
            _ if !is_there => {
                let expected = "a program to start: name it with `--exec bin/NAME`";
                findings.add(error, APP_RUN, "nothing", expected);
            }
            Place::Own(path) if !matches!(contents.tree.get(&path), Some(Item::Link(_))) => {
                findings.add(error, APP_RUN, "a directory", "a program or a link to one");
            }
            Place::Store(_) => {
                findings.add(error, APP_RUN, "a link to a directory", "a program or a link to one");
            }
            // Links that lead nowhere are told as such.
            _ => {}
        }
        return;
    };
    if !file.executable {
        findings.add(error, APP_RUN, "a file that is not executable", "an executable one");
    }
    // Two letters and as long a path as the kernel reads.
    let start = match file.start(256) {
        Ok(start) => start,
        Err(source) => {
            return findings.add(
                error,
                APP_RUN,
                format!("a file that cannot be read ({source})"),
                "one that can",
            );
        }
    };
    if let Some(line) = start.strip_prefix(b"#!") {
        interpreter(contents, line, findings);
    } else if !start.starts_with(b"\x7fELF") {
        let expected = "a program (ELF), or a script that begins with `#!`";
        findings.add(error, APP_RUN, "a file that no kernel can start", expected);
    }
}

/// What runs a script.
fn interpreter(contents: &Contents, line: &[u8], findings: &mut Findings) {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    let path = line.split(|byte| matches!(byte, b' ' | b'\t')).next().unwrap_or_default();
    let got = format!("a script for `{}`", shown(path));
    if contents.is_in_store(path) {
        if !contents.is_program(&path[1..]) {
            let expected = "an interpreter that is there";
            findings.add((Severity::Error, "app-run"), APP_RUN, got, expected);
        }
    } else if !EVERYWHERE.contains(&path) {
        let expected = "an interpreter in the store, or one that is everywhere such as `/bin/sh`";
        findings.add((Severity::Warning, "app-run"), APP_RUN, got, expected);
    }
}
