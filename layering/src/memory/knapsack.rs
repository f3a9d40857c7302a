//! Which layers with dead weight save most, within a bound.

/// Parts of the bound in which dead bytes are counted.
const PARTS: usize = 2000;

/// Which of the layers, each with its live and its dead bytes, to keep, so that they save most and
/// their dead bytes together are at most `allowed`.
pub(super) fn most_saved(layers: &[(u64, u64)], allowed: u64) -> Vec<bool> {
    let part = allowed.div_ceil(PARTS as u64).max(1);
    let parts = usize::try_from(allowed / part).unwrap_or(PARTS);
    // Rounded up, so that the bound holds.
    let parts_of = |dead: u64| usize::try_from(dead.div_ceil(part)).unwrap_or(usize::MAX);
    // The best value with so many parts or fewer, and for each layer with which it is a part of it.
    let mut best = vec![0; parts + 1];
    let mut kept_with = Vec::new();
    for &(live, dead) in layers {
        let mut kept = vec![false; parts + 1];
        for room in (parts_of(dead)..=parts).rev() {
            let value = best[room - parts_of(dead)] + saved(live, dead);
            if value > best[room] {
                (best[room], kept[room]) = (value, true);
            }
        }
        kept_with.push(kept);
    }
    let mut room = parts;
    let mut chosen = vec![false; layers.len()];
    for (index, kept) in kept_with.iter().enumerate().rev() {
        if kept[room] {
            chosen[index] = true;
            room -= parts_of(layers[index].1);
        }
    }
    chosen
}

/// What a layer is worth. Its dead bytes burden every new host, and leave less of the bound for
/// the updates to come: with more than two for each live byte, it is worth nothing.
fn saved(live: u64, dead: u64) -> u128 {
    (2 * u128::from(live)).saturating_sub(u128::from(dead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_the_best_fit_in_it() {
        assert_eq!(most_saved(&[(90, 6), (50, 5), (50, 5)], 10), [false, true, true]);
        assert_eq!(most_saved(&[(90, 6), (50, 5), (50, 5)], 9), [true, false, false]);
        assert_eq!(most_saved(&[(90, 6)], 5), [false]);
        assert_eq!(most_saved(&[(90, 6)], 0), [false]);
        assert_eq!(most_saved(&[], 10), [false; 0]);
    }

    #[test]
    fn what_is_mostly_dead_is_not_worth_it() {
        assert_eq!(most_saved(&[(1, 3), (1, 1)], 100), [false, true]);
    }

    #[test]
    fn sizes_may_be_absurd() {
        let all = [(u64::MAX, u64::MAX / 2), (u64::MAX, 0), (0, 0)];
        assert_eq!(most_saved(&all, u64::MAX), [true, true, false]);
    }
}
