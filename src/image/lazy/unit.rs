//! What is compressed by itself: a chunk of a file, or what stands between files.
//!
//! There may be thousands of them in a block, so that a block is still what goes to a thread; it
//! carries along where to cut.

use std::io;

use sha2::{Digest as _, Sha256};

use super::Format;
use crate::image::compress::{Compression, Compressor, Piece};

/// Some bytes of a block that are compressed together, apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// How many there are.
    size: usize,
    /// How many of the first are content of one file; the rest is padding and headers.
    content: usize,
}

/// A unit in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// Its size in the blob.
    pub(crate) size: u64,
    /// The hash of its content, if it has any.
    pub(crate) digest: Option<[u8; 32]>,
}

/// Where the block that is being filled is to be cut.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    units: Vec<Unit>,
    /// Where the last unit begins.
    start: usize,
    /// How much content the last unit begins with.
    content: usize,
}

impl Cuts {
    /// Begins a unit with `content` bytes of a file, `filled` bytes into the block.
    pub(crate) fn begin(&mut self, filled: usize, content: usize) {
        self.cut(filled);
        self.content = content;
    }

    /// The content is complete.
    pub(crate) fn end(&mut self, filled: usize, format: Format) {
        // An eStargz reader knows how much of a member is content, and as many members again
        // between files would cost more than they are good for. Readers of zstd:chunked take a
        // frame for content from end to end.
        if format == Format::Chunked {
            self.cut(filled);
        }
    }

    /// The units of a block that ends after `filled` bytes.
    pub(crate) fn take(&mut self, filled: usize) -> Vec<Unit> {
        self.cut(filled);
        self.start = 0;
        std::mem::take(&mut self.units)
    }

    fn cut(&mut self, filled: usize) {
        if filled > self.start {
            self.units.push(Unit { size: filled - self.start, content: self.content });
            self.content = 0;
            self.start = filled;
        }
    }
}

/// Compresses the units of a block, each by itself.
pub(crate) fn compress(
    compressor: &mut Compressor,
    compression: Compression,
    mut block: &[u8],
    units: &[Unit],
) -> io::Result<(Piece, Vec<Packed>)> {
    let mut bytes = Vec::with_capacity(block.len() / 2);
    let mut packed = Vec::with_capacity(units.len());
    for unit in units {
        let (input, rest) = block.split_at(unit.size);
        block = rest;
        let frame = compressor.whole(compression, input)?;
        bytes.extend_from_slice(&frame);
        packed.push(Packed {
            size: frame.len() as u64,
            digest: (unit.content > 0).then(|| Sha256::digest(&input[..unit.content]).into()),
        });
    }
    Ok((Piece::whole(bytes), packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_cut_from_what_is_around_it() {
        let cut = |format| {
            let mut cuts = Cuts::default();
            cuts.begin(512, 100);
            cuts.end(612, format);
            let first = cuts.take(1000);
            // The next block begins with content, and ends with it.
            cuts.begin(0, 50);
            cuts.end(50, format);
            (first, cuts.take(50), cuts.take(0))
        };
        let unit = |size, content| Unit { size, content };
        assert_eq!(
            cut(Format::Chunked),
            (vec![unit(512, 0), unit(100, 100), unit(388, 0)], vec![unit(50, 50)], vec![])
        );
        assert_eq!(
            cut(Format::Stargz),
            (vec![unit(512, 0), unit(488, 100)], vec![unit(50, 50)], vec![])
        );
    }
}
