//! xz: one stream with a block for each that we compress (The .xz File Format, 1.2.1), so that threads can share the work
//! and `xz -T0 -d` can share its own.
//!
//! The blocks' data is LZMA2, made by `lzma-rust2`; what is around it is written here, since a stream that several
//! threads make is nothing that it knows.

use std::io::{self, Write as _};

use flate2::Crc;
use lzma_rust2::{Lzma2Options, Lzma2Writer, LzmaOptions};

use super::Piece;

/// Magic, flags and their CRC-32: what is in the blocks is checked by CRC-32.
pub(super) const HEADER: [u8; 12] =
    [0xfd, b'7', b'z', b'X', b'Z', 0, FLAGS[0], FLAGS[1], 0x69, 0x22, 0xde, 0x36];
const FLAGS: [u8; 2] = [0, 1];
const FOOTER_MAGIC: &[u8] = b"YZ";

/// LZMA2's number, and that it has one byte of properties.
const FILTER: [u8; 2] = [0x21, 1];
/// One filter; both sizes are said.
const BLOCK_FLAGS: u8 = 0xc0;
/// Everything in a stream comes in units of this many bytes.
const UNIT: usize = 4;

/// Remembering more than a block has is of no use.
const DICTIONARY: u32 = 8 << 20;

/// Makes a block.
pub(super) fn block(level: u32, input: &[u8], crc: Crc) -> io::Result<Piece> {
    let mut options = LzmaOptions::with_preset(level);
    options.dict_size = options.dict_size.min(DICTIONARY);
    // 2^12 is 0, 2^13 is 2, and so on; what is between has odd numbers.
    let properties = 2 * u8::try_from(options.dict_size.ilog2() - 12).unwrap_or(0);
    let options = Lzma2Options { lzma_options: options, chunk_size: None };
    let mut writer = Lzma2Writer::new(Vec::new(), options);
    writer.write_all(input)?;
    let data = writer.finish()?;

    let mut header = vec![0, BLOCK_FLAGS];
    number(&mut header, data.len() as u64);
    number(&mut header, input.len() as u64);
    header.extend_from_slice(&FILTER);
    header.push(properties);
    pad(&mut header);
    header[0] = u8::try_from(header.len() / UNIT).map_err(io::Error::other)?;
    seal(&mut header);

    let mut bytes = header;
    bytes.extend_from_slice(&data);
    let padding = data.len().next_multiple_of(UNIT) - data.len();
    bytes.resize(bytes.len() + padding, 0);
    bytes.extend_from_slice(&crc.sum().to_le_bytes());
    Ok(Piece { bytes, crc, padding })
}

/// How long the blocks are, which the end of the stream says.
#[derive(Debug, Default)]
pub(super) struct Index {
    count: u64,
    records: Vec<u8>,
}

impl Index {
    pub(super) fn add(&mut self, piece: &Piece) {
        self.count += 1;
        number(&mut self.records, (piece.bytes.len() - piece.padding) as u64);
        number(&mut self.records, u64::from(piece.crc.amount()));
    }

    /// What stands behind the last block.
    pub(super) fn tail(&self) -> Vec<u8> {
        let mut tail = vec![0];
        number(&mut tail, self.count);
        tail.extend_from_slice(&self.records);
        pad(&mut tail);
        seal(&mut tail);
        let size = u32::try_from(tail.len() / UNIT - 1).unwrap_or(u32::MAX);
        let mut footer = size.to_le_bytes().to_vec();
        footer.extend_from_slice(&FLAGS);
        let mut crc = Crc::new();
        crc.update(&footer);
        tail.extend_from_slice(&crc.sum().to_le_bytes());
        tail.extend_from_slice(&footer);
        tail.extend_from_slice(FOOTER_MAGIC);
        tail
    }
}

/// Seven bits in each byte, the lowest first; the last has its highest bit clear.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(UNIT), 0);
}

fn seal(bytes: &mut Vec<u8>) {
    let mut crc = Crc::new();
    crc.update(bytes);
    bytes.extend_from_slice(&crc.sum().to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use lzma_rust2::XzReader;
    use proptest::prelude::*;

    use super::super::{Codec, Compressor, Framing};

    fn stream(level: u32, blocks: &[&[u8]]) -> Vec<u8> {
        let codec = Codec::Xz(level);
        let (mut compressor, mut framing) = (Compressor::default(), Framing::new(codec));
        let mut bytes = framing.head().to_vec();
        for (at, block) in blocks.iter().enumerate() {
            let piece = compressor.block(codec, block, at + 1 == blocks.len()).unwrap();
            framing.add(&piece);
            bytes.extend_from_slice(&piece.bytes);
        }
        bytes.extend(framing.tail());
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn one_stream_gives_back_what_went_in(
            input in prop::collection::vec(0_u8..40, 0..20_000),
            size in 100_usize..9_000,
            level in 0_u32..=9,
        ) {
            let blocks: Vec<&[u8]> = input.chunks(size).collect();
            let bytes = stream(level, &blocks);
            let mut back = Vec::new();
            // Not several streams: there must be one.
            XzReader::new(&bytes[..], false).read_to_end(&mut back).unwrap();
            prop_assert_eq!(back, input);
        }
    }

    #[test]
    fn a_block_may_be_empty() {
        let mut back = Vec::new();
        XzReader::new(&stream(6, &[b"", b"x", b""])[..], false).read_to_end(&mut back).unwrap();
        assert_eq!(back, b"x");
    }
}
