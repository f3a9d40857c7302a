//! Nodes in any order become a tree: checked, sorted, and every inode numbered.
//!
//! Sorted is by name within each directory, by bytes, as the kernel's search in directories relies on
//! it. The nodes of a directory get consecutive numbers, and are stored one after the other, so that
//! few headers are needed in its listing, and listing it with `stat` reads little.

use super::error::shown;
use super::{Device, Error, Kind, Node};
use crate::format::MAX_NAME;

/// Symbolic links of the kernel end there.
const MAX_TARGET: usize = 4095;

/// A tree of nodes.
#[derive(Debug)]
pub(super) struct Tree {
    /// Sorted: a directory before what is in it.
    nodes: Vec<Node>,
    /// The directory that each node is in; the root is in itself.
    parents: Vec<usize>,
    /// What is in each directory, sorted by name.
    children: Vec<Vec<usize>>,
    /// Directories, each behind all that are in it: the root is last.
    inside_out: Vec<usize>,
    /// Numbers of inodes, from 1.
    numbers: Vec<u32>,
}

impl Tree {
    pub(super) fn new(mut nodes: Vec<Node>) -> Result<Self, Error> {
        u32::try_from(nodes.len()).map_err(|_| Error::too_many("files", u32::MAX))?;
        nodes.iter().try_for_each(check)?;
        nodes.sort_by(|a, b| parts(&a.path).cmp(parts(&b.path)));
        if let Some(pair) = nodes.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(Error::Twice(shown(&pair[0].path)));
        }
        match nodes.first() {
            Some(Node { path, kind: Kind::Directory, .. }) if path.is_empty() => {}
            _ => return Err(Error::NoRoot),
        }
        let mut parents = vec![0; nodes.len()];
        let mut children = vec![Vec::new(); nodes.len()];
        let mut inside_out = Vec::new();
        // The directories that lead to the node before.
        let mut open = vec![0];
        for index in 1..nodes.len() {
            let path = &nodes[index].path;
            let above = split(path).0;
            while open.last().is_some_and(|&directory| nodes[directory].path != above) {
                inside_out.extend(open.pop());
            }
            let parent = *open.last().ok_or_else(|| Error::NoParent(shown(path)))?;
            parents[index] = parent;
            children[parent].push(index);
            if matches!(nodes[index].kind, Kind::Directory) {
                open.push(index);
            }
        }
        inside_out.extend(open.into_iter().rev());
        let stored = inside_out.iter().flat_map(|&directory| &children[directory]).chain(&[0]);
        let mut numbers = vec![0; nodes.len()];
        for (number, &index) in (1..).zip(stored) {
            numbers[index] = number;
        }
        Ok(Self { nodes, parents, children, inside_out, numbers })
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What is in a directory, sorted by name.
    pub(super) fn children(&self, directory: usize) -> &[usize] {
        &self.children[directory]
    }

    /// How many names a node has: directories also have `.`, and `..` in each one within.
    pub(super) fn links(&self, node: usize) -> Result<u32, Error> {
        let is_directory = |node: usize| matches!(self.nodes[node].kind, Kind::Directory);
        if !is_directory(node) {
            return Ok(1);
        }
        let within = self.children[node].iter().filter(|&&child| is_directory(child)).count();
        u32::try_from(within + 2).map_err(|_| Error::too_many("directories", u32::MAX))
    }

    /// Directories, each behind all that are in it. Whoever stores the inodes of what is in each of
    /// them, and then that of the root, stores all, in the order of their numbers.
    pub(super) fn inside_out(&self) -> &[usize] {
        &self.inside_out
    }

    /// The number of a node's inode.
    pub(super) fn number(&self, node: usize) -> u32 {
        self.numbers[node]
    }

    /// The number of the directory that a node is in; that of the root is one that nobody has.
    pub(super) fn number_above(&self, node: usize) -> u32 {
        match node {
            0 => self.numbers[0].saturating_add(1),
            _ => self.numbers[self.parents[node]],
        }
    }
}

/// A path's directory and its name there.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
}

/// What can be said of a node by itself.
fn check(node: &Node) -> Result<(), Error> {
    let path = || shown(&node.path);
    if !node.path.is_empty() {
        for part in parts(&node.path) {
            let wrong = match part {
                b"" => "an empty part",
                b"." | b".." => "`.` or `..`",
                part if part.contains(&0) => "a NUL byte",
                part if part.len() > MAX_NAME => "a part of more than 256 bytes",
                _ => continue,
            };
            return Err(Error::Name(path(), wrong));
        }
    }
    if node.mode > 0o7777 {
        return Err(Error::Mode { path: path(), mode: node.mode });
    }
    match &node.kind {
        Kind::Symlink(target) if target.is_empty() || target.len() > MAX_TARGET => {
            Err(Error::Target { path: path(), length: target.len() })
        }
        Kind::BlockDevice(device) | Kind::CharacterDevice(device) if device.encode().is_none() => {
            let Device { major, minor } = *device;
            Err(Error::Device { path: path(), major, minor })
        }
        _ => Ok(()),
    }
}

impl Device {
    /// As the kernel keeps it in 32 bits.
    pub(super) fn encode(self) -> Option<u32> {
        let Self { major, minor } = self;
        let fits = major < 1 << 12 && minor < 1 << 20;
        fits.then_some((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12))
    }
}
