//! Compressing a layer in blocks, so that the cores can share one layer and the bytes stay the same
//! for any number of them.
//!
//! A tar stream is cut every [`Compression::block_size`] bytes, each block is compressed without
//! regard to any other, and the results are strung together: in one [`gzip`] member, as [`zstd`]
//! frames, or as blocks of one [`xz`] stream.

mod codec;
mod compression;
mod deflate;
mod gzip;
mod xz;
mod zstd;

use std::io;

use flate2::Crc;

pub(crate) use codec::Codec;
pub use compression::{Compression, Packing, UnknownCompression};

impl Compression {
    /// The blob of a tar, made by this thread alone: what a build with all its threads makes, but for
    /// tables of contents.
    pub fn blob(self, tar: &[u8]) -> io::Result<Vec<u8>> {
        self.blob_of(tar.chunks(self.block_size()))
    }

    fn blob_of<'a>(self, blocks: impl Iterator<Item = &'a [u8]>) -> io::Result<Vec<u8>> {
        let (mut compressor, mut framing) = (Compressor::default(), Framing::new(self.into()));
        let mut blob = framing.head().to_vec();
        let mut blocks = blocks.peekable();
        while let Some(block) = blocks.next() {
            let piece = compressor.block(self.into(), block, blocks.peek().is_none())?;
            framing.add(&piece);
            blob.extend_from_slice(&piece.bytes);
        }
        blob.extend(framing.tail());
        Ok(blob)
    }
}

/// A compressed block, with what is needed to string it to the others.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Its bytes in the blob.
    pub(crate) bytes: Vec<u8>,
    /// CRC-32 of what went in (gzip and xz only).
    crc: Crc,
    /// Zeros among the bytes that do not count (xz only).
    padding: usize,
}

impl Piece {
    /// What stands by itself.
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, crc: Crc::new(), padding: 0 }
    }
}

/// Compresses blocks, one after the other: what a thread keeps from block to block. What comes out
/// depends on the block alone, never on what was compressed before.
#[derive(Default)]
pub(crate) struct Compressor {
    gzip: gzip::Deflate,
    zstd: zstd::Frames,
}

impl Compressor {
    /// Compresses one block; `last` closes the stream.
    pub(crate) fn block(&mut self, codec: Codec, input: &[u8], last: bool) -> io::Result<Piece> {
        let mut crc = Crc::new();
        let bytes = match codec {
            Codec::NONE => input.to_vec(),
            Codec::Layer(Compression::Gzip(level)) => {
                crc.update(input);
                self.gzip.block(level, input, last)?
            }
            Codec::Layer(compression) => self.whole(compression, input)?,
            Codec::Xz(level) => {
                crc.update(input);
                return xz::block(level, input, crc);
            }
        };
        Ok(Piece { bytes, crc, padding: 0 })
    }

    /// Compresses what is to be read by itself: one gzip member, or one zstd frame.
    pub(crate) fn whole(&mut self, compression: Compression, input: &[u8]) -> io::Result<Vec<u8>> {
        match compression {
            Compression::None => Ok(input.to_vec()),
            Compression::Gzip(level) | Compression::Estargz(level) => {
                let mut crc = Crc::new();
                crc.update(input);
                let deflated = self.gzip.block(level, input, true)?;
                Ok([&gzip::HEADER[..], &deflated, &gzip::trailer(&crc)].concat())
            }
            Compression::Zstd(level) | Compression::ZstdChunked(level) => {
                self.zstd.frame(level, input)
            }
        }
    }
}

/// Puts the frame of a compressed file around pieces that come in order.
#[derive(Debug)]
pub(crate) struct Framing {
    codec: Codec,
    crc: Crc,
    index: xz::Index,
}

impl Framing {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, crc: Crc::new(), index: xz::Index::default() }
    }

    /// What stands before the first piece.
    pub(crate) fn head(&self) -> &'static [u8] {
        match self.codec {
            Codec::Layer(Compression::Gzip(_)) => &gzip::HEADER,
            Codec::Layer(_) => &[],
            Codec::Xz(_) => &xz::HEADER,
        }
    }

    /// Takes note of the next piece.
    pub(crate) fn add(&mut self, piece: &Piece) {
        match self.codec {
            Codec::Layer(_) => self.crc.combine(&piece.crc),
            Codec::Xz(_) => self.index.add(piece),
        }
    }

    /// What stands behind the last piece.
    pub(crate) fn tail(&self) -> Vec<u8> {
        match self.codec {
            Codec::Layer(Compression::Gzip(_)) => gzip::trailer(&self.crc),
            Codec::Layer(_) => Vec::new(),
            Codec::Xz(_) => self.index.tail(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use proptest::prelude::*;

    fn compressed(compression: Compression, input: &[u8], size: usize) -> Vec<u8> {
        compression.blob_of(input.chunks(size)).unwrap()
    }

    #[test]
    fn levels_are_checked() {
        for text in [
            "gzip:0",
            "gzip:10",
            "zstd:20",
            "zstd:",
            "lz4",
            "",
            "gzip:six",
            "none:1",
            "chunked",
            "estargz:0",
            "estargz:chunked",
            "zstd:chunked:",
            "zstd:chunked:20",
            "zstd:chunked:chunked",
            "zstd:3:chunked",
        ] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
        for text in ["none", "gzip:9", "zstd:19", "zstd:chunked:19", "estargz:1"] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), text);
        }
        assert_eq!("gzip".parse(), Ok(Compression::default()));
        assert_eq!("gzip:fast".parse(), Ok(Compression::Gzip(1)));
    }

    /// If this fails, what is in caches is not what we make: raise the `VERSION` of the codec, and
    /// only then give the new sums here.
    #[test]
    fn other_bytes_need_another_version() {
        // Words, numbers and noise.
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        let words: Vec<Vec<u8>> = (0..400)
            .map(|at| (0..3 + at % 9).map(|_| b"etaoinsrhldcu._/"[next() as usize % 16]).collect())
            .collect();
        let mut input = Vec::new();
        for at in 0..60_000_u32 {
            match at / 5000 % 3 {
                0 => input.extend_from_slice(&words[next() as usize * next() as usize % 400]),
                1 => input.extend_from_slice(&(at * 7).to_le_bytes()),
                _ => input.extend_from_slice(&next().to_le_bytes()[..2]),
            }
        }
        let sum = |codec: &mut dyn Iterator<Item = Compression>| {
            let mut crc = Crc::new();
            for one in codec {
                crc.update(&compressed(one, &input, 70_000));
                crc.update(&compressed(one, &input, one.block_size()));
            }
            format!("{:08x}", crc.sum())
        };
        let gzip = sum(&mut (1..=9).map(Compression::Gzip));
        let zstd = sum(&mut (1..=19).map(Compression::Zstd));
        assert_eq!((gzip::VERSION, &gzip[..]), (2, "37ea0a13"));
        assert_eq!((zstd::VERSION, &zstd[..]), (1, "054fda9f"));
    }

    #[test]
    fn recipes_tell_all_compressions_apart() {
        let gzip = (1..=9).map(Compression::Gzip);
        let zstd = (1..=19).map(Compression::Zstd);
        let lazy = [Compression::ZstdChunked(3), Compression::Estargz(6)];
        let all: Vec<_> = gzip.chain(zstd).chain([Compression::None]).chain(lazy).collect();
        let recipes: std::collections::BTreeSet<_> = all.iter().map(|one| one.recipe()).collect();
        assert_eq!(recipes.len(), all.len());
        assert_eq!(Compression::Gzip(6).recipe(), format!("gzip:6/{}", gzip::VERSION));
        assert_eq!(Compression::None.recipe(), "none");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn one_gzip_member_gives_back_what_went_in(
            input in prop::collection::vec(any::<u8>(), 1..20_000),
            repeat in 1_usize..20,
            size in 100_usize..30_000,
            level in 1_u32..=9,
        ) {
            let input = input.repeat(repeat);
            let bytes = compressed(Compression::Gzip(level), &input, size);
            // Not `MultiGzDecoder`: there must be one member.
            let (mut decoder, mut back) = (flate2::read::GzDecoder::new(&bytes[..]), Vec::new());
            decoder.read_to_end(&mut back).unwrap();
            prop_assert_eq!(back, input);
            prop_assert!(decoder.into_inner().is_empty());
        }

        #[test]
        fn zstd_frames_give_back_what_went_in(
            input in prop::collection::vec(any::<u8>(), 1..20_000),
            size in 100_usize..30_000,
        ) {
            let bytes = compressed(Compression::Zstd(3), &input, size);
            prop_assert_eq!(::zstd::stream::decode_all(&bytes[..]).unwrap(), input);
        }
    }
}
