//! What repeats: a greedy search, which takes the first match that it comes upon.

use super::sequence::{LONGEST, Sequences};

/// How far back a match may be (RFC 1951 section 2).
const WINDOW: usize = 1 << 15;
/// Entries of the table, as a power of 2. 16 KiB stay in any processor's nearest cache: twice as
/// many entries find 1 % more, and take 15 % longer.
const HASH_BITS: u32 = 13;
/// The shortest match. Those of four bytes save 1 %, and take 7 % longer.
const HASHED: usize = 5;
/// After so many places without a match, as a power of 2, the search takes longer steps.
const PATIENCE: usize = 5;

/// Where so many bytes were last, by their hash: the lowest bits of the place. That is enough, since
/// a match is no farther away; whether it is one is asked of the bytes.
pub(super) struct Matcher {
    places: Vec<u16>,
}

impl Matcher {
    pub(super) fn new() -> Self {
        Self { places: vec![0; 1 << HASH_BITS] }
    }

    /// Forgets what came before.
    pub(super) fn reset(&mut self) {
        self.places.fill(0);
    }

    /// How far back bytes that hash as these do were last seen; now they are at `at`.
    #[inline]
    fn distance(&mut self, bytes: u64, at: usize) -> usize {
        let hash =
            (bytes << (64 - 8 * HASHED)).wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - HASH_BITS);
        let place = &mut self.places[hash as usize & ((1 << HASH_BITS) - 1)];
        let distance = (at as u16).wrapping_sub(*place);
        *place = at as u16;
        usize::from(distance)
    }

    /// Finds the matches of `input` from `start` on, up to about `end`; gives where it stopped.
    pub(super) fn find(
        &mut self,
        input: &[u8],
        start: usize,
        end: usize,
        found: &mut Sequences,
    ) -> usize {
        let (mut at, mut literals) = (start, start);
        let mut misses = 1 << PATIENCE;
        while at < end {
            let Some(bytes) = eight(input, at) else { break };
            let distance = self.distance(bytes, at);
            let differ = eight(input, at.wrapping_sub(distance)).map_or(1, |other| bytes ^ other);
            if differ << (64 - 8 * HASHED) == 0 && distance.wrapping_sub(1) < WINDOW {
                let length = match differ {
                    0 => 8 + same(input, at - distance + 8, at + 8),
                    _ => differ.trailing_zeros() as usize / 8,
                };
                found.add(&input[literals..at], length, distance);
                at += length;
                if let Some(bytes) = eight(input, at - 2) {
                    self.distance(bytes, at - 2);
                }
                literals = at;
                misses = 1 << PATIENCE;
            } else {
                at += misses >> PATIENCE;
                misses += 1;
            }
        }
        // The last match may go beyond the end, and so may the last step.
        let end = end.max(literals);
        found.rest(&input[literals..end]);
        end
    }
}

#[inline]
fn eight(input: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*input.get(at..)?.first_chunk()?))
}

/// How many bytes at `one` are the same as those at `two`, which is later, with eight before them.
#[inline]
fn same(input: &[u8], one: usize, two: usize) -> usize {
    const MOST: usize = LONGEST - 8;
    let mut count = 0;
    while count < MOST {
        let (Some(a), Some(b)) = (eight(input, one + count), eight(input, two + count)) else {
            let rest = input[one + count..].iter().zip(&input[two + count..]);
            count += rest.take_while(|(a, b)| a == b).count();
            break;
        };
        if a != b {
            count += (a ^ b).trailing_zeros() as usize / 8;
            break;
        }
        count += 8;
    }
    count.min(MOST)
}
