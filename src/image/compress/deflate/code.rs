//! A Huffman code of deflate as whoever reads a stream needs it (RFC 1951 section 3.2.2).

use std::io;

use super::bits::Bits;

/// The longest code word, in bits.
const LONGEST: usize = 15;

/// A code of at most `N` symbols, to be read bit by bit.
pub(super) struct Code<const N: usize> {
    /// How many code words there are of each length.
    counts: [u16; LONGEST + 1],
    /// The symbols that have code words, in the order of these.
    symbols: [u16; N],
    used: usize,
}

/// A code of no symbols.
impl<const N: usize> Default for Code<N> {
    fn default() -> Self {
        Self { counts: [0; LONGEST + 1], symbols: [0; N], used: 0 }
    }
}

impl<const N: usize> Code<N> {
    /// The code whose words have these lengths, 0 for symbols that have none. It may leave words
    /// unused; one that promises more words than there are is an error.
    pub(super) fn new(lengths: &[u8]) -> io::Result<Self> {
        let mut counts = [0; LONGEST + 1];
        for &length in lengths {
            counts[usize::from(length)] += 1;
        }
        counts[0] = 0;
        let (mut starts, mut used, mut left) = ([0; LONGEST + 1], 0, 1_i32);
        for length in 1..=LONGEST {
            starts[length] = used;
            used += usize::from(counts[length]);
            left = (left << 1) - i32::from(counts[length]);
            if left < 0 {
                return Err(invalid("a Huffman code with more words than fit"));
            }
        }
        let mut symbols = [0; N];
        for (symbol, &length) in (0..).zip(lengths) {
            if length > 0 {
                symbols[starts[usize::from(length)]] = symbol;
                starts[usize::from(length)] += 1;
            }
        }
        Ok(Self { counts, symbols, used })
    }

    /// Calls `each` with the symbol, the length and the bits (as they stand in the stream, the first
    /// one lowest) of every code word, the shortest first.
    pub(super) fn words(&self, mut each: impl FnMut(u16, u32, u32)) {
        let (mut word, mut symbols) = (0_u32, self.symbols[..self.used].iter());
        for length in 1..=LONGEST as u32 {
            for &symbol in symbols.by_ref().take(usize::from(self.counts[length as usize])) {
                each(symbol, length, word.reverse_bits() >> (32 - length));
                word += 1;
            }
            word <<= 1;
        }
    }

    /// Reads one symbol.
    pub(super) fn read(&self, bits: &mut Bits<'_>) -> io::Result<u16> {
        bits.refill();
        let mut ahead = bits.peek() as usize;
        let (mut word, mut first, mut index) = (0, 0, 0);
        for (length, &count) in (1..).zip(&self.counts[1..]) {
            word |= ahead & 1;
            ahead >>= 1;
            let count = usize::from(count);
            if word < first + count {
                bits.skip(length);
                bits.check()?;
                return Ok(self.symbols[index + word - first]);
            }
            index += count;
            first = (first + count) << 1;
            word <<= 1;
        }
        Err(invalid("a word that is not in its Huffman code"))
    }
}

pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a deflate stream has {what}"))
}
