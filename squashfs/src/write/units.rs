//! Work in the order in which its results are stored: blocks of large files, and what is smaller than
//! a block, several pieces at a time.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use super::source::{Shared, Source};

/// Something to read.
pub(super) enum Unit<'a> {
    /// A whole block of a file.
    Block { file: usize, shared: Arc<Shared<'a>>, offset: u64 },
    /// What becomes part of fragments.
    Pieces(Vec<Piece<'a>>),
}

/// A file, or the end of one, that is smaller than a block.
pub(super) struct Piece<'a> {
    pub(super) file: usize,
    pub(super) source: Source<'a>,
    pub(super) offset: u64,
    pub(super) length: u32,
    /// Whether there are others of this length, which may be the same.
    pub(super) compare: bool,
}

/// Pieces that are read at a time hold this much or are this many, or a few more.
const PIECES_LEN: u64 = 64 << 10;
const PIECES: usize = 64;

/// The units of files.
pub(super) struct Units<'s, 'a> {
    files: &'s [Source<'a>],
    /// Those that are stored already, as others.
    same: &'s [Option<usize>],
    block_size: u64,
    /// How many pieces there are of each length.
    lengths: HashMap<u64, u32>,
    /// Where to go on.
    file: usize,
    offset: u64,
    shared: Option<Arc<Shared<'a>>>,
    pieces: Vec<Piece<'a>>,
    pieces_len: u64,
}

impl<'s, 'a> Units<'s, 'a> {
    pub(super) fn new(files: &'s [Source<'a>], same: &'s [Option<usize>], block_size: u32) -> Self {
        let block_size = u64::from(block_size);
        let mut lengths = HashMap::new();
        for (file, _) in files.iter().zip(same).filter(|(_, same)| same.is_none()) {
            *lengths.entry(file.size % block_size).or_default() += 1;
        }
        Self {
            files,
            same,
            block_size,
            lengths,
            file: 0,
            offset: 0,
            shared: None,
            pieces: Vec::new(),
            pieces_len: 0,
        }
    }

    fn next_file(&mut self) {
        self.file += 1;
        self.offset = 0;
        self.shared = None;
    }

    fn take_pieces(&mut self) -> Option<Unit<'a>> {
        self.pieces_len = 0;
        let pieces = mem::take(&mut self.pieces);
        (!pieces.is_empty()).then_some(Unit::Pieces(pieces))
    }
}

impl<'a> Iterator for Units<'_, 'a> {
    type Item = Unit<'a>;

    fn next(&mut self) -> Option<Unit<'a>> {
        loop {
            if self.pieces_len >= PIECES_LEN || self.pieces.len() >= PIECES {
                return self.take_pieces();
            }
            let Some((source, same)) = self.files.get(self.file).zip(self.same.get(self.file))
            else {
                return self.take_pieces();
            };
            let left = source.size - self.offset;
            if same.is_some() || left == 0 {
                self.next_file();
            } else if left >= self.block_size {
                let shared =
                    self.shared.get_or_insert_with(|| Arc::new(Shared::new(*source))).clone();
                let unit = Unit::Block { file: self.file, shared, offset: self.offset };
                self.offset += self.block_size;
                // So that the file is closed once its last block was read.
                if left == self.block_size {
                    self.next_file();
                }
                return Some(unit);
            } else {
                self.pieces.push(Piece {
                    file: self.file,
                    source: *source,
                    offset: self.offset,
                    length: u32::try_from(left).unwrap_or_default(),
                    compare: self.lengths.get(&left).is_some_and(|count| *count > 1),
                });
                self.pieces_len += left;
                self.next_file();
            }
        }
    }
}
