//! All that an image will hold, and where the links in it lead.
//!
//! Names are those that they will have in the image: the files of the AppDir at its root, store paths
//! below `nix/store`. A link may lead from one to the other, out to the machine that the AppImage runs
//! on, or nowhere.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType};

use super::tree::{File, Item, Source, Tree};
use crate::closure::Closure;
use crate::image::View;
use crate::tree::Measured;

/// Linux gives up after this many (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// What will be in the image.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    pub(super) tree: Tree,
    pub(super) store: Option<Bundle>,
}

/// The store paths among it.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    pub(super) closure: Closure,
    view: View,
}

/// Where a name leads, all links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To something of the AppDir.
    Own(Vec<u8>),
    /// Into the store, where the file really is.
    Store(PathBuf),
    /// Out of the image, to a file of the machine that it runs on.
    Host(Vec<u8>),
    /// To something that is not there.
    Missing(Vec<u8>),
    /// Round in circles.
    Loop,
}

impl Bundle {
    pub(super) fn new(closure: Closure) -> Self {
        let view = View::new(closure.store_dir().clone(), closure.store.real_dir().into())
            .of_paths(closure.paths.iter().map(|info| info.path.to_string()));
        Self { closure, view }
    }

    /// `nix/store`
    pub(super) fn prefix(&self) -> &[u8] {
        self.closure.store_dir().as_str().trim_start_matches('/').as_bytes()
    }

    /// Where `/nix/store/…` really is, if it is in the closure.
    fn real(&self, name: &[u8]) -> Option<PathBuf> {
        match std::str::from_utf8(name) {
            Ok(name) => self.view.real(name),
            // Links to such names are rare enough to be taken as they stand.
            Err(_) => {
                let rest = name.strip_prefix(self.closure.store_dir().as_str().as_bytes())?;
                let rest = OsStr::from_bytes(rest.strip_prefix(b"/")?);
                let real = self.closure.store.real_dir().join(rest);
                real.symlink_metadata().is_ok().then_some(real)
            }
        }
    }
}

impl Contents {
    /// Where `path` leads, relative to the root of the image.
    pub(super) fn follow(&self, path: &[u8]) -> Place {
        let (mut here, mut ahead) = (Vec::new(), parts(path));
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            if part == b".." {
                if here.is_empty() {
                    return Place::Host(joined(b"..", &ahead));
                }
                here.truncate(here.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                continue;
            }
            let next = join(&here, &part);
            match self.tree.get(&next) {
                Some(Item::Directory) => here = next,
                Some(Item::File(_)) if ahead.is_empty() => return Place::Own(next),
                Some(Item::File(_)) => return Place::Missing(joined(&next, &ahead)),
                Some(Item::Link(target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Place::Loop;
                    }
                    let mut before = parts(target);
                    if target.starts_with(b"/") {
                        if !self.is_in_store(target) {
                            return Place::Host(joined(target, &ahead));
                        }
                        here.clear();
                    }
                    before.append(&mut ahead);
                    ahead = before;
                }
                None => match self.in_store(&next, &ahead) {
                    InStore::Above => here = next,
                    InStore::Within(name) => {
                        let real = self.store.as_ref().and_then(|store| store.real(&name));
                        return real.map_or(Place::Missing(name), Place::Store);
                    }
                    InStore::No => return Place::Missing(joined(&next, &ahead)),
                },
            }
        }
        Place::Own(here)
    }

    /// The regular file that a name leads to.
    pub(super) fn file(&self, path: &[u8]) -> Option<File> {
        match self.follow(path) {
            Place::Own(own) => match self.tree.get(&own) {
                Some(Item::File(file)) => Some(file.clone()),
                _ => None,
            },
            Place::Store(real) => on_disk(&real),
            Place::Host(_) | Place::Missing(_) | Place::Loop => None,
        }
    }

    /// Whether a name leads to a file that may be executed.
    pub(super) fn is_program(&self, path: &[u8]) -> bool {
        self.file(path).is_some_and(|file| file.executable)
    }

    /// The names in the directory that a name leads to, sorted.
    pub(super) fn names(&self, path: &[u8]) -> Vec<Vec<u8>> {
        match self.follow(path) {
            Place::Own(own) => self.tree.names(&own).into_iter().map(<[u8]>::to_vec).collect(),
            Place::Store(real) => {
                let entries = std::fs::read_dir(real).into_iter().flatten().flatten();
                let mut names: Vec<_> =
                    entries.map(|entry| entry.file_name().as_bytes().to_vec()).collect();
                names.sort();
                names
            }
            Place::Host(_) | Place::Missing(_) | Place::Loop => Vec::new(),
        }
    }

    /// Whether an absolute name is in the store, there or not.
    pub(super) fn is_in_store(&self, name: &[u8]) -> bool {
        let Some(store) = &self.store else { return false };
        let rest = name.strip_prefix(store.closure.store_dir().as_str().as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    fn in_store(&self, next: &[u8], ahead: &VecDeque<Vec<u8>>) -> InStore {
        let Some(store) = &self.store else { return InStore::No };
        let prefix = store.prefix();
        let is_above =
            |dir: &[u8]| prefix.strip_prefix(dir).is_some_and(|rest| rest.starts_with(b"/"));
        if next == prefix || is_above(next) {
            return InStore::Above;
        }
        match next.strip_prefix(prefix) {
            Some(rest) if rest.starts_with(b"/") => {
                InStore::Within([b"/", joined(next, ahead).as_slice()].concat())
            }
            _ => InStore::No,
        }
    }
}

/// What a name that the AppDir has not is to the store.
enum InStore {
    /// A directory above all store paths.
    Above,
    /// One of them, or something in one.
    Within(Vec<u8>),
    No,
}

/// The regular file that is really there.
pub(super) fn on_disk(real: &Path) -> Option<File> {
    let stat = rustix::fs::statat(CWD, real, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let measured = Measured::of(&stat);
    let source = Source::Disk { root: Arc::from(real), path: Vec::new(), measured };
    Some(File { source, executable: measured.executable })
}

/// The names in a path, without those that lead nowhere.
pub(super) fn parts(path: &[u8]) -> VecDeque<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    parts.map(<[u8]>::to_vec).collect()
}

/// A name in a directory.
pub(super) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

fn joined(start: &[u8], ahead: &VecDeque<Vec<u8>>) -> Vec<u8> {
    ahead.iter().fold(start.to_vec(), |path, part| join(&path, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(items: &[(&str, Option<&str>)]) -> Contents {
        let mut contents = Contents::default();
        for (path, target) in items {
            let item = match target {
                Some(target) => Item::Link(target.as_bytes().to_vec()),
                None => Item::File(File::made(*b"x")),
            };
            contents.tree.insert(*path, item);
        }
        contents
    }

    #[test]
    fn links_lead_to_files_to_the_host_or_nowhere() {
        let contents = contents(&[
            ("usr/bin/app", None),
            ("AppRun", Some("usr/bin/app")),
            ("usr/up", Some("../usr/./bin")),
            ("round", Some("round")),
            ("gone", Some("usr/none")),
            ("passwd", Some("/etc/passwd")),
            ("out", Some("usr/../../x")),
            ("through", Some("usr/bin/app/x")),
        ]);
        let own = |path: &str| Place::Own(path.as_bytes().to_vec());
        for (path, place) in [
            ("AppRun", own("usr/bin/app")),
            ("usr/up/app", own("usr/bin/app")),
            ("usr/up", own("usr/bin")),
            ("round", Place::Loop),
            ("gone", Place::Missing(b"usr/none".to_vec())),
            ("passwd", Place::Host(b"/etc/passwd".to_vec())),
            ("out", Place::Host(b"../x".to_vec())),
            ("through", Place::Missing(b"usr/bin/app/x".to_vec())),
        ] {
            assert_eq!(contents.follow(path.as_bytes()), place, "{path}");
        }
        assert!(contents.file(b"AppRun").is_some() && !contents.is_program(b"AppRun"));
        assert_eq!(contents.names(b"usr/up"), [b"app"]);
    }
}
