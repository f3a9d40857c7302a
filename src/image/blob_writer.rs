//! From a tar stream, block by block, to a blob at rest: diff ID, compression and digest in one
//! pass.
//!
//! Hashing the tar and writing the blob must go in order and stay with the thread that reads; only
//! compression, the slow part, is handed to a pool, which bounds how far reading runs ahead and with
//! it the memory.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};

use registry::Digest;
use sha2::{Digest as _, Sha256};

use super::Error;
use super::compress::{Codec, Framing, Piece};
use super::hasher::{Hasher, TarHash};
use super::lazy::{Chunk, Packed, Placed, Tail, Unit};
use super::pool::{Done, Job, Pool, UnderWay};
use super::spool::{Room, Spooled};
use crate::timings::{self, Stage, time};

/// A blob at rest and what its layer is known by.
#[derive(Clone, Debug)]
pub(crate) struct Blob<S = Digest> {
    /// The hash of its tar.
    pub(crate) tar: S,
    /// Its own digest; `None` if it is the tar itself.
    pub(crate) digest: Option<Digest>,
    pub(crate) size: u64,
    /// What its descriptor is to say of it.
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) content: Spooled,
}

/// Takes the blocks of one tar stream.
pub(crate) struct BlobWriter<'a, H> {
    codec: Codec,
    room: Room,
    diff: Hasher<H>,
    digest: Sha256,
    framing: Framing,
    size: u64,
    under_way: UnderWay<'a>,
    /// How many blocks have been written, which is the index of the next.
    written: usize,
    early: BTreeMap<usize, (Piece, Vec<Packed>)>,
    /// Bytes of tar so far.
    tar_size: u64,
    /// The chunks of files that have been written, of a lazy format.
    chunks: Vec<Chunk>,
    annotations: BTreeMap<String, String>,
    results: (Sender<Done>, Receiver<Done>),
    spare: Vec<Vec<u8>>,
}

impl<'a, H: TarHash> BlobWriter<'a, H> {
    /// `beside` says whether a thread may be started.
    pub(crate) fn new(
        codec: Codec,
        pool: &'a Pool,
        room: Room,
        beside: bool,
    ) -> Result<Self, Error> {
        let framing = Framing::new(codec);
        // Where blocks are compressed, it is that which takes the time.
        let diff = match codec {
            Codec::NONE if beside => Hasher::beside(),
            _ => Hasher::here(),
        };
        let mut writer = Self {
            codec,
            room,
            diff,
            digest: Sha256::new(),
            framing,
            size: 0,
            under_way: UnderWay::new(pool),
            written: 0,
            early: BTreeMap::new(),
            tar_size: 0,
            chunks: Vec::new(),
            annotations: BTreeMap::new(),
            results: mpsc::channel(),
            spare: Vec::new(),
        };
        writer.write(writer.framing.head())?;
        Ok(writer)
    }

    /// Takes the next block, `filled` bytes of `block`, cut into `units` if it is of a lazy format,
    /// and gives back a buffer of the same length for the one after it.
    pub(crate) fn block(
        &mut self,
        block: Vec<u8>,
        filled: usize,
        units: Vec<Unit>,
        last: bool,
    ) -> Result<Vec<u8>, Error> {
        self.tar_size += filled as u64;
        if self.codec == Codec::NONE {
            self.write(&block[..filled])?;
            return self.diff.update(block, filled);
        }
        let block = self.diff.update(block, filled)?;
        let length = block.len();
        while !self.under_way.reserve() {
            self.collect()?;
        }
        self.under_way.submit(Job {
            block,
            filled,
            last,
            codec: self.codec,
            units,
            index: self.written + self.under_way.count() - 1,
            reply: self.results.0.clone(),
        });
        while let Ok(done) = self.results.1.try_recv() {
            self.take(done)?;
        }
        while last && self.under_way.count() > 0 {
            self.collect()?;
        }
        Ok(self.spare.pop().unwrap_or_else(|| vec![0; length]))
    }

    /// Waits for one compressed block.
    fn collect(&mut self) -> Result<(), Error> {
        let done = time(Stage::Wait, || self.results.1.recv()).map_err(|_| Error::Stopped)?;
        self.take(done)
    }

    /// Keeps a compressed block, and writes what is due.
    fn take(&mut self, done: Done) -> Result<(), Error> {
        self.spare.push(done.block);
        self.early.insert(done.index, done.piece.map_err(Error::Compress)?);
        while let Some((piece, units)) = self.early.remove(&self.written) {
            self.framing.add(&piece);
            self.place(&units);
            self.write(&piece.bytes)?;
            self.written += 1;
            self.under_way.release();
        }
        Ok(())
    }

    /// Takes note of where the chunks among these units will be.
    fn place(&mut self, units: &[Packed]) {
        let mut offset = self.size;
        for &Packed { size, digest } in units {
            self.chunks.extend(digest.map(|digest| Chunk { offset, size, digest }));
            offset += size;
        }
    }

    /// Where the chunks of files are; the last block has been given.
    pub(crate) fn placed(&mut self) -> Placed {
        let chunks = std::mem::take(&mut self.chunks);
        Placed { chunks, blob_size: self.size, tar_size: self.tar_size }
    }

    /// Ends the blob of a lazy format.
    pub(crate) fn tail(&mut self, tail: Tail) -> Result<(), Error> {
        let length = tail.tar.len();
        self.diff.update(tail.tar, length)?;
        self.write(&tail.blob)?;
        self.annotations = tail.annotations;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if self.codec != Codec::NONE {
            time(Stage::Hash, || self.digest.update(bytes));
            timings::count(Stage::Hash, bytes.len());
        }
        time(Stage::Write, || self.room.write(bytes, self.size))?;
        timings::count(Stage::Write, bytes.len());
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Closes the blob; the last block has been given.
    pub(crate) fn finish(mut self) -> Result<Blob<H::Sum>, Error> {
        self.write(&self.framing.tail())?;
        let tar = self.diff.finish()?;
        let digest = (self.codec != Codec::NONE)
            .then(|| Digest::from(<[u8; 32]>::from(self.digest.finalize())));
        let content = self.room.close(self.size)?;
        let Self { size, annotations, .. } = self;
        Ok(Blob { tar, digest, size, annotations, content })
    }
}
