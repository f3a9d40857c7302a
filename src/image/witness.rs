//! What sees a file's bytes go by besides the layer that they go into: the NAR of its store path,
//! and the hash that they were found to have before.

use sha2::{Digest, Sha256};

use crate::timings::{self, Stage, time};
use crate::tree::Nar;

/// Sees the content of one store path's files.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) nar: Nar,
    /// Of the present file, if somebody wants to know.
    hash: Option<Sha256>,
}

impl Witness {
    pub(crate) fn new(nar: Nar) -> Self {
        Self { nar, hash: None }
    }

    /// The next file's content is to be hashed by itself.
    pub(crate) fn hash_next(&mut self) {
        self.hash = Some(Sha256::new());
    }

    /// The hash of the file, if [`hash_next`](Self::hash_next) asked for it.
    pub(crate) fn hash(&mut self) -> Option<[u8; 32]> {
        self.hash.take().map(|hash| hash.finalize().into())
    }

    /// A regular file of `size` bytes at `path`, relative to the store path; its content and
    /// [`end_file`](Self::end_file) follow.
    pub(crate) fn file(&mut self, path: &[u8], executable: bool, size: u64) {
        self.nar.file(path, executable, size);
    }

    /// The next bytes of the file.
    pub(crate) fn content(&mut self, bytes: &[u8]) {
        self.nar.content(bytes);
        if let Some(hash) = &mut self.hash {
            time(Stage::Hash, || hash.update(bytes));
            timings::count(Stage::Hash, bytes.len());
        }
    }

    /// The end of a file of `size` bytes.
    pub(crate) fn end_file(&mut self, size: u64) {
        self.nar.end_file(size);
    }
}
