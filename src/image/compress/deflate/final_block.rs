//! Where the last block of a deflate stream is (RFC 1951 section 3.2.3).
//!
//! Blocks say neither their length nor where the last one was, so that the whole stream has to be
//! read, though nothing of what it says: of each symbol only how many bits it takes. A table tells
//! from the next bits how many to skip, for as many symbols as are certain from these bits, and
//! whether a length or a distance comes next. That there is no branch on the kind of symbol, which no
//! processor can foretell, makes it some three times as fast as inflating.

use std::io;

use super::bits::Bits;
use super::code::{Code, invalid};
use super::symbols::{DISTANCES, END_OF_BLOCK, LENGTH_BITS, LITERALS, ORDER, distance_bits};

/// Where the last block is, in bits from the start of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct FinalBlock {
    /// Its header, whose first bit says that it is the last.
    start: usize,
    /// The first bit behind it.
    end: usize,
}

/// What opening a stream adds to it, in bytes, at most.
pub(in super::super) const FLUSH: usize = 5;

impl FinalBlock {
    /// Appends `stream`, whose last block this is, so that another may follow: that block is not the
    /// last any more, and behind it comes an empty stored block, which ends with a whole byte.
    pub(in super::super) fn append_open(self, stream: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(stream);
        out[from + self.start / 8] &= !(1 << (self.start % 8));
        // Three bits of header, all 0, and zeros up to the next byte.
        out.resize(from + (self.end + 3).div_ceil(8), 0);
        // No bytes: the length, and its complement.
        out.extend_from_slice(&[0, 0, 0xff, 0xff]);
    }
}

/// Bits that an entry is looked up by.
const WINDOW: u32 = 11;
const SIZE: usize = 1 << WINDOW;

/// An entry of the table: how many bits to skip (the lowest 6 bits), and what follows.
type Entry = u16;
const SKIP: Entry = 63;
/// A distance follows, or else a literal or length; also the place of distances in the table.
const DISTANCE: Entry = 1 << WINDOW;
/// This needs a closer look: the block ends, or…
const STOP: Entry = 1 << 15;
/// …nothing was skipped since the code word is longer than the window, or none.
const LONG: Entry = STOP | 1 << 14;

/// How many bits follow the word of a literal or length, and whether a distance does.
fn literal_bits(symbol: u16) -> Option<(u32, Entry)> {
    match symbol {
        0..END_OF_BLOCK => Some((0, 0)),
        _ => Some((u32::from(*LENGTH_BITS.get(usize::from(symbol) - 257)?), DISTANCE)),
    }
}

/// Finds the last blocks of two streams, each of which must end with it. Side by side they take
/// hardly longer than one: what a step waits for is the one before.
pub(in super::super) fn find(streams: [&[u8]; 2]) -> io::Result<[FinalBlock; 2]> {
    let [mut one, mut two] = streams.map(Walk::new);
    loop {
        match (one.settle()?, two.settle()?) {
            (None, None) => pass(&mut [&mut one, &mut two]),
            (None, Some(_)) => pass(&mut [&mut one]),
            (Some(_), None) => pass(&mut [&mut two]),
            (Some(one), Some(two)) => return Ok([one, two]),
        }
    }
}

/// A stream as far as it was passed.
struct Walk<'a> {
    bits: Bits<'a>,
    /// The entry of the table that was passed last; what follows is in it.
    entry: Entry,
    table: Table,
    literals: Code<LITERALS>,
    distances: Code<DISTANCES>,
    /// Where the block began.
    start: usize,
    last: bool,
    found: Option<FinalBlock>,
}

impl<'a> Walk<'a> {
    fn new(stream: &'a [u8]) -> Self {
        Self {
            bits: Bits::new(stream),
            entry: STOP,
            table: Table::default(),
            literals: Code::default(),
            distances: Code::default(),
            start: 0,
            last: false,
            found: None,
        }
    }

    /// Does what the table does not: goes on until the table can, or the stream has ended.
    fn settle(&mut self) -> io::Result<Option<FinalBlock>> {
        self.bits.check()?;
        while self.found.is_none() && self.entry & STOP != 0 {
            if self.entry & LONG == LONG {
                self.entry = self.symbol()?;
            } else if self.last {
                let end = self.bits.position();
                if !self.bits.is_last_byte() {
                    return Err(invalid("more behind its last block"));
                }
                self.found = Some(FinalBlock { start: self.start, end });
            } else {
                self.block()?;
            }
        }
        Ok(self.found)
    }

    /// Begins the next block.
    fn block(&mut self) -> io::Result<()> {
        self.start = self.bits.position();
        self.last = self.bits.take(1)? == 1;
        match self.bits.take(2)? {
            0 => return stored(&mut self.bits),
            1 => {
                self.literals = fixed_literals()?;
                self.distances = Code::new(&[5; 30])?;
            }
            2 => (self.literals, self.distances) = codes(&mut self.bits)?,
            _ => return Err(invalid("a block of no type")),
        }
        self.table.fill(&self.literals, &self.distances);
        self.entry = 0;
        Ok(())
    }

    /// Passes one symbol without the table; gives an entry that says what follows.
    fn symbol(&mut self) -> io::Result<Entry> {
        let (count, next) = if self.entry & DISTANCE == 0 {
            match self.literals.read(&mut self.bits)? {
                END_OF_BLOCK => (0, STOP),
                symbol => literal_bits(symbol).ok_or_else(|| invalid("a length that is none"))?,
            }
        } else {
            let count = distance_bits(self.distances.read(&mut self.bits)?);
            (count.ok_or_else(|| invalid("a distance that is none"))?, 0)
        };
        self.bits.take(count)?;
        Ok(next)
    }
}

/// Passes symbols of each stream by its table, until one needs a closer look.
fn pass<const N: usize>(walks: &mut [&mut Walk<'_>; N]) {
    // In registers.
    let mut bits: [Bits<'_>; N] = std::array::from_fn(|at| walks[at].bits);
    let mut entries: [u32; N] = std::array::from_fn(|at| u32::from(walks[at].entry));
    let tables: [&[Entry; 2 * SIZE]; N] = std::array::from_fn(|at| &walks[at].table.entries);
    'all: while !bits.iter().any(Bits::over) {
        for bits in &mut bits {
            bits.refill();
        }
        // Two entries at most: each may skip 24 bits, 11 up to the end of the last word in the
        // window and 13 behind it.
        for _ in 0..2 {
            let mut any = 0;
            for at in 0..N {
                let window = bits[at].peek() as usize & (SIZE - 1);
                let kind = entries[at] as usize & usize::from(DISTANCE);
                entries[at] = u32::from(tables[at][kind | window]);
                bits[at].skip(entries[at]);
                any |= entries[at];
            }
            if any & u32::from(STOP) != 0 {
                break 'all;
            }
        }
    }
    for (at, walk) in walks.iter_mut().enumerate() {
        walk.bits = bits[at];
        walk.entry = entries[at] as Entry;
    }
}

/// Passes a block that is not compressed (RFC 1951 section 3.2.4).
fn stored(bits: &mut Bits<'_>) -> io::Result<()> {
    bits.skip_bytes(0)?;
    let (length, complement) = (bits.take(16)?, bits.take(16)?);
    if length != complement ^ 0xffff {
        return Err(invalid("a stored block of two lengths"));
    }
    bits.skip_bytes(length as usize)
}

/// The code of blocks that come without one (RFC 1951 section 3.2.6).
fn fixed_literals() -> io::Result<Code<LITERALS>> {
    let mut lengths = [8; LITERALS];
    lengths[144..256].fill(9);
    lengths[256..280].fill(7);
    Code::new(&lengths)
}

/// Reads the codes that a block begins with (RFC 1951 section 3.2.7).
fn codes(bits: &mut Bits<'_>) -> io::Result<(Code<LITERALS>, Code<DISTANCES>)> {
    let literals = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let count = bits.take(4)? as usize + 4;
    let mut lengths = [0; ORDER.len()];
    for &place in &ORDER[..count] {
        lengths[place] = bits.take(3)? as u8;
    }
    let code = Code::<{ ORDER.len() }>::new(&lengths)?;

    let (mut lengths, mut known) = ([0_u8; LITERALS + DISTANCES], 0);
    while known < literals + distances {
        let (value, repeat) = match code.read(bits)? {
            16 if known == 0 => return Err(invalid("a length to repeat and none before it")),
            16 => (lengths[known - 1], bits.take(2)? as usize + 3),
            17 => (0, bits.take(3)? as usize + 3),
            18 => (0, bits.take(7)? as usize + 11),
            length => (length as u8, 1),
        };
        if known + repeat > literals + distances {
            return Err(invalid("more lengths of code words than symbols"));
        }
        lengths[known..known + repeat].fill(value);
        known += repeat;
    }
    let (literals, distances) = lengths[..known].split_at(literals);
    Ok((Code::new(literals)?, Code::new(distances)?))
}

/// What to skip, by the bits that come next: the first half for a literal or length, the second for
/// a distance.
struct Table {
    entries: [Entry; 2 * SIZE],
    /// Of each entry, how many of the bits it is looked up by it depends on.
    certain: [u8; 2 * SIZE],
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: [LONG; 2 * SIZE], certain: [0; 2 * SIZE] }
    }
}

impl Table {
    fn fill(&mut self, literals: &Code<LITERALS>, distances: &Code<DISTANCES>) {
        self.lay(0, literals, LONG, |symbol| match symbol {
            END_OF_BLOCK => Some((0, STOP)),
            _ => literal_bits(symbol),
        });
        self.lay(SIZE, distances, LONG | DISTANCE, |symbol| Some((distance_bits(symbol)?, 0)));
        self.join();
    }

    /// Makes entries of one symbol each: `what` gives the bits behind its word, and what follows.
    fn lay<const N: usize>(
        &mut self,
        half: usize,
        code: &Code<N>,
        long: Entry,
        what: impl Fn(u16) -> Option<(u32, Entry)>,
    ) {
        let entries = &mut self.entries[half..half + SIZE];
        let certain = &mut self.certain[half..half + SIZE];
        (entries[0], certain[0]) = (long, 0);
        // So far entries are looked up by `width` bits. One bit more doubles them.
        let mut width = 0;
        let widen = |entries: &mut [Entry], certain: &mut [u8], width: u32| {
            entries.copy_within(..1 << width, 1 << width);
            certain.copy_within(..1 << width, 1 << width);
        };
        code.words(|symbol, length, word| {
            if length > WINDOW {
                return;
            }
            while width < length {
                widen(entries, certain, width);
                width += 1;
            }
            let (entry, bits) = match what(symbol) {
                Some((count, next)) => ((length + count) as Entry | next, length as u8),
                None => (long, 0),
            };
            (entries[word as usize], certain[word as usize]) = (entry, bits);
        });
        while width < WINDOW {
            widen(entries, certain, width);
            width += 1;
        }
    }

    /// Puts into each literal's or length's entry what its window has beside it.
    fn join(&mut self) {
        let single: [Entry; SIZE] = std::array::from_fn(|window| self.entries[window]);
        let known: [u8; SIZE] = std::array::from_fn(|window| self.certain[window]);
        // What is behind a symbol's bits is a smaller number, and so has been joined already.
        for window in 1..SIZE {
            let first = single[window];
            let skip = first & SKIP;
            if first & STOP != 0 || u32::from(skip) >= WINDOW {
                continue;
            }
            let behind = usize::from(first & DISTANCE) | window >> skip;
            let fits = |certain: u8| certain > 0 && u32::from(certain) + u32::from(skip) <= WINDOW;
            let (more, certain) = (self.entries[behind], self.certain[behind]);
            let (more, certain) = if fits(certain) {
                (more, certain)
            } else if behind < SIZE && fits(known[behind]) {
                (single[behind], known[behind])
            } else {
                continue;
            };
            self.entries[window] = more + skip;
            self.certain[window] = certain + skip as u8;
        }
    }
}

#[cfg(test)]
mod tests;
