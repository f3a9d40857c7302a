//! Store paths as nodes, with the canonical metadata of a NAR: executable or not, owner 0, time 1.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use ::squashfs::write::{Kind, Node};
use layering::StorePath;

use super::Error;
use super::disk::DiskFile;
use crate::closure::{Closure, Store};
use crate::image::parents;
use crate::parallel::in_parallel;
use crate::tree::{self, RegularFile, Visitor, Walker};

/// Nodes of a closure, at their places below `nix/store`, and of the directories above them but the
/// root, which may have more in it.
pub fn closure_nodes(closure: &Closure, threads: NonZeroUsize) -> Result<Vec<Node>, Error> {
    store_nodes(&closure.store, closure.paths.iter().map(|info| &info.path), threads)
}

/// As [`closure_nodes`], for some paths of a store.
pub fn store_nodes<'a>(
    store: &Store,
    paths: impl IntoIterator<Item = &'a StorePath>,
    threads: NonZeroUsize,
) -> Result<Vec<Node>, Error> {
    let paths: Vec<&StorePath> = paths.into_iter().collect();
    let all: Vec<usize> = (0..paths.len()).collect();
    let walk = |index: usize| {
        let name = store.dir().join(paths[index]);
        nodes(name.trim_start_matches('/'), &store.real_path(paths[index]))
    };
    let found = in_parallel(&all, threads.get(), walk).map_err(Error::Store)?;
    let above = parents(store.dir()).into_iter();
    let mut nodes: Vec<Node> = above.map(|name| directory(name.into_bytes(), 0o755)).collect();
    nodes.extend(found.into_iter().flatten());
    Ok(nodes)
}

/// A directory that no store path has, with the metadata of those that have one.
pub fn directory(path: Vec<u8>, mode: u16) -> Node {
    node(path, mode, Kind::Directory)
}

fn node(path: Vec<u8>, mode: u16, kind: Kind) -> Node {
    Node { path, mode, uid: 0, gid: 0, mtime: 1, xattrs: Vec::new(), kind }
}

/// What is in the store path that is called `name` in the image.
fn nodes(name: &str, real: &Path) -> Result<Vec<Node>, tree::Error> {
    let mut nodes = Nodes { name, real: real.into(), list: Vec::new() };
    Walker::default().walk(real, &mut nodes)?;
    Ok(nodes.list)
}

struct Nodes<'a> {
    name: &'a str,
    real: Arc<Path>,
    list: Vec<Node>,
}

impl Nodes<'_> {
    fn push(&mut self, path: &[u8], mode: u16, kind: Kind) {
        let mut full = Vec::with_capacity(self.name.len() + 1 + path.len());
        full.extend_from_slice(self.name.as_bytes());
        if !path.is_empty() {
            full.push(b'/');
            full.extend_from_slice(path);
        }
        self.list.push(node(full, mode, kind));
    }
}

impl Visitor for Nodes<'_> {
    type Error = tree::Error;

    fn directory(&mut self, path: &[u8]) -> Result<(), tree::Error> {
        self.push(path, 0o555, Kind::Directory);
        Ok(())
    }

    fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), tree::Error> {
        self.push(path, 0o777, Kind::Symlink(target.into()));
        Ok(())
    }

    fn file(&mut self, path: &[u8], file: RegularFile<'_>) -> Result<(), tree::Error> {
        let measured = file.measure()?;
        let mode = if measured.executable { 0o555 } else { 0o444 };
        let root = Arc::clone(&self.real);
        let content = DiskFile { root, path: path.into(), measured, failed: Error::Store };
        self.push(path, mode, Kind::File(Box::new(content)));
        Ok(())
    }
}
