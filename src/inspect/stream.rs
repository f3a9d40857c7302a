//! The blob of a layer as entries: read, checked against its digest, unpacked and hashed in one pass, by
//! two threads.
//!
//! ```text
//! blob ──► digest ──► unpack ──► blocks ══► diff ID ──► tar ──► visitor
//!          (its reader's affair)        └── the other thread
//! ```
//!
//! How much a blob unpacks to is bounded by how large it is ([`Bomb`]).

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use registry::Digest;
use sha2::{Digest as _, Sha256, Sha512};

use crate::aci::ImageId;
use crate::aci::check::Report;
use crate::untar::{Bomb, Counted, Packing, Parser, RawVisitor, pieces, unpacked};

/// Bytes that go from one thread to the other at a time.
const BLOCK: usize = 256 << 10;
/// How many of those may wait.
const AHEAD: usize = 4;

/// What is to be found out about a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// A hash of the tar.
    pub(super) sum: Option<Sum>,
    /// Whether to read to the end also when the tar makes no sense any more.
    pub(super) all: bool,
}

/// A hash that tars are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// That of layers.
    DiffId,
    /// That of ACIs.
    ImageId,
}

/// A tar's hash on its way.
enum Hasher {
    DiffId(Sha256),
    ImageId(Box<Sha512>),
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
    /// The other hash of the tar, likewise.
    pub(super) image_id: Option<ImageId>,
    /// What the blob's reader, or whoever unpacks it, says.
    pub(super) read: io::Result<()>,
    /// What the tar's reader or the visitor says.
    pub(super) entries: Result<(), E>,
    /// What is to be said of an ACI, if that was wanted and all could be read.
    pub(super) aci: Option<Report>,
}

/// Reads a blob and tells `visitor` what is in it.
pub(super) fn stream<V: RawVisitor>(
    blob: Box<dyn Read + Send>,
    wanted: Wanted,
    visitor: &mut V,
) -> io::Result<Streamed<V::Error>> {
    let (mut blob, packed) = Counted::new(blob);
    let (packing, head) = Packing::sniff(&mut blob)?;
    let (sender, full) = sync_channel(AHEAD);
    let (emptied, empty) = channel();
    let hasher = wanted.sum.map(|sum| match sum {
        Sum::DiffId => Hasher::DiffId(Sha256::new()),
        Sum::ImageId => Hasher::ImageId(Box::default()),
    });
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
        let mut parser = Parser::default();
        let entries = pieces(&mut blocks, |piece| parser.feed(piece, visitor));
        let entries = entries.and_then(|()| Ok(parser.finish()?));
        if wanted.all {
            blocks.drain();
        }
        // Else the thread would wait for somebody to take its blocks.
        blocks.full = sync_channel(0).1;
        entries
    });
    let hasher = blocks.hasher.take().filter(|_| blocks.ended && blocks.failure.is_none());
    let (diff_id, image_id) = match hasher {
        Some(Hasher::DiffId(it)) => (Some(Digest::from(<[u8; 32]>::from(it.finalize()))), None),
        Some(Hasher::ImageId(it)) => (None, Some(<[u8; 64]>::from(it.finalize()).into())),
        None => (None, None),
    };
    Ok(Streamed {
        packing,
        packed: packed.load(Ordering::Relaxed),
        unpacked: blocks.unpacked,
        diff_id,
        image_id,
        read: blocks.failure.map_or(Ok(()), Err),
        entries,
        aci: None,
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
        let bomb = || Bomb::check(packed.load(Ordering::Relaxed), unpacked).err();
        let failure = failure.or_else(bomb);
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

/// The tar as it comes from the other thread.
struct Blocks {
    full: Receiver<io::Result<Vec<u8>>>,
    emptied: Sender<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
    unpacked: u64,
    hasher: Option<Hasher>,
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
                match &mut self.hasher {
                    Some(Hasher::DiffId(hash)) => hash.update(&block),
                    Some(Hasher::ImageId(hash)) => hash.update(&block),
                    None => {}
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
