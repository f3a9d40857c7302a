//! Metadata: bytes in compressed blocks of 8 KiB, of which a place is named by where its block begins
//! and how far into the block it is.

use super::Error;
use super::codec::Codec;
use crate::format::{METADATA_LEN, METADATA_PLAIN};

/// A stream of metadata that is being written.
pub(super) struct Metadata {
    codec: Codec,
    /// Blocks that are full, as they are stored.
    blocks: Vec<u8>,
    /// Where each of them begins in there.
    starts: Vec<u64>,
    /// What is in the block that is not full yet.
    pending: Vec<u8>,
}

/// A place in a stream of metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Where its block begins, counted from the stream's first byte.
    pub(super) block: u32,
    /// How far into the block it is.
    pub(super) offset: u16,
}

impl Place {
    /// As inodes and tables refer to it.
    pub(super) fn reference(self) -> u64 {
        u64::from(self.block) << 16 | u64::from(self.offset)
    }
}

impl Metadata {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, blocks: Vec::new(), starts: Vec::new(), pending: Vec::new() }
    }

    /// Where the next byte will be.
    pub(super) fn place(&self) -> Result<Place, Error> {
        let block = u32::try_from(self.blocks.len())
            .map_err(|_| Error::too_many("bytes of metadata", u32::MAX))?;
        // A block that is full has been put away.
        let offset = u16::try_from(self.pending.len()).unwrap_or_default();
        Ok(Place { block, offset })
    }

    /// Bytes that fit into the block that is not full yet.
    pub(super) fn room(&self) -> usize {
        METADATA_LEN - self.pending.len()
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.room()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.room() == 0 {
                self.end_block()?;
            }
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), Error> {
        self.starts.push(self.blocks.len() as u64);
        append_block(&mut self.blocks, &mut self.codec, &self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// All blocks as they are stored, and where each begins.
    pub(super) fn finish(mut self) -> Result<(Vec<u8>, Vec<u64>), Error> {
        if !self.pending.is_empty() {
            self.end_block()?;
        }
        Ok((self.blocks, self.starts))
    }
}

/// One block with its header.
fn append_block(blocks: &mut Vec<u8>, codec: &mut Codec, bytes: &[u8]) -> Result<(), Error> {
    let compressed = codec.compress(bytes)?;
    let (stored, bit) = compressed.map_or((bytes, METADATA_PLAIN), |bytes| (bytes, 0));
    let length = u16::try_from(stored.len()).unwrap_or_default();
    blocks.extend_from_slice(&(length | bit).to_le_bytes());
    blocks.extend_from_slice(stored);
    Ok(())
}
