//! A compressor for speed: matches are taken as they are found, and each block gets codes of its own.
//!
//! What it makes follows from the input alone, on any machine, and a stream can be left open.

use super::huffman::Words;
use super::matcher::Matcher;
use super::sequence::{LENGTH_SYMBOL, Sequence, Sequences, distance_symbol};
use super::symbols::{DISTANCES, END_OF_BLOCK, LENGTH_BITS, LITERALS, ORDER, distance_bits};
use super::writer::BitWriter;

/// Bytes of input in a block, or up to a match more; a stored block has at most 65,535.
const BLOCK: usize = 65_000;
/// The longest words: four literals fit between two flushes of the writer.
const LITERAL_LIMIT: usize = 13;
const DISTANCE_LIMIT: usize = 12;
/// The longest words of the code that these are told in (RFC 1951 section 3.2.7).
const LENGTHS_LIMIT: usize = 7;

/// Compresses buffers, one after the other, each without regard to the others.
pub(in super::super) struct Fast {
    matcher: Matcher,
    sequences: Sequences,
    writer: BitWriter,
}

impl Default for Fast {
    fn default() -> Self {
        Self { matcher: Matcher::new(), sequences: Sequences::new(), writer: BitWriter::default() }
    }
}

impl Fast {
    /// Makes blocks of `input`; `last` ends the stream.
    pub(in super::super) fn compress(&mut self, input: &[u8], last: bool) -> Vec<u8> {
        self.matcher.reset();
        let mut start = 0;
        while start < input.len() {
            let end = input.len().min(start + BLOCK);
            self.sequences.clear();
            let end = self.matcher.find(input, start, end, &mut self.sequences);
            self.block(&input[start..end]);
            start = end;
        }
        self.writer.reserve(64);
        if last {
            // The last block, with the fixed code: nothing but its end, seven zeros.
            self.writer.put(0b011, 3 + 7);
            self.writer.align();
        } else {
            self.stored(&[]);
        }
        self.writer.take()
    }

    /// Writes a block (RFC 1951 section 3.2.3).
    fn block(&mut self, input: &[u8]) {
        let Sequences { all, literals, distances } = &self.sequences;
        let codes = Codes {
            literals: Words::new(*literals, LITERAL_LIMIT),
            distances: Words::new(*distances, DISTANCE_LIMIT),
        };
        let header = Header::new(&codes);
        let extra = |counts: &[u32], bits: &dyn Fn(usize) -> u32| -> usize {
            counts.iter().enumerate().map(|(at, &n)| n as usize * bits(at) as usize).sum()
        };
        let bits = header.cost()
            + codes.literals.cost(literals)
            + codes.distances.cost(distances)
            + extra(&literals[257..286], &|at| u32::from(LENGTH_BITS[at]))
            + extra(distances, &|at| distance_bits(at as u16).unwrap_or_default());
        if bits >= input.len() * 8 + 32 {
            return self.stored(input);
        }
        self.writer.reserve(bits);
        header.write(&mut self.writer);
        codes.write(&mut self.writer, all, input);
    }

    /// Writes bytes as they are (RFC 1951 section 3.2.4).
    fn stored(&mut self, bytes: &[u8]) {
        self.writer.reserve(64);
        self.writer.put(0, 3);
        self.writer.align();
        let length = bytes.len() as u16;
        self.writer.bytes(&length.to_le_bytes());
        self.writer.bytes(&(!length).to_le_bytes());
        self.writer.bytes(bytes);
    }
}

/// The codes of a block.
struct Codes {
    literals: Words<LITERALS>,
    distances: Words<DISTANCES>,
}

/// A word with the bits behind it, and how many they are.
#[derive(Clone, Copy, Default)]
struct Put {
    bits: u32,
    count: u32,
}

impl Codes {
    fn literal(&self, symbol: usize) -> Put {
        let (bits, count) = (self.literals.bits[symbol], self.literals.lengths[symbol]);
        Put { bits: u32::from(bits), count: u32::from(count) }
    }

    /// Writes what a block consists of.
    fn write(&self, writer: &mut BitWriter, sequences: &[Sequence], input: &[u8]) {
        let literals: [Put; 256] = std::array::from_fn(|literal| self.literal(literal));
        let mut first = 0;
        let lengths: [Put; 256] = std::array::from_fn(|length| {
            let symbol = LENGTH_SYMBOL[length];
            if length > 0 && symbol != LENGTH_SYMBOL[length - 1] {
                first = length;
            }
            let Put { bits, count } = self.literal(257 + usize::from(symbol));
            let extra = u32::from(LENGTH_BITS[usize::from(symbol)]);
            Put { bits: bits | ((length - first) as u32) << count, count: count + extra }
        });
        let put = |writer: &mut BitWriter, put: Put| writer.put(u64::from(put.bits), put.count);
        let run = |writer: &mut BitWriter, run: &[u8]| {
            let mut fours = run.chunks_exact(4);
            for four in &mut fours {
                for &literal in four {
                    put(writer, literals[usize::from(literal)]);
                }
                writer.flush();
            }
            for &literal in fours.remainder() {
                put(writer, literals[usize::from(literal)]);
            }
            writer.flush();
        };

        let mut rest = input;
        for sequence in sequences {
            let (literals, behind) = rest.split_at(usize::from(sequence.literals));
            run(writer, literals);
            put(writer, lengths[usize::from(sequence.length)]);
            let symbol = distance_symbol(sequence.distance) as usize & (DISTANCES - 1);
            let word = u32::from(self.distances.lengths[symbol]);
            writer.put(u64::from(self.distances.bits[symbol]), word);
            let extra = (symbol as u32 / 2).saturating_sub(1);
            writer.put(u64::from(sequence.distance) & ((1 << extra) - 1), extra);
            writer.flush();
            rest = &behind[usize::from(sequence.length) + 3..];
        }
        run(writer, rest);
        put(writer, self.literal(usize::from(END_OF_BLOCK)));
        writer.flush();
    }
}

/// What a block begins with: its codes (RFC 1951 section 3.2.7).
struct Header {
    /// How many lengths of words are told of each code.
    literals: usize,
    distances: usize,
    /// Symbols that tell these lengths, and what stands behind each, as a number and its bits.
    symbols: Vec<(u8, u8, u8)>,
    code: Words<19>,
    counts: [u32; 19],
}

impl Header {
    fn new(codes: &Codes) -> Self {
        let told = |lengths: &[u8], least: usize| {
            lengths.iter().rposition(|&length| length > 0).map_or(least, |at| least.max(at + 1))
        };
        let literals = told(&codes.literals.lengths, 257);
        let distances = told(&codes.distances.lengths, 1);
        let lengths =
            [&codes.literals.lengths[..literals], &codes.distances.lengths[..distances]].concat();
        let mut symbols = Vec::with_capacity(lengths.len());
        for run in lengths.chunk_by(|a, b| a == b) {
            let (length, mut left) = (run[0], run.len());
            if length > 0 {
                symbols.push((length, 0, 0));
                left -= 1;
            }
            while left > 0 {
                let (symbol, least, most, bits) = match (length, left) {
                    (0, 11..) => (18, 11, 138, 7),
                    (0, 3..) => (17, 3, 10, 3),
                    (_, 3..) => (16, 3, 6, 2),
                    _ => (length, 1, 1, 0),
                };
                let count = left.min(most);
                symbols.push((symbol, (count - least) as u8, bits));
                left -= count;
            }
        }
        let mut counts = [0; 19];
        for &(symbol, ..) in &symbols {
            counts[usize::from(symbol)] += 1;
        }
        Self { literals, distances, symbols, code: Words::new(counts, LENGTHS_LIMIT), counts }
    }

    /// How many lengths of words of its own code are told.
    fn told(&self) -> usize {
        ORDER.iter().rposition(|&at| self.code.lengths[at] > 0).map_or(4, |at| 4.max(at + 1))
    }

    /// Its size in bits.
    fn cost(&self) -> usize {
        let behind: usize = self.symbols.iter().map(|&(.., bits)| usize::from(bits)).sum();
        3 + 5 + 5 + 4 + 3 * self.told() + self.code.cost(&self.counts) + behind
    }

    fn write(&self, writer: &mut BitWriter) {
        // Not the last; with codes of its own.
        writer.put(0b100, 3);
        writer.put((self.literals - 257) as u64, 5);
        writer.put((self.distances - 1) as u64, 5);
        writer.put((self.told() - 4) as u64, 4);
        writer.flush();
        for &at in &ORDER[..self.told()] {
            writer.put(u64::from(self.code.lengths[at]), 3);
            writer.flush();
        }
        for &(symbol, value, bits) in &self.symbols {
            let symbol = usize::from(symbol);
            writer.put(u64::from(self.code.bits[symbol]), u32::from(self.code.lengths[symbol]));
            writer.put(u64::from(value), u32::from(bits));
            writer.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::DeflateDecoder;
    use proptest::prelude::*;

    use super::*;

    fn inflate(stream: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        DeflateDecoder::new(stream).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn noise_hardly_grows_and_runs_shrink() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(1 << 20)
        .collect();
        let stream = Fast::default().compress(&noise, true);
        assert!(stream.len() < noise.len() + 200, "{}", stream.len());
        assert_eq!(inflate(&stream), noise);
        let zeros = vec![0; 1 << 20];
        let stream = Fast::default().compress(&zeros, true);
        assert!(stream.len() < 2500, "{}", stream.len());
        assert_eq!(inflate(&stream), zeros);
    }

    /// Bytes at very different frequencies make trees deeper than words may be long.
    #[test]
    fn words_keep_to_their_limits() {
        let mut input = Vec::new();
        let (mut count, mut before) = (1, 1);
        for byte in 0..24_u8 {
            // Never five alike in a row, which would be a match.
            input.extend(
                (0..count).flat_map(|at: u32| [byte, (at % 251) as u8, (at / 7 % 241) as u8]),
            );
            (count, before) = ((count + before).min(20_000), count);
        }
        assert_eq!(inflate(&Fast::default().compress(&input, true)), input);
    }

    proptest! {
        #[test]
        fn streams_go_on_and_give_back_what_went_in(
            parts in prop::collection::vec((
                prop::collection::vec(any::<u8>(), 0..400),
                1..400_usize,
                prop::collection::vec(0_u8..4, 0..3000),
            ), 1..6),
        ) {
            let mut fast = Fast::default();
            let (mut input, mut stream) = (Vec::new(), Vec::new());
            for (at, (word, repeat, noise)) in parts.iter().enumerate() {
                let part = [&word.repeat(*repeat)[..], &noise[..], &word[..]].concat();
                let last = at + 1 == parts.len();
                let made = fast.compress(&part, last);
                prop_assert_eq!(&made, &Fast::default().compress(&part, last));
                prop_assert!(last || made.ends_with(&[0, 0, 0xff, 0xff]));
                stream.extend(made);
                input.extend(part);
            }
            prop_assert_eq!(inflate(&stream), input);
        }
    }
}
