//! The image on its way out. Places in it are counted from where it begins, wherever that is.

use std::io::{BufWriter, Seek, SeekFrom, Write};

use super::Error;
use super::codec::Codec;
use super::metadata::Metadata;
use crate::format::{PADDING, SUPERBLOCK_LEN, Superblock};

/// Small blocks are written together.
const BUFFER: usize = 256 << 10;

/// An image that is being written.
pub(super) struct Output<W: Write> {
    out: BufWriter<W>,
    position: u64,
}

impl<W: Write> Output<W> {
    /// An image from here on; room is left for the superblock.
    pub(super) fn new(out: W) -> Result<Self, Error> {
        let mut output = Self { out: BufWriter::with_capacity(BUFFER, out), position: 0 };
        output.write(&[0; SUPERBLOCK_LEN])?;
        Ok(output)
    }

    /// Where the next byte will be.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(Error::Write)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Writes a table in metadata blocks, and then where each of them is; answers where that begins.
    pub(super) fn write_table(&mut self, entries: &[u8], codec: Codec) -> Result<u64, Error> {
        let start = self.position;
        let mut table = Metadata::new(codec);
        table.write(entries)?;
        let (blocks, starts) = table.finish()?;
        self.write(&blocks)?;
        let pointers = self.position;
        self.write_pointers(start, &starts)?;
        Ok(pointers)
    }

    /// Writes where metadata blocks are that were written from `start` on.
    pub(super) fn write_pointers(&mut self, start: u64, blocks: &[u64]) -> Result<(), Error> {
        blocks.iter().try_for_each(|block| self.write(&(start + block).to_le_bytes()))
    }
}

impl<W: Write + Seek> Output<W> {
    /// Pads the image and puts the superblock where it belongs; answers the length with padding.
    pub(super) fn finish(mut self, superblock: &Superblock) -> Result<u64, Error> {
        let padding = self.position.next_multiple_of(PADDING) - self.position;
        // Less than 4096.
        self.write(&vec![0; usize::try_from(padding).unwrap_or_default()])?;
        let length = self.position;
        let mut out = self.out.into_inner().map_err(|error| Error::Write(error.into_error()))?;
        let end = out.stream_position().map_err(Error::Write)?;
        let mut put = || {
            out.seek(SeekFrom::Start(end - length))?;
            out.write_all(&superblock.encode())?;
            out.seek(SeekFrom::Start(end))?;
            out.flush()
        };
        put().map_err(Error::Write)?;
        Ok(length)
    }
}
