//! Deflate streams: RFC 1951.

// Bits are cut out of words all the time; that the rest is cut off is what is meant.
#![allow(clippy::cast_possible_truncation)]

mod bits;
mod code;
pub(super) mod fast;
pub(super) mod final_block;
mod huffman;
mod matcher;
mod sequence;
mod symbols;
mod writer;
