//! The blob of a layer as entries: read, checked against its digest, unpacked and hashed in one pass, by
//! two threads.
//!
//! ```text
//! blob ──► digest ──► unpack ──► blocks ══► diff ID ──► tar ──► visitor
//!          (its reader's affair)        └── the other thread
//! ```
//!
//! How much a blob unpacks to is bounded by how large it is: no layer that anybody ever made is
//! [`MAX_RATIO`] times smaller than its tar, but a few kilobytes of nothing but zeros are.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use registry::Digest;
use sha2::{Digest as _, Sha256};

use super::packing::Packing;
use crate::untar::{self, Visitor};

/// So many times more than a blob has may come out of it.
pub const MAX_RATIO: u64 = 200;
/// But this much may, whatever the blob's size.
const ALWAYS: u64 = 256 << 20;
/// Bytes that go from one thread to the other at a time.
const BLOCK: usize = 256 << 10;
/// What an unpacker may take, in KiB: as much as the highest level of xz.
const XZ_MEMORY: u32 = 80 << 10;
/// How many of those may wait.
const AHEAD: usize = 4;

/// A blob that unpacks to more than any layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {unpacked} bytes come out of {packed}: it is no layer but a bomb")]
pub struct Bomb {
    /// Bytes that were read.
    pub packed: u64,
    /// Bytes that came out of them.
    pub unpacked: u64,
}

/// What is to be found out about a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The digest of the tar.
    pub(super) diff_id: bool,
    /// Whether to read to the end also when the tar makes no sense any more.
    pub(super) all: bool,
}

/// What came of reading a blob.
#[derive(Debug)]
pub(super) struct Streamed<E> {
    /// How it is packed, by its first bytes.
    pub(super) packing: Packing,
    /// Bytes of the blob that were read.
    pub(super) packed: u64,
    /// Bytes of the tar.
    pub(super) unpacked: u64,
    /// Digest of the tar, if it was wanted and all could be read.
    pub(super) diff_id: Option<Digest>,
    /// What the blob's reader, or whoever unpacks it, says.
    pub(super) read: io::Result<()>,
    /// What the tar's reader or the visitor says.
    pub(super) entries: Result<(), E>,
}

/// Reads a blob and tells `visitor` what is in it.
pub(super) fn stream<V: Visitor>(
    blob: Box<dyn Read + Send>,
    wanted: Wanted,
    visitor: &mut V,
) -> io::Result<Streamed<V::Error>> {
    let packed = Arc::new(AtomicU64::new(0));
    let mut blob = Counted { inner: blob, count: Arc::clone(&packed) };
    let (packing, head) = Packing::sniff(&mut blob)?;
    let (sender, full) = sync_channel(AHEAD);
    let (emptied, empty) = channel();
    let hasher = wanted.diff_id.then(Sha256::new);
    let mut blocks = Blocks {
        full,
        emptied,
        block: Vec::new(),
        at: 0,
        unpacked: 0,
        hasher,
        failure: None,
        ended: false,
    };
    let packed_so_far = Arc::clone(&packed);
    let entries = thread::scope(|scope| {
        scope.spawn(move || {
            let head = io::Cursor::new(head);
            match unpacked(packing, head.chain(blob)) {
                Ok(tar) => fill(tar, &sender, &empty, &packed_so_far),
                // Nobody listens any more: whoever went away knows why.
                Err(error) => drop(sender.send(Err(error))),
            }
        });
        let entries = untar::read(&mut blocks, visitor);
        if wanted.all {
            blocks.drain();
        }
        // Else the thread would wait for somebody to take its blocks.
        blocks.full = sync_channel(0).1;
        entries
    });
    let hasher = blocks.hasher.take().filter(|_| blocks.ended && blocks.failure.is_none());
    Ok(Streamed {
        packing,
        packed: packed.load(Ordering::Relaxed),
        unpacked: blocks.unpacked,
        diff_id: hasher.map(|hasher| Digest::from(<[u8; 32]>::from(hasher.finalize()))),
        read: blocks.failure.map_or(Ok(()), Err),
        entries,
    })
}

/// Whether this is more than ever came out of so much.
pub(super) fn is_bomb(packed: u64, unpacked: u64) -> bool {
    unpacked > ALWAYS && unpacked / MAX_RATIO > packed
}

/// What comes out of a blob.
pub(super) fn unpacked<'a, R: Read + Send + 'a>(
    packing: Packing,
    blob: R,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match packing {
        Packing::None => Box::new(blob),
        Packing::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(BLOCK, blob))),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::new(blob)?),
        Packing::Bzip2 => Box::new(MultiBzDecoder::new(io::BufReader::with_capacity(BLOCK, blob))),
        Packing::Xz => {
            let blob = io::BufReader::with_capacity(BLOCK, blob);
            Box::new(XzReader::new_mem_limit(blob, true, XZ_MEMORY))
        }
    })
}

/// Hands on blocks until there are no more, or nobody wants them.
fn fill(
    mut tar: Box<dyn Read + Send + '_>,
    full: &SyncSender<io::Result<Vec<u8>>>,
    empty: &Receiver<Vec<u8>>,
    packed: &AtomicU64,
) {
    let mut unpacked = 0_u64;
    loop {
        let mut block = empty.try_recv().unwrap_or_default();
        block.resize(BLOCK, 0);
        let filled = fill_block(&mut tar, &mut block);
        let (count, failure) = match filled {
            Ok(count) => (count, None),
            Err((count, error)) => (count, Some(error)),
        };
        block.truncate(count);
        unpacked += count as u64;
        let packed = packed.load(Ordering::Relaxed);
        let is_bomb = is_bomb(packed, unpacked);
        let failure =
            failure.or_else(|| is_bomb.then(|| io::Error::other(Bomb { packed, unpacked })));
        if count > 0 && full.send(Ok(block)).is_err() {
            return;
        }
        match failure {
            Some(error) => return drop(full.send(Err(error))),
            None if count < BLOCK => return,
            None => {}
        }
    }
}

/// Fills the block, if there is so much. A failure comes with what was there before it.
fn fill_block(tar: &mut dyn Read, block: &mut [u8]) -> Result<usize, (usize, io::Error)> {
    let mut filled = 0;
    while filled < block.len() {
        match tar.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((filled, error)),
        }
    }
    Ok(filled)
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The tar as it comes from the other thread.
struct Blocks {
    full: Receiver<io::Result<Vec<u8>>>,
    emptied: Sender<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
    unpacked: u64,
    hasher: Option<Sha256>,
    failure: Option<io::Error>,
    ended: bool,
}

impl Blocks {
    fn next(&mut self) -> io::Result<()> {
        let used = std::mem::take(&mut self.block);
        self.at = 0;
        // The other thread may have ended.
        let _ = self.emptied.send(used);
        match self.full.recv() {
            Ok(Ok(block)) => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&block);
                }
                self.unpacked += block.len() as u64;
                self.block = block;
            }
            Ok(Err(error)) => {
                let told = io::Error::new(error.kind(), error.to_string());
                self.failure = Some(error);
                return Err(told);
            }
            Err(_) => self.ended = true,
        }
        Ok(())
    }

    fn drain(&mut self) {
        while !self.ended && self.failure.is_none() && self.next().is_ok() {}
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Blocks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.block.len() && !self.ended && self.failure.is_none() {
            self.next()?;
        }
        Ok(&self.block[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}
