//! Compares folders byte for byte, link for link and mode for mode; names are bytes, as the kernel has them.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What counts besides kinds, names, contents, link targets and modes.
#[derive(Clone, Copy, Default)]
pub struct Compare {
    /// User and group.
    pub owner: bool,
    /// Modification time, to the second.
    pub mtime: bool,
}

/// Asserts that two trees are equal but for owners and times.
///
/// # Panics
/// If they are not; the message has every difference.
#[track_caller]
pub fn assert_same_tree(a: &Path, b: &Path) {
    let differences = tree_diff(a, b, Compare::default());
    let (a, b, count) = (a.display(), b.display(), differences.len());
    assert!(count == 0, "{a} and {b} differ {count} times:\n{}", differences.join("\n"));
}

/// The differences between two trees, each as a line; a root may be a file or a link. Hard links do not count: they are
/// no part of a store path.
///
/// # Panics
/// If one cannot be read.
#[track_caller]
pub fn tree_diff(a: &Path, b: &Path, compare: Compare) -> Vec<String> {
    let mut differences = Vec::new();
    let walk = Walk { compare, differences: &mut differences }.entry(Path::new("."), a, b);
    walk.unwrap_or_else(|error| panic!("comparing {} and {}: {error}", a.display(), b.display()));
    differences
}

struct Walk<'a> {
    compare: Compare,
    differences: &'a mut Vec<String>,
}

impl Walk<'_> {
    fn entry(&mut self, name: &Path, a: &Path, b: &Path) -> io::Result<()> {
        let (meta_a, meta_b) = (fs::symlink_metadata(a)?, fs::symlink_metadata(b)?);
        let kind_of_a = kind(&meta_a);
        if kind_of_a != kind(&meta_b) {
            self.note(name, "kind", &kind_of_a, &kind(&meta_b));
            return Ok(());
        }
        // A link's mode has no meaning.
        if !meta_a.is_symlink() {
            self.value(name, "mode", meta_a.mode() & 0o7777, meta_b.mode() & 0o7777, |mode| {
                format!("{mode:04o}")
            });
        }
        if self.compare.owner {
            let owner = |meta: &Metadata| (meta.uid(), meta.gid());
            self.value(name, "owner", owner(&meta_a), owner(&meta_b), |owner| format!("{owner:?}"));
        }
        if self.compare.mtime {
            self.value(name, "mtime", meta_a.mtime(), meta_b.mtime(), |time| time.to_string());
        }
        if meta_a.is_symlink() {
            self.value(name, "target", fs::read_link(a)?, fs::read_link(b)?, |target| {
                show(target.as_os_str())
            });
        } else if meta_a.is_dir() {
            self.dir(name, a, b)?;
        } else if meta_a.is_file() {
            self.value(name, "size", meta_a.len(), meta_b.len(), |size| size.to_string());
            if let Some(offset) = first_difference(a, b)? {
                self.differences
                    .push(format!("{}: contents differ at byte {offset}", show(name.as_os_str())));
            }
        }
        Ok(())
    }

    fn dir(&mut self, name: &Path, a: &Path, b: &Path) -> io::Result<()> {
        let (names_a, names_b) = (names(a)?, names(b)?);
        for only in names_b.difference(&names_a) {
            self.differences
                .push(format!("{}: only in the second", show(name.join(only).as_os_str())));
        }
        for child in &names_a {
            let path = name.join(child);
            if names_b.contains(child) {
                self.entry(&path, &a.join(child), &b.join(child))?;
            } else {
                self.differences.push(format!("{}: only in the first", show(path.as_os_str())));
            }
        }
        Ok(())
    }

    fn value<T: PartialEq>(
        &mut self,
        name: &Path,
        what: &str,
        a: T,
        b: T,
        text: impl Fn(T) -> String,
    ) {
        if a != b {
            self.note(name, what, &text(a), &text(b));
        }
    }

    fn note(&mut self, name: &Path, what: &str, a: &str, b: &str) {
        self.differences.push(format!("{}: {what} {a} against {b}", show(name.as_os_str())));
    }
}

fn names(dir: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn kind(meta: &Metadata) -> String {
    let kind = meta.file_type();
    let name = match () {
        () if kind.is_dir() => "folder",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "link",
        () if kind.is_fifo() => "pipe",
        () if kind.is_socket() => "socket",
        () => return format!("device {}", meta.rdev()),
    };
    name.to_owned()
}

fn first_difference(a: &Path, b: &Path) -> io::Result<Option<u64>> {
    let mut bytes_a = BufReader::with_capacity(1 << 16, File::open(a)?).bytes();
    let mut bytes_b = BufReader::with_capacity(1 << 16, File::open(b)?).bytes();
    for offset in 0.. {
        match (bytes_a.next().transpose()?, bytes_b.next().transpose()?) {
            (None, None) => break,
            (a, b) if a == b => {}
            _ => return Ok(Some(offset)),
        }
    }
    Ok(None)
}

fn show(name: &OsStr) -> String {
    name.as_bytes().escape_ascii().to_string()
}
