//! Metadata: chains of blocks of at most 8 KiB, each after a length of two bytes.
//!
//! What is in them (inodes, listings, tables) crosses their borders, so that it is read through a [`Cursor`]. Each block
//! lies behind the one before it and holds at least a byte, so that following a chain ends with the image.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use super::{Decompress, Error, ReadAt, Reader};
use crate::format::{METADATA_LEN, METADATA_PLAIN};

/// A metadata block, decompressed.
#[derive(Debug)]
pub struct MetadataBlock {
    /// What is in it: 1 to 8192 bytes.
    data: Vec<u8>,
    /// Where the next one is.
    next: u64,
}

/// Metadata blocks that were decompressed before, by position. It may forget any of them.
pub trait MetadataCache {
    /// The block at a position, if it is still known.
    fn get(&self, position: u64) -> Option<Arc<MetadataBlock>>;
    /// Keeps a block for a while.
    fn put(&self, position: u64, block: &Arc<MetadataBlock>);
}

/// A cache for one thread: at most 1 MiB, a slot for each of a position's hashes.
pub struct LocalCache(RefCell<Vec<Slot>>);

type Slot = Option<(u64, Arc<MetadataBlock>)>;

impl LocalCache {
    const SLOTS: usize = 128;

    fn slot(position: u64) -> usize {
        // Fibonacci hashing: blocks follow each other at any distance.
        (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as usize % Self::SLOTS
    }
}

impl Default for LocalCache {
    fn default() -> Self {
        Self(RefCell::new(core::iter::repeat_with(|| None).take(Self::SLOTS).collect()))
    }
}

impl fmt::Debug for LocalCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalCache")
    }
}

impl MetadataCache for LocalCache {
    fn get(&self, position: u64) -> Option<Arc<MetadataBlock>> {
        let slots = self.0.try_borrow().ok()?;
        let (at, block) = slots.get(Self::slot(position))?.as_ref()?;
        (*at == position).then(|| Arc::clone(block))
    }

    fn put(&self, position: u64, block: &Arc<MetadataBlock>) {
        if let Ok(mut slots) = self.0.try_borrow_mut()
            && let Some(slot) = slots.get_mut(Self::slot(position))
        {
            *slot = Some((position, Arc::clone(block)));
        }
    }
}

/// A byte of a chain: the position of its block in the image, and its place in the decompressed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) block: u64,
    pub(super) offset: usize,
}

/// Reads on from a place, from block to block.
#[derive(Clone)]
pub(super) struct Cursor {
    block: Arc<MetadataBlock>,
    at: Place,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cursor").field(&self.at).finish()
    }
}

impl Cursor {
    /// Where the next byte is. At the end of a block it may also be named as the beginning of the next.
    pub(super) fn place(&self) -> Place {
        self.at
    }

    fn rest(&self) -> &[u8] {
        self.block.data.get(self.at.offset..).unwrap_or(&[])
    }

    fn next_block<S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
    ) -> Result<(), Error> {
        let next = self.block.next;
        self.block = reader.metadata_block(next)?;
        self.at = Place { block: next, offset: 0 };
        Ok(())
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize, S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
    ) -> Result<[u8; N], Error> {
        if let Some(&array) = self.rest().first_chunk() {
            self.at.offset += N;
            return Ok(array);
        }
        let mut array = [0; N];
        self.fill(reader, &mut array)?;
        Ok(array)
    }

    /// Fills the buffer with what comes next.
    pub(super) fn fill<S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
        mut into: &mut [u8],
    ) -> Result<(), Error> {
        while !into.is_empty() {
            if self.rest().is_empty() {
                self.next_block(reader)?;
            }
            let rest = self.rest();
            let len = rest.len().min(into.len());
            let (now, later) = into.split_at_mut(len);
            now.copy_from_slice(&rest[..len]);
            into = later;
            self.at.offset += len;
        }
        Ok(())
    }

    /// Leaves out what comes next.
    pub(super) fn skip<S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
        mut len: u64,
    ) -> Result<(), Error> {
        loop {
            let rest = self.rest().len();
            match usize::try_from(len) {
                Ok(len) if len <= rest => {
                    self.at.offset += len;
                    return Ok(());
                }
                _ => len -= rest as u64,
            }
            self.next_block(reader)?;
        }
    }
}

impl<S: ReadAt, C: MetadataCache, D: Decompress> Reader<'_, S, C, D> {
    /// A cursor at a place, which must be within its block or just behind it.
    pub(super) fn cursor(&mut self, at: Place) -> Result<Cursor, Error> {
        let block = self.metadata_block(at.block)?;
        if at.offset > block.data.len() {
            return Err(Error::corrupt(
                "something is said to be behind its metadata block",
                at.block,
            ));
        }
        Ok(Cursor { block, at })
    }

    /// The metadata block at a position, from the cache if it is there.
    fn metadata_block(&mut self, position: u64) -> Result<Arc<MetadataBlock>, Error> {
        if let Some(block) = self.image.cache.get(position) {
            return Ok(block);
        }
        let block = Arc::new(self.load_metadata(position)?);
        self.image.cache.put(position, &block);
        Ok(block)
    }

    fn load_metadata(&mut self, position: u64) -> Result<MetadataBlock, Error> {
        let image = self.image;
        // One read for the length and what is behind it, whatever it will turn out to be.
        let mut stored = [0; 2 + METADATA_LEN];
        let len = image.read_some(&mut stored, position)?;
        let truncated = Error::Truncated { position };
        let (length, rest) = stored[..len].split_first_chunk().ok_or(truncated)?;
        let header = u16::from_le_bytes(*length);
        let length = usize::from(header & !METADATA_PLAIN);
        // In the first days of the format 0 meant 32 KiB; no block of 4.0 is that long.
        if length == 0 || length > METADATA_LEN {
            return Err(Error::corrupt("a metadata block's length is not 1 to 8192", position));
        }
        let stored = rest.get(..length).ok_or(truncated)?;
        let next = position + 2 + length as u64;
        if header & METADATA_PLAIN != 0 {
            return Ok(MetadataBlock { data: stored.to_vec(), next });
        }
        let mut data = [0; METADATA_LEN];
        match self.codec.decompress(image.superblock.compressor, stored, &mut data) {
            Some(len) if (1..=METADATA_LEN).contains(&len) => {
                Ok(MetadataBlock { data: data[..len].to_vec(), next })
            }
            _ => Err(Error::corrupt("a metadata block cannot be decompressed", position)),
        }
    }
}
