//! Work in the order in which its results are stored: blocks of large files, and small files, several
//! at a time.
//!
//! The end of a large file is a block of its own rather than part of a fragment. That makes images of
//! closures half a thousandth smaller, and whoever reads the file need not decompress what others have
//! in the fragment.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use super::source::{Shared, Source};

/// Something to read.
pub(super) enum Unit<'a> {
    /// A block of a file: a whole one, or its last.
    Block { file: usize, shared: Arc<Shared<'a>>, offset: u64, length: usize },
    /// What becomes part of fragments.
    Small(Vec<Small<'a>>),
}

/// A file that is smaller than a block.
pub(super) struct Small<'a> {
    pub(super) file: usize,
    pub(super) source: Source<'a>,
    pub(super) length: u32,
    /// Whether there are others of this length, which may be the same.
    pub(super) compare: bool,
}

/// Small files that are read at a time have this many bytes or are this many, or a few more.
const SMALL_LEN: u64 = 64 << 10;
const SMALL: usize = 64;

/// The units of files.
pub(super) struct Units<'s, 'a> {
    files: &'s [Source<'a>],
    /// Those that are stored already, as others.
    same: &'s [Option<usize>],
    block_size: u64,
    /// How many files there are of each length.
    lengths: HashMap<u64, u32>,
    /// Where to go on.
    file: usize,
    offset: u64,
    shared: Option<Arc<Shared<'a>>>,
    small: Vec<Small<'a>>,
    small_len: u64,
}

impl<'s, 'a> Units<'s, 'a> {
    pub(super) fn new(files: &'s [Source<'a>], same: &'s [Option<usize>], block_size: u32) -> Self {
        let block_size = u64::from(block_size);
        let mut lengths = HashMap::new();
        for (file, _) in files.iter().zip(same).filter(|(_, same)| same.is_none()) {
            *lengths.entry(file.size).or_default() += 1;
        }
        Self {
            files,
            same,
            block_size,
            lengths,
            file: 0,
            offset: 0,
            shared: None,
            small: Vec::new(),
            small_len: 0,
        }
    }

    fn next_file(&mut self) {
        self.file += 1;
        self.offset = 0;
        self.shared = None;
    }

    fn take_small(&mut self) -> Option<Unit<'a>> {
        self.small_len = 0;
        let small = mem::take(&mut self.small);
        (!small.is_empty()).then_some(Unit::Small(small))
    }
}

impl<'a> Iterator for Units<'_, 'a> {
    type Item = Unit<'a>;

    fn next(&mut self) -> Option<Unit<'a>> {
        loop {
            if self.small_len >= SMALL_LEN || self.small.len() >= SMALL {
                return self.take_small();
            }
            let Some((source, same)) = self.files.get(self.file).zip(self.same.get(self.file))
            else {
                return self.take_small();
            };
            if same.is_some() {
                self.next_file();
            } else if source.size >= self.block_size {
                let shared =
                    self.shared.get_or_insert_with(|| Arc::new(Shared::new(*source))).clone();
                let left = source.size - self.offset;
                // No more than 1 MiB.
                let length = usize::try_from(left.min(self.block_size)).unwrap_or_default();
                let unit = Unit::Block { file: self.file, shared, offset: self.offset, length };
                self.offset += length as u64;
                // So that the file is closed once its last block was read.
                if self.offset == source.size {
                    self.next_file();
                }
                return Some(unit);
            } else {
                self.small.push(Small {
                    file: self.file,
                    source: *source,
                    length: u32::try_from(source.size).unwrap_or_default(),
                    compare: self.lengths.get(&source.size).is_some_and(|count| *count > 1),
                });
                self.small_len += source.size;
                self.next_file();
            }
        }
    }
}
