//! An AppDir as it is on disk: read once, never written to.
//!
//! Its links that lead into the store become links into the store of the image, which every runtime can
//! follow, and the store paths that it names, in links, in names or in the contents of its files, are
//! told, since they belong into the image.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use layering::StorePath;

use super::contents::{join, parts};
use super::ignore::Ignore;
use super::tree::{File, Item, Source, Tree};
use super::{Error, METADATA_FILE};
use crate::closure::scan::{Candidates, Scanner};
use crate::closure::{Root, Store};
use crate::tree::{self, Positioned, RegularFile, Visitor, Walker};

/// How much of a file is read at once.
const BUFFER: usize = 128 * 1024;

/// An AppDir.
#[derive(Clone, Debug)]
pub struct AppDir {
    /// Where it is, all links followed.
    pub(super) dir: PathBuf,
    /// What is in it.
    pub(super) tree: Tree,
    /// Store paths that it names.
    pub(super) references: Vec<StorePath>,
    /// Whether it has store paths of its own, as one that came out of an AppImage has.
    pub(super) has_store: bool,
}

impl AppDir {
    /// Whether a directory is an AppDir, and not just something of which one can be made.
    pub fn is_one(dir: &Path) -> bool {
        let is_desktop = |name: &OsStr| name.as_bytes().ends_with(b".desktop");
        dir.join("AppRun").symlink_metadata().is_ok()
            || dir.read_dir().is_ok_and(|mut entries| {
                entries.any(|entry| entry.is_ok_and(|entry| is_desktop(&entry.file_name())))
            })
    }

    /// Reads all of it but what `ignore` has; `store` is what it may refer to.
    pub fn read(dir: &Path, store: &Store, ignore: &Ignore) -> Result<Self, Error> {
        let dir = dir.canonicalize().map_err(|source| Error::AppDir { dir: dir.into(), source })?;
        // A machine without a store has no store paths that anything could refer to.
        let candidates = match store.real_dir().is_dir() {
            true => Some(Candidates::of_store(store).map_err(crate::closure::Error::from)?),
            false => None,
        };
        let own_store = store.dir().as_str().trim_start_matches('/').as_bytes();
        let mut reader = Reader {
            dir: dir.as_path().into(),
            store,
            own_store,
            ignore,
            scanner: candidates.as_ref().map(Scanner::new),
            buffer: vec![0; BUFFER],
            tree: Tree::default(),
            references: BTreeSet::new(),
        };
        Walker::default().walk(&dir, &mut reader)?;
        let Reader { tree, mut references, scanner, .. } = reader;
        references.extend(scanner.into_iter().flat_map(Scanner::into_references));
        let has_store = !tree.names(own_store).is_empty();
        if has_store {
            references.retain(|path| {
                let own = join(own_store, path.as_str().as_bytes());
                tree.get(&own).is_none()
            });
        }
        Ok(Self { dir, tree, references: references.into_iter().collect(), has_store })
    }

    /// The store paths that belong into the image with all that they refer to, and are there.
    pub fn wanted(&self, store: &Store) -> Vec<PathBuf> {
        let there = |path: &&StorePath| store.real_path(path).symlink_metadata().is_ok();
        let name = |path: &StorePath| PathBuf::from(store.dir().join(path));
        self.references.iter().filter(there).map(name).collect()
    }

    /// Its name, without `.AppDir`.
    pub(super) fn name(&self) -> String {
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy();
        name.strip_suffix(".AppDir").unwrap_or(&name).to_owned()
    }
}

struct Reader<'a> {
    dir: Arc<Path>,
    store: &'a Store,
    /// `nix/store`
    own_store: &'a [u8],
    ignore: &'a Ignore,
    scanner: Option<Scanner<'a>>,
    buffer: Vec<u8>,
    tree: Tree,
    references: BTreeSet<StorePath>,
}

impl Reader<'_> {
    /// Whether the path is left out: ignored, the root itself, or what every image gets anew.
    fn skips(&self, path: &[u8]) -> bool {
        path.is_empty() || self.ignore.has(path)
    }

    fn is_own_store(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.own_store).is_some_and(|rest| rest.starts_with(b"/"))
    }

    fn scan(&mut self, text: &[u8]) {
        if let Some(scanner) = &mut self.scanner {
            scanner.feed(text);
            scanner.cut();
        }
    }

    /// The target of a link as the image has it.
    fn target(&mut self, path: &[u8], target: &[u8]) -> Vec<u8> {
        let Some(place) = self.outside(path, target) else { return target.to_vec() };
        let Ok(root) = Root::resolve(self.store, &place) else { return target.to_vec() };
        let depth = parts(path).len() - 1;
        let mut inside = b"../".repeat(depth);
        inside.extend_from_slice(self.own_store);
        inside.push(b'/');
        inside.extend_from_slice(root.path.as_str().as_bytes());
        for part in root.inner.iter().flat_map(|inner| inner.iter()) {
            inside = join(&inside, part.as_bytes());
        }
        self.references.insert(root.path);
        inside
    }

    /// Where a link leads that leaves the AppDir, going by names alone.
    fn outside(&self, path: &[u8], target: &[u8]) -> Option<PathBuf> {
        if target.starts_with(b"/") {
            return Some(OsStr::from_bytes(target).into());
        }
        let depth = parts(path).len() - 1;
        let mut depth = isize::try_from(depth).ok()?;
        let leaves = parts(target).iter().any(|part| {
            depth += if part == b".." { -1 } else { 1 };
            depth < 0
        });
        let from = self.dir.join(OsStr::from_bytes(path));
        leaves.then(|| from.parent().unwrap_or(&self.dir).join(OsStr::from_bytes(target)))
    }
}

impl Visitor for Reader<'_> {
    type Error = tree::Error;

    fn directory(&mut self, path: &[u8]) -> Result<(), tree::Error> {
        if !self.skips(path) {
            self.scan(path);
            self.tree.insert(path, Item::Directory);
        }
        Ok(())
    }

    fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), tree::Error> {
        if !self.skips(path) {
            self.scan(path);
            let own = self.is_own_store(path);
            let target = if own { target.to_vec() } else { self.target(path, target) };
            self.tree.insert(path, Item::Link(target));
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], file: RegularFile<'_>) -> Result<(), tree::Error> {
        if self.skips(path) {
            return Ok(());
        }
        let measured = file.measure()?;
        // What cannot be opened is told now, and not when half of the image is written.
        let open = Positioned::open(&self.dir, path, measured)?;
        self.scan(path);
        if path != METADATA_FILE.as_bytes()
            && !self.is_own_store(path)
            && let Some(scanner) = &mut self.scanner
        {
            let mut done = 0;
            loop {
                let count = open.read_at(&mut self.buffer, done)?;
                scanner.feed(&self.buffer[..count]);
                done += count as u64;
                if count == 0 {
                    break;
                }
            }
            scanner.cut();
        }
        let source = Source::Disk { root: Arc::clone(&self.dir), path: path.into(), measured };
        let executable = measured.executable;
        self.tree.insert(path, Item::File(File { source, executable }));
        Ok(())
    }
}
