//! The content of files.

use alloc::vec::Vec;
use core::ops::Range;

use squashfs::read::{Block, Content, Decompress, Error, Inode, Kind, Mark, Piece, ReadAt, Stored};

use super::blocks::Pinned;
use super::worker::Worker;
use crate::mutex::Mutex;

/// How many files' marks are kept.
const MARKS: usize = 64;

/// Blocks from which on it is worth remembering where one is: the lengths before it would fill part of a metadata block.
const FAR: u64 = 512;

/// Where reading of large files has come to, so that what is before need not be added up again.
#[derive(Debug)]
pub(super) struct Marks(Mutex<[Option<(u64, Mark)>; MARKS]>);

impl Default for Marks {
    fn default() -> Self {
        Self(Mutex::new([None; MARKS]))
    }
}

impl Marks {
    fn slot(node: u64) -> usize {
        usize::from(node.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]) % MARKS
    }

    fn before(&self, node: u64, block: u64) -> Option<Mark> {
        let (of, mark) = self.0.lock()[Self::slot(node)]?;
        (of == node && mark.block <= block).then_some(mark)
    }

    fn keep(&self, node: u64, mark: Mark) {
        self.0.lock()[Self::slot(node)] = Some((node, mark));
    }
}

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Part {
    Zeros(usize),
    Block(Pinned<'static>, Range<usize>),
}

/// Appends the bytes of parts.
pub(super) fn append(parts: &[Part], out: &mut Vec<u8>) {
    for part in parts {
        match part {
            Part::Zeros(len) => out.resize(out.len() + len, 0),
            Part::Block(block, range) => {
                out.extend_from_slice(block.get(range.clone()).unwrap_or(&[]));
            }
        }
    }
}

impl<S: ReadAt + Send + Sync + 'static, D: Decompress> Worker<S, D> {
    /// The parts of a file from a place on, as many bytes as wanted or until its end.
    pub(super) fn parts(
        &mut self,
        inode: &Inode,
        offset: u64,
        len: usize,
        parts: &mut Vec<Part>,
    ) -> Result<(), Error> {
        let Kind::File(file) = inode.kind else { return Err(Error::NotAFile) };
        let end = offset.saturating_add(len as u64).min(file.size);
        if offset >= end {
            return Ok(());
        }
        let block = offset / u64::from(self.server.image.superblock().block_size);
        let mut content = self.content(inode, block)?;
        let mut at = offset;
        while at < end {
            let Some(piece) = content.next(&mut self.reader)? else { break };
            // Pieces are at most a megabyte, and begin at or before where we are.
            let within = |at: u64| usize::try_from(at - piece.offset).unwrap_or(usize::MAX);
            let last = end.min(piece.offset + u64::from(piece.len));
            parts.push(self.part(&piece, within(at)..within(last))?);
            at = last;
        }
        if block >= FAR {
            self.server.marks.keep(inode.reference.0, content.mark());
        }
        Ok(())
    }

    fn content(&mut self, inode: &Inode, block: u64) -> Result<Content, Error> {
        let mark = match block >= FAR {
            true => self.server.marks.before(inode.reference.0, block),
            false => None,
        };
        let mut content = match mark {
            Some(mark) => self.reader.content_from(inode, mark)?,
            None => self.reader.content(inode)?,
        };
        content.skip_to(&mut self.reader, block)?;
        Ok(content)
    }

    fn part(&mut self, piece: &Piece, range: Range<usize>) -> Result<Part, Error> {
        let (block, start) = match piece.stored {
            Stored::Hole => return Ok(Part::Zeros(range.len())),
            Stored::Block(block) => (block, 0),
            Stored::Fragment(block, start) => (block, start as usize),
        };
        let mut pinned = self.block(block)?;
        let whole = range.len() == pinned.len();
        let range = start + range.start..start + range.end;
        let expected = match piece.stored {
            Stored::Block(_) => pinned.len() == piece.len as usize,
            _ => range.end <= pinned.len(),
        };
        if !expected {
            return Err(Error::Io(rustix::io::Errno::IO.raw_os_error()));
        }
        if whole && self.server.rewrite.is_none() {
            pinned.spend();
        }
        Ok(Part::Block(pinned, range))
    }

    fn block(&mut self, block: Block) -> Result<Pinned<'static>, Error> {
        let reader = &mut self.reader;
        self.server.blocks.get(block.position, |into| reader.read_block(&block, into))
    }
}
