//! For which machine the programs are. Links count by what they lead to, so that programs in the store
//! are looked at where they are.

use std::num::NonZeroUsize;

use super::{Contents, Finding, Severity};
use crate::appimage::contents::Bundle;
use crate::appimage::tree::Item;
use crate::image::{Machine, Machines};
use crate::parallel::in_parallel;
use crate::tree::{self, HEAD_LEN, Positioned, RegularFile, Visitor, Walker};

/// All machines that programs and libraries of the image are for.
pub(in crate::appimage) fn machines(
    contents: &Contents,
    threads: NonZeroUsize,
) -> Result<Machines, tree::Error> {
    let mut machines = Machines::default();
    for (path, item) in contents.tree.iter() {
        let Item::File(file) = item else { continue };
        if !may_be_program(path, file.executable) {
            continue;
        }
        let start = file.start(HEAD_LEN).unwrap_or_default();
        if let Some(machine) = start.first_chunk().and_then(Machine::of) {
            machines.add(machine, String::from_utf8_lossy(path).into_owned());
        }
    }
    if let Some(store) = &contents.store {
        of_store(store, threads)?.into_iter().for_each(|found| machines.merge(found));
    }
    Ok(machines)
}

fn of_store(store: &Bundle, threads: NonZeroUsize) -> Result<Vec<Machines>, tree::Error> {
    let all: Vec<usize> = (0..store.closure.paths.len()).collect();
    in_parallel(&all, threads.get(), |at: usize| {
        let path = &store.closure.paths[at].path;
        let real = store.closure.store.real_path(path);
        let mut programs = Programs {
            root: &real,
            name: store.closure.store_dir().join(path),
            found: Machines::default(),
        };
        Walker::default().walk(&real, &mut programs)?;
        Ok(programs.found)
    })
}

/// Libraries need not be executable, and are not everywhere.
fn may_be_program(path: &[u8], executable: bool) -> bool {
    executable || path.windows(3).any(|letters| letters == b".so")
}

struct Programs<'a> {
    root: &'a std::path::Path,
    name: String,
    found: Machines,
}

impl Visitor for Programs<'_> {
    type Error = tree::Error;

    fn directory(&mut self, _: &[u8]) -> Result<(), tree::Error> {
        Ok(())
    }

    fn symlink(&mut self, _: &[u8], _: &[u8]) -> Result<(), tree::Error> {
        Ok(())
    }

    fn file(&mut self, path: &[u8], file: RegularFile<'_>) -> Result<(), tree::Error> {
        let measured = file.measure()?;
        if !may_be_program(path, measured.executable) || measured.size < HEAD_LEN as u64 {
            return Ok(());
        }
        let mut head = [0; HEAD_LEN];
        Positioned::open(self.root, path, measured)?.read_at(&mut head, 0)?;
        if let Some(machine) = Machine::of(&head) {
            let file = String::from_utf8_lossy(path);
            self.found.add(machine, format!("{}/{file}", self.name));
        }
        Ok(())
    }
}

/// The machine that the image is for: the one that is wanted, or that of all its programs. None if it
/// has no programs.
pub(in crate::appimage) fn decide(
    machines: &Machines,
    wanted: Option<&Machine>,
) -> Result<Option<Machine>, Finding> {
    let all = machines.to_names();
    let finding = |expected: String| {
        let list = all.iter().map(|(machine, file)| format!("{machine} (`{file}`)"));
        let got = format!("programs for {}", list.collect::<Vec<_>>().join(", "));
        let file = all.values().next().cloned().unwrap_or_default();
        let place = String::new();
        Finding { severity: Severity::Error, check: "machine", file, place, got, expected }
    };
    match (wanted, all.len()) {
        (Some(wanted), 0) => Ok(Some(wanted.clone())),
        (Some(wanted), _) if all.contains_key(wanted.as_str()) => Ok(Some(wanted.clone())),
        (Some(wanted), _) => Err(finding(format!("some for {wanted}, as `--arch` says"))),
        (None, 0) => Ok(None),
        (None, 1) => Ok(machines.first().cloned()),
        (None, _) => Err(finding("one machine, or `--arch` to say which one counts".into())),
    }
}
