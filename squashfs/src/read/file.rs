//! Regular files: where their content is, and reading it.
//!
//! A file is a row of blocks, all of the image's block size but the last. Their stored lengths follow the inode, their
//! positions follow from these, so that finding a block means adding up what is before it: a [`Mark`] remembers how far
//! one came. The tail of a file may be in a fragment block that it shares with other tails.

use alloc::vec::Vec;

use super::inode::File;
use super::metadata::{Cursor, Place};
use super::{Decompress, Error, Inode, Kind, MetadataCache, ReadAt, Reader};
use crate::format::BLOCK_PLAIN;

/// A run of a file's bytes that is stored in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where in the file it begins.
    pub offset: u64,
    /// Its length in bytes, 1 to the image's block size.
    pub len: u32,
    /// Where it is.
    pub stored: Stored,
}

/// Where a piece of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Nowhere: it is zeros.
    Hole,
    /// In a block of its own.
    Block(Block),
    /// In a block that it shares, from a place of it on.
    Fragment(Block, u32),
}

/// A data block of the image. Its position tells it from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Bytes from the image's beginning.
    pub position: u64,
    /// Its length there, 1 to the image's block size.
    pub len: u32,
    /// Whether it is compressed there.
    pub compressed: bool,
}

/// A file's pieces, one after the other.
#[derive(Clone, Debug)]
pub struct Content {
    file: File,
    lengths: Cursor,
    at: Mark,
}

/// A block of a file, without what is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its number within the file, from 0.
    pub block: u64,
    position: u64,
    length: Place,
}

/// A fragment block that was decompressed last.
#[derive(Debug, Default)]
pub(super) struct LastFragment {
    position: u64,
    data: Vec<u8>,
}

impl<S: ReadAt, C: MetadataCache, D: Decompress> Reader<'_, S, C, D> {
    /// A file's pieces from its beginning.
    pub fn content(&mut self, inode: &Inode) -> Result<Content, Error> {
        let Kind::File(file) = inode.kind else { return Err(Error::NotAFile) };
        self.content_from(inode, Mark { block: 0, position: file.start, length: file.lengths })
    }

    /// A file's pieces from a mark of the same file.
    pub fn content_from(&mut self, inode: &Inode, at: Mark) -> Result<Content, Error> {
        let Kind::File(file) = inode.kind else { return Err(Error::NotAFile) };
        Ok(Content { file, lengths: self.cursor(at.length)?, at })
    }

    /// A file's bytes from a place of it until the buffer or the file ends, and how many they are.
    pub fn read_at(&mut self, inode: &Inode, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let mut content = self.content(inode)?;
        content.skip_to(self, offset / u64::from(self.image.superblock.block_size))?;
        let mut whole = Vec::new();
        let mut done = 0;
        while done < into.len() {
            let Some(piece) = content.next(self)? else { break };
            let start = usize::try_from((offset + done as u64).saturating_sub(piece.offset))
                .unwrap_or(usize::MAX);
            let len = (piece.len as usize).saturating_sub(start).min(into.len() - done);
            if len == 0 {
                break;
            }
            let now = &mut into[done..done + len];
            if len == piece.len as usize {
                self.read_piece(&piece, now)?;
            } else {
                whole.resize(piece.len as usize, 0);
                self.read_piece(&piece, &mut whole)?;
                now.copy_from_slice(&whole[start..start + len]);
            }
            done += len;
        }
        Ok(done)
    }

    /// A piece's bytes. The buffer must be as long as the piece.
    ///
    /// # Panics
    /// If it is not.
    pub fn read_piece(&mut self, piece: &Piece, into: &mut [u8]) -> Result<(), Error> {
        assert_eq!(into.len(), piece.len as usize, "a buffer of another length than the piece's");
        match piece.stored {
            Stored::Hole => into.fill(0),
            Stored::Block(block) => {
                if self.read_block(&block, into)? != into.len() {
                    return Err(Error::corrupt("a data block is too short", block.position));
                }
            }
            Stored::Fragment(block, offset) => {
                if self.fragment.data.is_empty() || self.fragment.position != block.position {
                    let mut data = core::mem::take(&mut self.fragment.data);
                    fit(&mut data, self.image.superblock.block_size as usize);
                    let len = self.read_block(&block, &mut data)?;
                    data.truncate(len);
                    self.fragment = LastFragment { position: block.position, data };
                }
                let start = offset as usize;
                let short = Error::corrupt("a file's tail is outside of its block", block.position);
                let tail = self.fragment.data.get(start..).and_then(|rest| rest.get(..into.len()));
                into.copy_from_slice(tail.ok_or(short)?);
            }
        }
        Ok(())
    }

    /// A block's bytes, decompressed to the buffer's beginning, and how many they are. More than the buffer is an error;
    /// no block is more than the image's block size.
    pub fn read_block(&mut self, block: &Block, into: &mut [u8]) -> Result<usize, Error> {
        let image = self.image;
        let len = block.len as usize;
        if !block.compressed {
            let long = Error::corrupt("a data block is too long", block.position);
            image.read_exact(into.get_mut(..len).ok_or(long)?, block.position)?;
            return Ok(len);
        }
        if self.scratch.len() < len {
            fit(&mut self.scratch, image.superblock.block_size.max(block.len) as usize);
        }
        let stored = &mut self.scratch[..len];
        image.read_exact(stored, block.position)?;
        self.codec
            .decompress(image.superblock.compressor, stored, into)
            .filter(|&len| len <= into.len())
            .ok_or(Error::corrupt("a data block cannot be decompressed", block.position))
    }

    /// A data block from its position and the length that the image has for it.
    fn block(&self, position: u64, length: u32) -> Result<Block, Error> {
        let superblock = &self.image.superblock;
        let len = length & !BLOCK_PLAIN;
        if len == 0 || len > superblock.block_size {
            let what = "a data block is longer than blocks can be";
            return Err(Error::corrupt(what, position));
        }
        let end = position.checked_add(len.into());
        if end.is_none_or(|end| end > superblock.bytes_used) {
            return Err(Error::corrupt("a data block is outside of the image", position));
        }
        Ok(Block { position, len, compressed: length & BLOCK_PLAIN == 0 })
    }

    fn fragment_block(&mut self, index: u32) -> Result<Block, Error> {
        let superblock = &self.image.superblock;
        let table = superblock.fragment_table;
        if index >= superblock.fragments {
            return Err(Error::corrupt("a file's tail is in no fragment that there is", table));
        }
        // The last four bytes mean nothing.
        let entry: [u8; 16] = self.table_entry(table, index)?;
        let [p0, p1, p2, p3, p4, p5, p6, p7, l0, l1, l2, l3, ..] = entry;
        let position = u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]);
        self.block(position, u32::from_le_bytes([l0, l1, l2, l3]))
    }
}

impl Content {
    /// Where the next piece is, to go on from there another time.
    pub fn mark(&self) -> Mark {
        Mark { length: self.lengths.place(), ..self.at }
    }

    /// The next piece, if there is one.
    pub fn next<S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
    ) -> Result<Option<Piece>, Error> {
        let block_size = reader.image.superblock.block_size;
        let offset = self.at.block.saturating_mul(block_size.into());
        if offset >= self.file.size {
            return Ok(None);
        }
        let rest = self.file.size - offset;
        let len = u32::try_from(rest).map_or(block_size, |rest| rest.min(block_size));
        if let (true, Some((index, start))) = (len < block_size, self.file.fragment) {
            let stored = Stored::Fragment(reader.fragment_block(index)?, start);
            self.at.block += 1;
            return Ok(Some(Piece { offset, len, stored }));
        }
        let stored = match u32::from_le_bytes(self.lengths.array(reader)?) {
            0 => Stored::Hole,
            length => {
                let block = reader.block(self.at.position, length)?;
                self.at.position += u64::from(block.len);
                Stored::Block(block)
            }
        };
        self.at.block += 1;
        Ok(Some(Piece { offset, len, stored }))
    }

    /// Goes on to a block further behind; what is already behind it stays.
    pub fn skip_to<S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
        block: u64,
    ) -> Result<(), Error> {
        let block_size = u64::from(reader.image.superblock.block_size);
        let blocks = match self.file.fragment {
            Some(_) => self.file.size / block_size,
            None => self.file.size.div_ceil(block_size),
        };
        while self.at.block < block.min(blocks) {
            let length = u32::from_le_bytes(self.lengths.array(reader)?);
            // Cannot overflow: fewer than 2^51 blocks, each of fewer than 2^24 bytes, would not fit any image.
            self.at.position = self.at.position.saturating_add(u64::from(length & !BLOCK_PLAIN));
            self.at.block += 1;
        }
        // The tail, or what is behind the end.
        self.at.block = self.at.block.max(block);
        Ok(())
    }
}

/// Makes a buffer as long as that. What is new comes as zeros from the allocator, which may have no need to write them.
fn fit(buffer: &mut Vec<u8>, len: usize) {
    if buffer.capacity() < len {
        *buffer = alloc::vec![0; len];
    }
    buffer.resize(len, 0);
}
