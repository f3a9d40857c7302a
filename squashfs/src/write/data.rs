//! The contents of files: read and compressed by all threads, stored in one order.
//!
//! ```text
//! units ──► read, compress ─────────────► slots ──► image       (large files)
//!     └───► read, hash ──► fragments ──┘   ▲                    (small files)
//!                              └── compress┘
//! ```
//!
//! This thread asks for units ahead of time, takes their results in order, puts small files together into
//! fragments and has all written; where no result is ready, it works on a unit itself. Where a fragment is stored follows from the unit that filled it and not from
//! when it was compressed, so that the number of threads and how far ahead they are do not show.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::block::Block;
use super::output::Output;
use super::pool::{Pool, Ticket, Worker};
use super::source::Source;
use super::units::{Small, Unit, Units};
use super::{Error, Options, duplicates};
use crate::format::NO_FRAGMENT;

/// Where the content of a file is.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// Where its first block is.
    pub(super) start: u64,
    /// Its blocks in [`Data::sizes`].
    pub(super) blocks: Range<usize>,
    /// How many bytes of zeros are in blocks that are not stored.
    pub(super) sparse: u64,
    /// The fragment that has all of it, if it has no blocks.
    pub(super) fragment: u32,
    /// How far into the fragment that is.
    pub(super) offset: u32,
}

impl Default for Stored {
    fn default() -> Self {
        Self { start: 0, blocks: 0..0, sparse: 0, fragment: NO_FRAGMENT, offset: 0 }
    }
}

/// Where all contents are.
#[derive(Debug, Default)]
pub(super) struct Data {
    /// For each file.
    pub(super) files: Vec<Stored>,
    /// Sizes of blocks, as inodes have them.
    pub(super) sizes: Vec<u32>,
    /// Where each fragment is, and its size.
    pub(super) fragments: Vec<(u64, u32)>,
    /// Bytes of files that another file has as well.
    pub(super) duplicate: u64,
}

/// Bytes of files that are under way for each thread, about.
const AHEAD: usize = 8 << 20;

/// Stores what is in `files`, and says where.
pub(super) fn store<'a>(
    files: &[Source<'a>],
    options: &Options,
    pool: &Pool<'a>,
    out: &mut Output,
    progress: &'a (dyn Fn(u64) + Sync),
) -> Result<Data, Error> {
    let same = duplicates::find(files, options.block_size, pool)?;
    let block_size = options.block_size as usize;
    let ahead = options.threads.get().saturating_mul((AHEAD / block_size).max(4));
    let mut units = Units::new(files, &same, options.block_size);
    let mut asked = VecDeque::new();
    let mut store = Store {
        data: Data { files: vec![Stored::default(); files.len()], ..Data::default() },
        out,
        pool,
        block_size,
        fragment: Vec::new(),
        fragments: 0,
        known: HashMap::new(),
        slots: VecDeque::new(),
    };
    loop {
        while asked.len() < ahead
            && let Some(unit) = units.next()
        {
            asked.push_back(Asked::ask(unit, pool, progress));
        }
        match asked.pop_front() {
            None => break,
            Some(Asked::Block(file, ticket)) => {
                store.slots.push_back(Slot::Block(file, pool.wait(&ticket)?));
            }
            Some(Asked::Small(ticket)) => store.take(&pool.wait(&ticket)?)?,
        }
        store.write(ahead)?;
    }
    store.end_fragment()?;
    store.write(0)?;
    let mut data = store.data;
    for (index, same) in same.iter().enumerate() {
        if let Some(same) = *same {
            data.files[index] = data.files[same].clone();
            data.duplicate += files[index].size;
            progress(files[index].size);
        }
    }
    Ok(data)
}

/// A unit that somebody works on.
enum Asked<'a> {
    Block(usize, Ticket<Block>),
    Small(Ticket<Read<'a>>),
}

/// Small files that were read, with the hashes of those that may be the same as others.
struct Read<'a> {
    files: Vec<(Small<'a>, Option<[u8; 32]>)>,
    bytes: Vec<u8>,
}

impl<'a> Asked<'a> {
    fn ask(unit: Unit<'a>, pool: &Pool<'a>, progress: &'a (dyn Fn(u64) + Sync)) -> Self {
        match unit {
            Unit::Block { file, shared, offset, length } => {
                let work = move |worker: &mut Worker| {
                    if worker.buffer.len() <= length {
                        worker.buffer.resize(length + 1, 0);
                    }
                    let handle = shared.handle()?;
                    shared.source.read(&*handle, offset, length, &mut worker.buffer)?;
                    // So that the last one closes the file.
                    drop((handle, shared));
                    progress(length as u64);
                    Block::data(&mut worker.codec, &worker.buffer[..length])
                };
                Self::Block(file, pool.ask(false, work))
            }
            Unit::Small(files) => Self::Small(pool.ask(false, move |_| read(files, progress))),
        }
    }
}

fn read<'a>(files: Vec<Small<'a>>, progress: &(dyn Fn(u64) + Sync)) -> Result<Read<'a>, Error> {
    let length: usize = files.iter().map(|file| file.length as usize).sum();
    let mut bytes = vec![0; length + 1];
    let mut rest = &mut bytes[..];
    let mut read = Vec::with_capacity(files.len());
    for file in files {
        let length = file.length as usize;
        file.source.read(&*file.source.open()?, 0, length, rest)?;
        let (now, later) = rest.split_at_mut(length);
        rest = later;
        let hash = file.compare.then(|| Sha256::digest(now).into());
        read.push((file, hash));
    }
    progress(length as u64);
    Ok(Read { files: read, bytes })
}

/// What is stored, in order.
enum Slot {
    Block(usize, Block),
    Fragment(Ticket<Block>),
}

struct Store<'s, 'a> {
    data: Data,
    out: &'s mut Output,
    pool: &'s Pool<'a>,
    block_size: usize,
    /// The fragment that is being filled.
    fragment: Vec<u8>,
    /// How many are full.
    fragments: u32,
    /// Where small files are that others may be the same as, by length and hash.
    known: HashMap<(u32, [u8; 32]), (u32, u32)>,
    slots: VecDeque<Slot>,
}

impl Store<'_, '_> {
    /// Puts small files into fragments.
    fn take(&mut self, read: &Read<'_>) -> Result<(), Error> {
        let mut bytes = &read.bytes[..];
        for (file, hash) in &read.files {
            let (now, later) = bytes.split_at(file.length as usize);
            bytes = later;
            let key = hash.map(|hash| (file.length, hash));
            let known = key.and_then(|key| self.known.get(&key).copied());
            let (fragment, offset) = match known {
                Some(place) => {
                    self.data.duplicate += now.len() as u64;
                    place
                }
                None => {
                    let place = self.append(now)?;
                    self.known.extend(key.map(|key| (key, place)));
                    place
                }
            };
            let stored = &mut self.data.files[file.file];
            (stored.fragment, stored.offset) = (fragment, offset);
        }
        Ok(())
    }

    /// Puts one small file into a fragment.
    fn append(&mut self, bytes: &[u8]) -> Result<(u32, u32), Error> {
        if self.fragment.len() + bytes.len() > self.block_size {
            self.end_fragment()?;
        }
        let offset = u32::try_from(self.fragment.len()).unwrap_or_default();
        self.fragment.extend_from_slice(bytes);
        Ok((self.fragments, offset))
    }

    fn end_fragment(&mut self) -> Result<(), Error> {
        if self.fragment.is_empty() {
            return Ok(());
        }
        let next = Vec::with_capacity(self.block_size);
        let bytes = mem::replace(&mut self.fragment, next);
        let compress = move |worker: &mut Worker| Block::fragment(&mut worker.codec, &bytes);
        self.slots.push_back(Slot::Fragment(self.pool.ask(true, compress)));
        self.fragments = self
            .fragments
            .checked_add(1)
            .filter(|count| *count < NO_FRAGMENT)
            .ok_or_else(|| Error::too_many("fragments", NO_FRAGMENT - 1))?;
        Ok(())
    }

    /// Writes what is ready, and waits until no more than `left` is not.
    fn write(&mut self, left: usize) -> Result<(), Error> {
        while let Some(slot) = self.slots.pop_front() {
            match slot {
                Slot::Block(file, block) => self.write_block(file, &block)?,
                Slot::Fragment(ticket) if self.slots.len() < left => match ticket.poll() {
                    Some(block) => self.write_fragment(&block?)?,
                    None => {
                        self.slots.push_front(Slot::Fragment(ticket));
                        return Ok(());
                    }
                },
                Slot::Fragment(ticket) => self.write_fragment(&self.pool.wait(&ticket)?)?,
            }
        }
        Ok(())
    }

    fn write_block(&mut self, file: usize, block: &Block) -> Result<(), Error> {
        let sizes = &mut self.data.sizes;
        let stored = &mut self.data.files[file];
        if stored.blocks.is_empty() {
            stored.start = self.out.position();
            stored.blocks = sizes.len()..sizes.len();
        }
        sizes.push(block.size);
        stored.blocks.end = sizes.len();
        stored.sparse += block.zeros;
        self.out.write(&block.bytes)
    }

    fn write_fragment(&mut self, block: &Block) -> Result<(), Error> {
        self.data.fragments.push((self.out.position(), block.size));
        self.out.write(&block.bytes)
    }
}
