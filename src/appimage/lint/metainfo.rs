//! AppStream metadata, by which software centres describe an application. Nothing here is an error.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::entry::Entry;
use super::{Contents, Findings, Severity};
use crate::appimage::contents::join;
use crate::appimage::tree::{File, Source};

const CHECK: &str = "metainfo";

/// Where it belongs, and where it was before.
const DIRS: [&[u8]; 2] = [b"usr/share/metainfo", b"usr/share/appdata"];

/// What its name ends with, now and before.
const SUFFIXES: [&[u8]; 2] = [b".metainfo.xml", b".appdata.xml"];

pub(super) fn check(contents: &Contents, entry: Option<&Entry>, findings: &mut Findings) {
    let Some(id) = entry.and_then(|entry| entry.file.strip_suffix(b".desktop")) else { return };
    let file = |dir: &[u8], suffix: &[u8]| join(dir, &[id, suffix].concat());
    let all = DIRS.iter().flat_map(|dir| SUFFIXES.map(|suffix| file(dir, suffix)));
    let mut found = all.filter_map(|path| contents.file(&path).map(|file| (path, file)));
    let Some((path, found)) = found.next() else {
        let expected = "a description for software centres (AppStream)";
        let path = file(DIRS[0], SUFFIXES[1]);
        return findings.add((Severity::Hint, CHECK), &path, "nothing", expected);
    };
    if path.starts_with(DIRS[1]) {
        findings.add(
            (Severity::Warning, CHECK),
            &path,
            "its old directory",
            "`usr/share/metainfo`",
        );
    }
    if let Some(complaint) = real(&found).and_then(|file| complaint(&file)) {
        let expected = "what `appstreamcli validate` takes";
        findings.add((Severity::Warning, CHECK), &path, complaint, expected);
    }
}

/// What `appstreamcli` has against a file, if it is installed.
fn complaint(file: &PathBuf) -> Option<String> {
    let mut command = Command::new("appstreamcli");
    command.args(["validate", "--no-net", "--no-color"]).arg(file).stdin(Stdio::null());
    let output = command.env("LC_ALL", "C.UTF-8").output().ok()?;
    if output.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let is_fault = |line: &&str| line.starts_with("E: ") || line.starts_with("W: ");
    let fault = said.lines().find(is_fault).unwrap_or("a file that it does not take");
    Some(fault.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn real(file: &File) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    match &file.source {
        Source::Disk { root, path, .. } if path.is_empty() => Some(root.to_path_buf()),
        Source::Disk { root, path, .. } => Some(root.join(std::ffi::OsStr::from_bytes(path))),
        Source::Bytes(_) => None,
    }
}
