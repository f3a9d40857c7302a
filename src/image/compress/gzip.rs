//! gzip: deflate streams strung together in **one** gzip member, since some stream readers stop
//! after the first (RFC 1952 section 2.2).
//!
//! libdeflate compresses a buffer at a time, better and faster than whatever can stop and go on, but
//! knows of no stream: what it makes of each buffer is closed. We open it again: the bit that says
//! that a block is the last is cleared, and an empty stored block brings the end to a whole byte, as
//! the sync flush of zlib does (RFC 1951 sections 3.2.3 and 3.2.4).
//!
//! Level 1 is for whoever pushes over a fast network: a compressor of our own, half as fast again as
//! libdeflate's fastest, whose blobs are some 8 % larger.

use std::io;

use flate2::Crc;
use libdeflater::{CompressionLvl, Compressor};

use super::deflate::fast::Fast;
use super::deflate::final_block;

/// Raised whenever the same input would give other bytes.
pub(super) const VERSION: u32 = 2;

/// Magic, deflate, no flags, no time, no extra flags, unknown system (RFC 1952 section 2.3).
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// What closes the member: CRC-32 and length of what went in.
pub(super) fn trailer(crc: &Crc) -> Vec<u8> {
    [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat()
}

/// Makes the deflate stream of a member, block by block.
#[derive(Default)]
pub(super) struct Deflate {
    fast: Fast,
    /// The level, and what works at it.
    compressor: Option<(u32, Compressor)>,
    /// Room for what comes out: two streams.
    room: [Vec<u8>; 2],
}

impl Deflate {
    /// Compresses a block at `level`; `last` ends the deflate stream.
    pub(super) fn block(&mut self, level: u32, input: &[u8], last: bool) -> io::Result<Vec<u8>> {
        if level == 1 {
            return Ok(self.fast.compress(input, last));
        }
        if last {
            return Ok(self.stream(level, input, 0)?.to_vec());
        }
        // Two halves, since two streams are passed as fast as one.
        let halves = input.split_at(input.len() / 2);
        let lengths =
            [self.stream(level, halves.0, 0)?.len(), self.stream(level, halves.1, 1)?.len()];
        let streams = [&self.room[0][..lengths[0]], &self.room[1][..lengths[1]]];
        let mut out = Vec::with_capacity(lengths[0] + lengths[1] + 2 * final_block::FLUSH);
        for (stream, end) in streams.into_iter().zip(final_block::find(streams)?) {
            end.append_open(stream, &mut out);
        }
        Ok(out)
    }

    /// Makes a closed stream of its own.
    fn stream(&mut self, level: u32, input: &[u8], room: usize) -> io::Result<&[u8]> {
        let compressor = match &mut self.compressor {
            Some((of, compressor)) if *of == level => compressor,
            other => &mut other.insert((level, compressor(level)?)).1,
        };
        let bound = compressor.deflate_compress_bound(input.len());
        let out = &mut self.room[room];
        if out.len() < bound {
            out.resize(bound, 0);
        }
        let length = compressor.deflate_compress(input, out).map_err(io::Error::other)?;
        Ok(&out[..length])
    }
}

/// What works at a level of ours. libdeflate's levels are zlib's by their results from 5 on; of those
/// below, 4 takes as long as 5 and gains little over 3.
fn compressor(level: u32) -> io::Result<Compressor> {
    let theirs = match level {
        2..=4 => level - 1,
        _ => level,
    };
    let theirs = i32::try_from(theirs).ok().and_then(|level| CompressionLvl::new(level).ok());
    Ok(Compressor::new(theirs.ok_or_else(|| io::Error::other("no such level of gzip"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_came_before_does_not_show(
            blocks in prop::collection::vec(
                (prop::collection::vec(0_u8..40, 0..30_000), 1_u32..=9, any::<bool>()), 1..8),
        ) {
            let mut deflate = Deflate::default();
            for (input, level, last) in &blocks {
                let fresh = Deflate::default().block(*level, input, *last).unwrap();
                prop_assert_eq!(deflate.block(*level, input, *last).unwrap(), fresh);
            }
        }
    }
}
