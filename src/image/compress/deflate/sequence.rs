//! A block's content before it is written: literals and matches, and how frequent each symbol is.

use super::symbols::{DISTANCES, END_OF_BLOCK, LENGTH_BITS, LITERALS};

/// The longest match (RFC 1951 section 3.2.5).
pub(super) const LONGEST: usize = 258;

/// Literals, and a match behind them.
#[derive(Clone, Copy)]
pub(super) struct Sequence {
    pub(super) literals: u16,
    /// Less 3.
    pub(super) length: u8,
    /// Less 1.
    pub(super) distance: u16,
}

/// What a block consists of.
pub(super) struct Sequences {
    pub(super) all: Vec<Sequence>,
    pub(super) literals: [u32; LITERALS],
    pub(super) distances: [u32; DISTANCES],
}

impl Sequences {
    pub(super) fn new() -> Self {
        Self { all: Vec::new(), literals: [0; LITERALS], distances: [0; DISTANCES] }
    }

    pub(super) fn clear(&mut self) {
        self.all.clear();
        (self.literals, self.distances) = ([0; LITERALS], [0; DISTANCES]);
        self.literals[usize::from(END_OF_BLOCK)] = 1;
    }

    /// Adds a match and the literals before it.
    #[inline]
    pub(super) fn add(&mut self, literals: &[u8], length: usize, distance: usize) {
        self.rest(literals);
        let (length, distance) = ((length - 3) as u8, (distance - 1) as u16);
        self.literals[257 + usize::from(LENGTH_SYMBOL[usize::from(length)])] += 1;
        self.distances[distance_symbol(distance) as usize & (DISTANCES - 1)] += 1;
        self.all.push(Sequence { literals: literals.len() as u16, length, distance });
    }

    /// Takes note of literals.
    #[inline]
    pub(super) fn rest(&mut self, literals: &[u8]) {
        for &literal in literals {
            self.literals[usize::from(literal)] += 1;
        }
    }
}

/// Lengths' symbols, from the first one on, by length less 3.
pub(super) const LENGTH_SYMBOL: [u8; 256] = {
    let (mut table, mut symbol, mut length) = ([0; 256], 0, 0);
    while symbol < 28 {
        let mut count = 1 << LENGTH_BITS[symbol];
        while count > 0 && length < 256 {
            table[length] = symbol as u8;
            length += 1;
            count -= 1;
        }
        symbol += 1;
    }
    // The longest has a symbol of its own.
    table[255] = 28;
    table
};

/// A distance's symbol, by distance less 1.
#[inline]
pub(super) fn distance_symbol(distance: u16) -> u32 {
    if distance < 4 {
        return u32::from(distance);
    }
    let log = distance.ilog2();
    2 * log + u32::from(distance >> (log - 1) & 1)
}
