//! The two sums of a block.

use md4::{Digest, Md4};

/// A block's rolling sum, as four bytes, and its MD4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) rolling: [u8; 4],
    pub(super) md4: [u8; 16],
}

/// The sums of `bytes` with zeros behind them up to the length of a block.
pub(super) fn of_block(bytes: &[u8], block: usize) -> Sums {
    let mut digest = Md4::new();
    digest.update(bytes);
    if bytes.len() < block {
        digest.update(vec![0; block - bytes.len()]);
    }
    Sums { rolling: rolling(bytes, block), md4: digest.finalize().into() }
}

/// Two sums modulo 2¹⁶, big-endian: of the bytes, and of the bytes times their distance from the end of
/// the block. When a block moves on by a byte, both change by what is simple to reckon.
fn rolling(bytes: &[u8], block: usize) -> [u8; 4] {
    let (mut sum, mut weighted) = (0u32, 0u32);
    let block = u32::try_from(block).unwrap_or(u32::MAX);
    for (&byte, distance) in bytes.iter().zip((0..=block).rev()) {
        sum = sum.wrapping_add(byte.into());
        weighted = weighted.wrapping_add(distance.wrapping_mul(byte.into()));
    }
    let [_, _, a, b] = sum.to_be_bytes();
    let [_, _, c, d] = weighted.to_be_bytes();
    [a, b, c, d]
}
