//! Bits of a deflate stream, the lowest of each byte first (RFC 1951 section 3.1.1).

use std::io;

use super::code::invalid;

/// Reads a stream bit by bit. Behind its end it goes on with zeros, for a few bytes, so that
/// whoever reads need not ask before every bit; [`Bits::check`] tells.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Where the next byte comes from.
    at: usize,
    buffer: u64,
    /// How many bits of `buffer` are counted; there may be more in it, which will be read again.
    held: u32,
}

impl<'a> Bits<'a> {
    /// Bits that are there after a [`refill`](Self::refill).
    pub(super) const FULL: u32 = 56;

    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, held: 0 }
    }

    /// Makes sure of [`FULL`](Self::FULL) bits.
    #[inline]
    pub(super) fn refill(&mut self) {
        let word = match self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => self.rest(),
        };
        self.buffer |= word << self.held;
        self.at += (63 - self.held as usize) / 8;
        self.held |= Self::FULL;
    }

    #[cold]
    fn rest(&self) -> u64 {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    }

    /// The next bits, as many as are held; what is above them is of no account.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        self.buffer
    }

    /// Drops bits that are held, at most 63.
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.buffer >>= count & 63;
        self.held = self.held.wrapping_sub(count & 63);
    }

    /// Reads at most 32 bits.
    pub(super) fn take(&mut self, count: u32) -> io::Result<u32> {
        self.refill();
        let value = self.buffer & ((1 << count) - 1);
        self.skip(count);
        self.check()?;
        Ok(value as u32)
    }

    /// How many bits were read.
    pub(super) fn position(&self) -> usize {
        self.at * 8 - self.held as usize
    }

    /// Whether more were read than there are.
    #[inline]
    pub(super) fn over(&self) -> bool {
        self.position() > self.bytes.len() * 8
    }

    /// An error if so.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.over() { Err(invalid("no end")) } else { Ok(()) }
    }

    /// Whether there is no byte behind that of the last bit that was read.
    pub(super) fn is_last_byte(&self) -> bool {
        self.position().div_ceil(8) == self.bytes.len()
    }

    /// Goes to the next byte and drops `count` of them.
    pub(super) fn skip_bytes(&mut self, count: usize) -> io::Result<()> {
        self.at = self.position().div_ceil(8) + count;
        (self.buffer, self.held) = (0, 0);
        self.check()
    }
}
