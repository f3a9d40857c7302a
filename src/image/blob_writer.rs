//! From a tar stream, block by block, to a blob at rest: diff ID, compression and digest in one
//! pass.
//!
//! Hashing the tar and writing the blob must go in order and stay with the thread that reads; only
//! compression, the slow part, is handed to a pool. A window bounds how far reading runs ahead, and
//! with it the memory.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};

use registry::Digest;
use sha2::{Digest as _, Sha256};

use super::Error;
use super::compress::{Compression, Framing, Piece};
use super::pool::{Done, Job, Pool};
use super::spool::{Room, Spooled};

/// A blob at rest and what its layer is known by.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) diff_id: Digest,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) content: Spooled,
}

/// Takes the blocks of one tar stream.
pub(crate) struct BlobWriter<'a> {
    compression: Compression,
    pool: &'a Pool,
    room: Room,
    diff: Sha256,
    digest: Sha256,
    framing: Framing,
    size: u64,
    /// Blocks handed to the pool, and those of them already written.
    sent: usize,
    written: usize,
    early: BTreeMap<usize, Piece>,
    results: (Sender<Done>, Receiver<Done>),
    spare: Vec<Vec<u8>>,
}

impl<'a> BlobWriter<'a> {
    pub(crate) fn new(compression: Compression, pool: &'a Pool, room: Room) -> Result<Self, Error> {
        let framing = Framing::new(compression);
        let mut writer = Self {
            compression,
            pool,
            room,
            diff: Sha256::new(),
            digest: Sha256::new(),
            framing,
            size: 0,
            sent: 0,
            written: 0,
            early: BTreeMap::new(),
            results: mpsc::channel(),
            spare: Vec::new(),
        };
        writer.write(writer.framing.head())?;
        Ok(writer)
    }

    /// Takes the next block, `filled` bytes of `block`, and gives back a buffer of the same length
    /// for the one after it.
    pub(crate) fn block(
        &mut self,
        block: Vec<u8>,
        filled: usize,
        last: bool,
    ) -> Result<Vec<u8>, Error> {
        self.diff.update(&block[..filled]);
        if self.compression == Compression::None {
            self.write(&block[..filled])?;
            return Ok(block);
        }
        let length = block.len();
        let reply = self.results.0.clone();
        self.pool.submit(Job {
            block,
            filled,
            last,
            compression: self.compression,
            index: self.sent,
            reply,
        });
        self.sent += 1;
        let ahead = if last { 0 } else { self.pool.window() };
        while self.sent - self.written > ahead {
            self.collect()?;
        }
        Ok(self.spare.pop().unwrap_or_else(|| vec![0; length]))
    }

    /// Waits for one compressed block, and writes what is due.
    fn collect(&mut self) -> Result<(), Error> {
        let done = self.results.1.recv().map_err(|_| Error::Stopped)?;
        self.spare.push(done.block);
        self.early.insert(done.index, done.piece.map_err(Error::Compress)?);
        while let Some(piece) = self.early.remove(&self.written) {
            self.framing.add(&piece);
            self.write(&piece.bytes)?;
            self.written += 1;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.compression != Compression::None {
            self.digest.update(bytes);
        }
        self.room.write(bytes, self.size)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Closes the blob; the last block has been given.
    pub(crate) fn finish(mut self) -> Result<Blob, Error> {
        self.write(&self.framing.tail())?;
        let diff_id = Digest::from(<[u8; 32]>::from(self.diff.finalize()));
        let digest = match self.compression {
            Compression::None => diff_id,
            Compression::Gzip(_) | Compression::Zstd(_) => {
                Digest::from(<[u8; 32]>::from(self.digest.finalize()))
            }
        };
        Ok(Blob { diff_id, digest, size: self.size, content: self.room.close(self.size)? })
    }
}
