//! The line formats: `registration` of `closureInfo`, `nix-store --dump-db`, and the old
//! `exportReferencesGraph`, which has neither hash nor size.
//!
//! The second line tells them apart: a hash, or a deriver that is empty or a path.

use super::GraphFileError;
use super::names::Names;
use crate::closure::PathInfo;

/// The lines of a file, numbered from 1.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self, names: &Names<'_>, expected: &str) -> Result<&'a str, GraphFileError> {
        self.number += 1;
        if self.rest.is_empty() {
            return Err(names.unexpected(self.place(), "end of file", expected));
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        Ok(line)
    }

    /// Where the line is that was read last.
    fn place(&self) -> impl Fn() -> String + use<> {
        let number = self.number;
        move || format!("line {number}")
    }

    fn number(&mut self, names: &Names<'_>, expected: &str) -> Result<u64, GraphFileError> {
        let line = self.next(names, expected)?;
        line.parse().map_err(|_| names.unexpected(self.place(), line, expected))
    }
}

pub(super) fn parse(bytes: &[u8], names: &mut Names<'_>) -> Result<Vec<PathInfo>, GraphFileError> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
        names.unexpected(|| format!("line {line}"), "bytes that are not UTF-8", "text")
    })?;
    let with_hashes =
        text.lines().nth(1).is_some_and(|line| !line.is_empty() && !line.starts_with('/'));
    let mut lines = Lines { rest: text, number: 0 };
    let mut infos = Vec::new();
    // `closureInfo` leaves an empty line at the end, or none.
    while !lines.rest.trim_ascii().is_empty() {
        infos.push(record(&mut lines, names, with_hashes)?);
    }
    Ok(infos)
}

fn record(
    lines: &mut Lines<'_>,
    names: &mut Names<'_>,
    with_hashes: bool,
) -> Result<PathInfo, GraphFileError> {
    let line = lines.next(names, "a store path")?;
    let path = names.path(line, lines.place())?;
    let mut info = PathInfo::new(path, 0, Vec::new());
    if with_hashes {
        let line = lines.next(names, "a hash")?;
        let hash = line
            .parse()
            .map_err(|error| names.unexpected(lines.place(), line, format!("a hash: {error}")))?;
        info.nar_hash = Some(hash);
        info.nar_size = lines.number(names, "the size of a NAR")?;
    }
    let line = lines.next(names, "a deriver or an empty line")?;
    if !line.is_empty() {
        info.deriver = Some(names.path(line, lines.place())?);
    }
    // A count is only a claim: nothing is allocated for it.
    for _ in 0..lines.number(names, "the number of references")? {
        let line = lines.next(names, "a reference")?;
        info.references.push(names.path(line, lines.place())?);
    }
    info.references.sort();
    info.references.dedup();
    Ok(info)
}
