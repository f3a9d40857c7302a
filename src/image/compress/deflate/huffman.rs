//! Huffman codes for what is to be written: the best that keep to a limit, or nearly.

/// The words of a code: of each symbol its bits, as they go into the stream (the first one lowest),
/// and their count, 0 if it has no word.
pub(super) struct Words<const N: usize> {
    pub(super) bits: [u16; N],
    pub(super) lengths: [u8; N],
}

impl<const N: usize> Words<N> {
    /// A code for symbols as frequent as `counts` says, with words of at most `limit` bits. It has
    /// two words at least: readers differ in what they take for a code of one.
    pub(super) fn new(mut counts: [u32; N], limit: usize) -> Self {
        for symbol in 0..2 {
            if counts.iter().filter(|&&count| count > 0).count() < 2 {
                counts[symbol] = counts[symbol].max(1);
            }
        }
        let mut symbols: Vec<(u32, u16)> =
            (0..).zip(counts).filter(|&(_, n)| n > 0).map(|(symbol, n)| (n, symbol)).collect();
        symbols.sort_unstable();
        let mut lengths = [0; N];
        let mut rare_first = symbols.iter();
        for (length, &count) in (0_u8..16).zip(&per_length(&symbols, limit)).rev() {
            for &(_, symbol) in rare_first.by_ref().take(count) {
                lengths[usize::from(symbol)] = length;
            }
        }
        Self { bits: canonical(&lengths), lengths }
    }

    /// How many bits the words of so many symbols take.
    pub(super) fn cost(&self, counts: &[u32; N]) -> usize {
        counts.iter().zip(self.lengths).map(|(&n, length)| n as usize * usize::from(length)).sum()
    }
}

/// How many words there are of each length, for symbols sorted by how frequent they are.
fn per_length(symbols: &[(u32, u16)], limit: usize) -> [usize; 16] {
    // Huffman's tree: leaves first, then inner nodes, which come by rising weight; the root is last.
    let leaves = symbols.len();
    let mut weights: Vec<u32> = symbols.iter().map(|&(count, _)| count).collect();
    let mut parents = vec![0; 2 * leaves - 1];
    let (mut leaf, mut inner) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut lightest = || {
            let next = if leaf < leaves && (inner == node || weights[leaf] <= weights[inner]) {
                &mut leaf
            } else {
                &mut inner
            };
            parents[*next] = node;
            *next += 1;
            weights[*next - 1]
        };
        let weight = lightest() + lightest();
        weights.push(weight);
    }
    let mut depths = vec![0; 2 * leaves - 1];
    let mut counts = [0; 16];
    for node in (0..2 * leaves - 2).rev() {
        depths[node] = depths[parents[node]] + 1;
        if node < leaves {
            counts[depths[node].min(limit)] += 1;
        }
    }
    // Words that were cut short take more than there is: a shorter word than these is made longer,
    // and one of them put beside it, until all fit.
    let taken = |counts: &[usize; 16]| -> usize {
        (1..=limit).map(|length| counts[length] << (limit - length)).sum()
    };
    for _ in 1 << limit..taken(&counts) {
        counts[limit] -= 1;
        if let Some(length) = (1..limit).rev().find(|&length| counts[length] > 0) {
            counts[length] -= 1;
            counts[length + 1] += 2;
        }
    }
    counts
}

/// The words that follow from their lengths (RFC 1951 section 3.2.2).
fn canonical<const N: usize>(lengths: &[u8; N]) -> [u16; N] {
    let mut counts = [0_u16; 16];
    for &length in lengths {
        counts[usize::from(length)] += 1;
    }
    counts[0] = 0;
    let mut next = [0_u16; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
    }
    lengths.map(|length| {
        if length == 0 {
            return 0;
        }
        let word = next[usize::from(length)];
        next[usize::from(length)] += 1;
        word.reverse_bits() >> (16 - length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_fit_and_leave_none(
            counts in prop::collection::vec(prop_oneof![Just(0), 1..30_u32, 1..60_000_u32], 40),
            limit in 7_usize..=15,
        ) {
            let counts: [u32; 40] = counts.try_into().unwrap();
            let words = Words::new(counts, limit);
            let used = || words.lengths.iter().filter(|&&length| length > 0);
            prop_assert!(used().count() >= 2 && used().all(|&length| usize::from(length) <= limit));
            let taken: u32 = used().map(|&length| 1 << (15 - length)).sum();
            prop_assert_eq!(taken, 1 << 15);
            for (one, &count) in counts.iter().enumerate() {
                prop_assert!(count == 0 || words.lengths[one] > 0);
                // What is more frequent has no longer word.
                for (two, &other) in counts.iter().enumerate() {
                    prop_assert!(other <= count || other == 0 || count == 0
                        || words.lengths[two] <= words.lengths[one]);
                }
            }
        }
    }
}
