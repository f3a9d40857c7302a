//! Files of a layer that are the same, in content and mode, as an earlier one of it: they go into
//! the tar as hard links to that one.
//!
//! Content alone decides, never how the files came to be on disk: what one store has as hard links
//! another has as copies, and both give the same layer. Sizes are known before anything is read, so
//! only files whose size and mode occur twice are read and hashed, and of the names of one inode
//! only the first. What was found must still be so when the layer is written: the first of each
//! is hashed once more on its way there.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Error;
use super::source::PathSource;
use crate::parallel::in_parallel;
use crate::timings::{self, Stage, time};
use crate::tree::{self, Measured};

/// From how many bytes on a file is worth a link. In a closure of 2 GB with 34,500 files, 332 MB in
/// 374 files are the same as another of 4 KiB or more, and 330 MB in 88 of 16 KiB or more; for the
/// last 2 MB four times as many files would have to be read.
const LEAST: u64 = 16 << 10;

/// The most names that one file gets, the first included; then comes a copy anew. NTFS ends at
/// 1024, ext4 at 65000.
const MOST_NAMES: usize = 1000;

/// From how many bytes on several threads share the hashing: a thread's start is a few KiB's worth.
const SHARED: u64 = 1 << 24;

const BUFFER: usize = 1 << 17;

/// A SHA-256 of content.
type Hash = [u8; 32];

/// The store paths of a layer by their names in the archive.
type Paths<'a> = HashMap<&'a [u8], &'a PathSource>;

/// What became of the search: nothing, of most files.
#[derive(Debug, Default)]
pub(crate) struct Duplicates(HashMap<Vec<u8>, Duplicate>);

/// What a file is to others of its layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Duplicate {
    /// Others are links to it. The hash of its content, unless all of them are one inode.
    First(Option<Hash>),
    /// The same as an earlier one.
    Again(Again),
}

/// A file that need not be stored again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    /// The name in the archive of the first that is the same.
    pub(crate) first: Arc<[u8]>,
    pub(crate) executable: bool,
    pub(crate) size: u64,
    pub(crate) hash: Option<Hash>,
}

impl Duplicates {
    /// Those of other files as well.
    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// What the file with this name in the archive is to others.
    pub(crate) fn of(&self, name: &[u8]) -> Option<&Duplicate> {
        if self.0.is_empty() { None } else { self.0.get(name) }
    }

    /// The names and what they are, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Duplicate)> {
        self.0.iter().map(|(name, duplicate)| (&name[..], duplicate))
    }
}

/// The files of one layer that may have duplicates, in the tar's order.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Their names, one behind the other: there may be very many.
    names: Vec<u8>,
    files: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    /// Where its name ends; it begins where the one before ends.
    end: usize,
    /// How much of that is its path within the store path.
    path: usize,
    measured: Measured,
}

impl Candidates {
    /// Takes note of a file, `path` within its store path, if it is worth it.
    pub(crate) fn add(&mut self, name: &[u8], path: &[u8], measured: Measured) {
        if measured.size >= LEAST {
            self.names.extend_from_slice(name);
            self.files.push(Candidate { end: self.names.len(), path: path.len(), measured });
        }
    }

    fn name(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.files[before].end);
        &self.names[start..self.files[index].end]
    }

    /// Reads what has to be read, of the layer of these store paths.
    pub(crate) fn find(&self, paths: &[PathSource], threads: usize) -> Result<Duplicates, Error> {
        let groups = self.same_measure();
        // Of each inode one name is read, and none where there is but one inode.
        let mut readers: Vec<usize> = Vec::new();
        let mut inodes = BTreeMap::new();
        for group in &groups {
            let from = readers.len();
            for &index in group {
                match self.files[index].measured.inode {
                    Some(inode) if inodes.contains_key(&inode) => {}
                    inode => {
                        inode.map(|inode| inodes.insert(inode, index));
                        readers.push(index);
                    }
                }
            }
            if readers.len() == from + 1 {
                readers.pop();
            }
        }
        readers.sort_unstable();
        let bytes = readers.iter().map(|&index| self.files[index].measured.size);
        let bytes = bytes.fold(0, u64::saturating_add);
        let paths: Paths<'_> = paths.iter().map(|path| (path.name.as_bytes(), path)).collect();
        let order: Vec<usize> = (0..readers.len()).collect();
        let threads = if bytes < SHARED { 1 } else { threads };
        let hashes = in_parallel(&order, threads, |at| self.hash(readers[at], &paths))?;
        let hashes: HashMap<usize, Hash> = readers.into_iter().zip(hashes).collect();
        let mut found = Duplicates::default();
        for group in groups {
            let mut same: BTreeMap<Option<Hash>, Vec<usize>> = BTreeMap::new();
            for index in group {
                let inode = self.files[index].measured.inode;
                let read = inode.and_then(|inode| inodes.get(&inode)).unwrap_or(&index);
                same.entry(hashes.get(read).copied()).or_default().push(index);
            }
            for (hash, indices) in same {
                for names in indices.chunks(MOST_NAMES) {
                    self.link(names, hash, &mut found);
                }
            }
        }
        Ok(found)
    }

    /// The files that share size and mode with others, together.
    fn same_measure(&self) -> Vec<Vec<usize>> {
        let mut sorted: Vec<usize> = (0..self.files.len()).collect();
        let measure = |&index: &usize| {
            let Measured { size, executable, .. } = self.files[index].measured;
            (size, executable)
        };
        sorted.sort_by_key(measure);
        let groups = sorted.chunk_by(|a, b| measure(a) == measure(b));
        groups.filter(|group| group.len() > 1).map(<[usize]>::to_vec).collect()
    }

    /// These files are one.
    fn link(&self, indices: &[usize], hash: Option<Hash>, found: &mut Duplicates) {
        let [first, again @ ..] = indices else { return };
        if again.is_empty() {
            return;
        }
        let name: Arc<[u8]> = self.name(*first).into();
        found.0.insert(name.to_vec(), Duplicate::First(hash));
        for &index in again {
            let Measured { executable, size, .. } = self.files[index].measured;
            let again = Again { first: Arc::clone(&name), executable, size, hash };
            found.0.insert(self.name(index).to_vec(), Duplicate::Again(again));
        }
    }

    fn hash(&self, index: usize, paths: &Paths<'_>) -> Result<Hash, Error> {
        let (name, Candidate { path, measured, .. }) = (self.name(index), &self.files[index]);
        let (root, path) = name.split_at(name.len() - path);
        let root = root.strip_suffix(b"/").unwrap_or(root);
        let changed = || Error::Changed { path: format!("/{}", String::from_utf8_lossy(name)) };
        let source = paths.get(root).ok_or_else(changed)?;
        let mut at = source.real.clone();
        if !path.is_empty() {
            at.push(OsStr::from_bytes(path));
        }
        let mut content = tree::open(&source.real, path, &at)?;
        if (content.executable(), content.size()) != (measured.executable, measured.size) {
            return Err(changed());
        }
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
        loop {
            match content.read(&mut buffer)? {
                0 => return Ok(hash.finalize().into()),
                count => {
                    time(Stage::Hash, || hash.update(&buffer[..count]));
                    timings::count(Stage::Hash, count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
