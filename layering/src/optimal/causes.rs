//! Which updates reach a path: the names of everything in its closure, as a set of bits.

use std::ops::BitOrAssign;

use crate::StorePath;

/// Bits of a set: names beyond this many begin to share bits.
const BITS: usize = WORDS * 64;
const WORDS: usize = 32;

/// The packages whose update changes something, told apart by name.
///
/// An input-addressed path has a new hash as soon as anything in its closure has one. Versions and
/// hashes play no part, so that a set stays as it is when its packages change, and a package that
/// is new adds its own bit and moves no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Causes([u64; WORDS]);

impl Causes {
    /// The most that [`len`](Self::len) can be.
    pub(super) const MAX: usize = BITS;

    pub(super) fn none() -> Self {
        Self([0; WORDS])
    }

    /// Adds the package that `path` belongs to.
    pub(super) fn insert(&mut self, path: &StorePath) {
        let hash = hash(path.stem());
        let [.., word] = hash.to_le_bytes();
        self.0[usize::from(word) % WORDS] |= 1 << (hash % 64);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many there are in one or both of two sets.
    pub(super) fn union_len(&self, other: &Self) -> usize {
        let words = self.0.iter().zip(&other.0);
        words.map(|(a, b)| (a | b).count_ones() as usize).sum()
    }

    /// The least of all bits in an order of bits drawn by `salt`: equal for two sets as often as
    /// they are alike (Broder's `MinHash`).
    pub(super) fn sample(&self, salt: u64) -> u64 {
        let words = self.0.iter().enumerate();
        let bits = words.flat_map(|(index, &word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index as u64 * 64 + bit)
        });
        bits.map(|bit| mix(bit ^ salt)).min().unwrap_or(u64::MAX)
    }
}

impl BitOrAssign<&Self> for Causes {
    fn bitor_assign(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

/// FNV-1a, then mixed: the same on every machine and in every release, which no hasher of the
/// standard library promises.
fn hash(text: &str) -> u64 {
    mix(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

/// The finaliser of `SplitMix64`.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Causes {
        let mut causes = Causes::none();
        for name in names {
            causes.insert(&format!("{:0>32}-{name}", 1).parse().unwrap());
        }
        causes
    }

    #[test]
    fn versions_and_outputs_of_a_package_are_one_cause() {
        assert_eq!(of(&["openssl-3.0.13", "openssl-3.0.14-dev"]), of(&["openssl-3.0.13"]));
        assert_eq!(of(&["openssl-3.0.13", "zlib-1.3"]).len(), 2);
    }

    #[test]
    fn a_union_counts_each_once() {
        let (a, b) = (of(&["a", "b"]), of(&["b", "c"]));
        let mut both = a.clone();
        both |= &b;
        assert_eq!(a.union_len(&b), 3);
        assert_eq!(both.len(), 3);
    }

    #[test]
    fn sets_that_are_alike_have_the_same_samples() {
        assert_eq!(of(&["a", "b"]).sample(7), of(&["b", "a"]).sample(7));
        assert_eq!(Causes::none().sample(7), u64::MAX);
    }
}
