//! The alphabets of compressed blocks (RFC 1951 sections 3.2.5 to 3.2.7).

/// Literals, the end of the block and lengths. The last two are none, and only the fixed code has
/// words for them.
pub(super) const LITERALS: usize = 288;
/// Distances. The last two are none.
pub(super) const DISTANCES: usize = 32;
pub(super) const END_OF_BLOCK: u16 = 256;

/// How many bits follow the word of a length.
pub(super) const LENGTH_BITS: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

/// How many bits follow the word of a distance; none for what is no distance.
pub(super) fn distance_bits(symbol: u16) -> Option<u32> {
    (symbol < 30).then(|| (u32::from(symbol) / 2).saturating_sub(1))
}

/// The order in which a block tells the lengths of the words that its codes are written in.
pub(super) const ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
