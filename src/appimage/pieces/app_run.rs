//! `AppRun`: what an AppImage starts.
//!
//! It is a link to the program, relative within the image. So it works wherever the image is mounted or
//! unpacked, needs no shell, and is the same for runtimes that show the store at its own place and for
//! those that cannot.

use super::{Bases, Contents, Error, Request, join};
use crate::appimage::desktop::DesktopEntry;
use crate::appimage::tree::Item;

const APP_RUN: &[u8] = b"AppRun";

/// Makes `AppRun` unless it is there or nobody knows what it should start; answers the program's name.
pub(super) fn complete(
    contents: &mut Contents,
    bases: &Bases,
    request: &Request,
) -> Result<Option<String>, Error> {
    let program = match &request.exec {
        Some(wanted) => Some(named(contents, bases, wanted)?),
        None if contents.tree.get(APP_RUN).is_some() => None,
        None => guessed(contents, bases),
    };
    let Some(program) = program else { return Ok(None) };
    let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    contents.tree.insert(APP_RUN, Item::Link(program));
    Ok(Some(name))
}

/// The program that the user wants: `bin/x`, `x`, or a path in the image or the store.
fn named(contents: &Contents, bases: &Bases, wanted: &str) -> Result<Vec<u8>, Error> {
    let text = wanted.trim_start_matches("./").as_bytes();
    let absolute = wanted.starts_with('/');
    let mut candidates: Vec<Vec<u8>> = Vec::new();
    if absolute {
        if contents.is_in_store(text) {
            candidates.push(text[1..].to_vec());
        }
    } else {
        candidates.extend(bases.dirs.iter().map(|dir| join(dir, text)));
        if text.contains(&b'/') {
            candidates.extend(bases.dirs.iter().map(|dir| join(&join(dir, b"usr"), text)));
        } else {
            candidates.extend(bases.bins().iter().map(|bin| join(bin, text)));
        }
    }
    let mut fit = candidates.into_iter().filter(|path| path != APP_RUN);
    fit.find(|path| contents.is_program(path)).ok_or_else(|| Error::NoProgram {
        wanted: wanted.into(),
        there: programs(contents, bases).iter().map(|path| shown(path)).collect(),
    })
}

/// The program that a root points at or is, the one of the desktop entry, or the only one.
fn guessed(contents: &Contents, bases: &Bases) -> Option<Vec<u8>> {
    let pointed = bases.pointed.iter().chain(&bases.dirs).filter(|path| !path.is_empty());
    if let Some(program) = pointed.clone().find(|path| contents.is_program(path)) {
        return Some(program.clone());
    }
    if let Some(name) = of_entry(contents) {
        let found = bases.bins().into_iter().map(|bin| join(&bin, name.as_bytes()));
        if let Some(program) = found.into_iter().find(|path| contents.is_program(path)) {
            return Some(program);
        }
    }
    match &programs(contents, bases)[..] {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// The program that the desktop entry in the root names.
fn of_entry(contents: &Contents) -> Option<String> {
    let names = contents.tree.names(b"");
    let name = names.into_iter().find(|name| name.ends_with(b".desktop"))?;
    let bytes = contents.file(name)?.read(super::MAX_TEXT).ok()?;
    let entry = DesktopEntry::parse(&bytes);
    let program = crate::appimage::desktop::program(entry.text("Exec")?)?;
    program.rsplit('/').next().map(str::to_owned)
}

/// All programs in `bin`.
pub(super) fn programs(contents: &Contents, bases: &Bases) -> Vec<Vec<u8>> {
    let of_bin = |bin: Vec<u8>| {
        let names = contents.names(&bin).into_iter();
        names.map(|name| join(&bin, &name)).collect::<Vec<_>>()
    };
    let all = bases.bins().into_iter().flat_map(of_bin);
    all.filter(|path| contents.is_program(path)).collect()
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
