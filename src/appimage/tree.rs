//! What an AppImage holds beside the store: the files of an AppDir, and those that are made for it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ::squashfs::write::{Content, Kind, Node, ReadAt};

use crate::squashfs;
use crate::tree::{Measured, Positioned};

/// Files, links and directories by their paths in the image, which have no slash in front.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(BTreeMap<Vec<u8>, Item>);

/// Something that has a name.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Directory,
    File(File),
    Link(Vec<u8>),
}

/// A regular file.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) source: Source,
    pub(super) executable: bool,
}

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// In a directory that nothing else may lead out of.
    Disk { root: Arc<Path>, path: Vec<u8>, measured: Measured },
    /// Made for the image.
    Bytes(Arc<[u8]>),
}

impl File {
    /// A file that is made for the image.
    pub(super) fn made(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { source: Source::Bytes(bytes.into()), executable: false }
    }

    /// Its length.
    pub(super) fn size(&self) -> u64 {
        match &self.source {
            Source::Disk { measured, .. } => measured.size,
            Source::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// As many of its bytes as there are and as are wanted.
    pub(super) fn start(&self, count: usize) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.size()).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.min(size)];
        let file = Content::open(self)?;
        let mut done = 0;
        while done < bytes.len() {
            match file.read_at(&mut bytes[done..], done as u64)? {
                0 => break,
                read => done += read,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    /// All of its bytes; an error if those are more than `limit`.
    pub(super) fn read(&self, limit: usize) -> io::Result<Vec<u8>> {
        if self.size() > limit as u64 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.start(limit)
    }
}

impl Content for File {
    fn size(&self) -> u64 {
        self.size()
    }

    fn open(&self) -> io::Result<Box<dyn ReadAt>> {
        match &self.source {
            Source::Bytes(bytes) => Ok(Box::new(Arc::clone(bytes))),
            Source::Disk { root, path, measured } => {
                match Positioned::open(root, path, *measured) {
                    Ok(file) => Ok(Box::new(OnDisk(file))),
                    Err(error) => Err(unreadable(error)),
                }
            }
        }
    }
}

struct OnDisk(Positioned);

impl ReadAt for OnDisk {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset).map_err(unreadable)
    }
}

/// What writing an image takes apart again.
fn unreadable(error: crate::tree::Error) -> io::Error {
    io::Error::other(squashfs::Error::Directory(error))
}

impl Tree {
    /// Puts something there, in the place of what was there before, with the directories above it.
    pub(super) fn insert(&mut self, path: impl Into<Vec<u8>>, item: Item) {
        let path = path.into();
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for at in slashes.map(|(at, _)| at).collect::<Vec<_>>() {
            self.0.entry(path[..at].to_vec()).or_insert(Item::Directory);
        }
        self.0.insert(path, item);
    }

    /// Takes something away, without what is in it.
    pub(super) fn remove(&mut self, path: &[u8]) {
        self.0.remove(path);
    }

    /// What is there; the root is not.
    pub(super) fn get(&self, path: &[u8]) -> Option<&Item> {
        self.0.get(path)
    }

    /// All there is, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Item)> {
        self.0.iter().map(|(path, item)| (path.as_slice(), item))
    }

    /// Names in a directory, sorted; the root's if `path` is empty.
    pub(super) fn names(&self, path: &[u8]) -> Vec<&[u8]> {
        let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let inside = self.0.range(prefix.clone()..).map(|(path, _)| path.as_slice());
        let rest = inside.map_while(|path| path.strip_prefix(prefix.as_slice()));
        rest.filter(|rest| !rest.is_empty() && !rest.contains(&b'/')).collect()
    }

    /// As nodes of an image, with its root. Modes are those of a file that is executable or not:
    /// what else they were depends on who unpacked it, and nobody's image shall.
    pub(super) fn nodes(&self, mtime: u32) -> Vec<Node> {
        let node = |path: &[u8], mode, kind| Node {
            path: path.to_vec(),
            mode,
            uid: 0,
            gid: 0,
            mtime,
            xattrs: Vec::new(),
            kind,
        };
        let mut nodes = vec![node(b"", 0o755, Kind::Directory)];
        nodes.extend(self.iter().map(|(path, item)| match item {
            Item::Directory => node(path, 0o755, Kind::Directory),
            Item::Link(target) => node(path, 0o777, Kind::Symlink(target.clone())),
            Item::File(file) => {
                let mode = if file.executable { 0o755 } else { 0o644 };
                node(path, mode, Kind::File(Box::new(file.clone())))
            }
        }));
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_one_directory() {
        let mut tree = Tree::default();
        for path in ["a/b/c", "a/d", "a-b", "e"] {
            tree.insert(path, Item::File(File::made(*b"x")));
        }
        assert_eq!(tree.names(b""), [&b"a"[..], b"a-b", b"e"]);
        assert_eq!(tree.names(b"a"), [&b"b"[..], b"d"]);
        assert!(tree.names(b"none").is_empty());
        assert_eq!(tree.nodes(1).len(), 7);
    }
}
