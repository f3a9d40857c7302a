//! How an image is made.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use super::Error;
use crate::format::{Compressor, MAX_BLOCK, MIN_BLOCK, flags};

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard at a level from 1 to 22.
    Zstd(i32),
    /// zlib at a level from 1 to 12, by libdeflate.
    Gzip(i32),
    /// Not at all.
    None,
}

/// How an image is made. All but `threads` shows in its bytes; nothing here changes what it means.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How blocks are compressed.
    pub compression: Compression,
    /// Bytes in a data block: a power of two from 4 KiB to 1 MiB.
    pub block_size: u32,
    /// When the image was made, in seconds since 1970.
    pub made: u32,
    /// How many threads compress.
    pub threads: NonZeroUsize,
}

impl Options {
    /// Data blocks of 128 KiB: larger ones compress better and make random reading slower.
    pub const BLOCK_SIZE: u32 = 128 << 10;

    pub(super) fn check(&self) -> Result<(), Error> {
        let Self { block_size, compression, .. } = *self;
        if !block_size.is_power_of_two() || !(MIN_BLOCK..=MAX_BLOCK).contains(&block_size) {
            return Err(Error::BlockSize(block_size));
        }
        let (level, levels) = match compression {
            Compression::Zstd(level) => (level, Compression::ZSTD_LEVELS),
            Compression::Gzip(level) => (level, Compression::GZIP_LEVELS),
            Compression::None => return Ok(()),
        };
        if levels.contains(&level) { Ok(()) } else { Err(Error::Level(level)) }
    }
}

impl Compression {
    /// Levels of Zstandard.
    pub const ZSTD_LEVELS: RangeInclusive<i32> = 1..=22;
    /// Levels of libdeflate.
    pub const GZIP_LEVELS: RangeInclusive<i32> = 1..=12;

    /// What the superblock says. Where nothing is compressed, it names what every reader knows.
    pub(super) fn compressor(self) -> Compressor {
        match self {
            Self::Zstd(_) => Compressor::Zstd,
            Self::Gzip(_) | Self::None => Compressor::Gzip,
        }
    }

    /// Bits in the superblock that follow from it.
    pub(super) fn flags(self) -> u16 {
        let plain = flags::PLAIN_INODES
            | flags::PLAIN_DATA
            | flags::PLAIN_FRAGMENTS
            | flags::PLAIN_XATTRS
            | flags::PLAIN_IDS;
        let options = if self.stored().is_some() { flags::COMPRESSOR_OPTIONS } else { 0 };
        options | if self == Self::None { plain } else { 0 }
    }

    /// The options as they are stored, unless they are those that readers assume: level 15 of
    /// Zstandard, level 9 of zlib.
    pub(super) fn stored(self) -> Option<Vec<u8>> {
        match self {
            // zlib's own levels end at 9, and readers check that.
            Self::None | Self::Zstd(15) | Self::Gzip(9..) => None,
            Self::Zstd(level) => Some(level.to_le_bytes().to_vec()),
            // The window of 32 KiB, and no strategies that were tried.
            Self::Gzip(level) => {
                Some([&level.to_le_bytes()[..], &15_u16.to_le_bytes(), &[0; 2]].concat())
            }
        }
    }
}
