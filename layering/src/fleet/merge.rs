//! Fewer groups where an image has more than it can use.
//!
//! An image that holds more groups than it has layers for leaves out its smallest, and stores
//! their paths by itself. Two groups that almost the same images hold cost less as one: whoever
//! has both gets a layer back, and whoever has only one of them stores that by itself. All is
//! counted in bytes that an image stores though another has them.

use std::cmp::Reverse;

use super::atoms::Atom;

/// More groups than this are not compared with each other, which takes quadratic time; those that
/// save least are left to the images.
const MOST: usize = 2048;

/// What an image can use.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    /// Groups beyond its layers.
    excess: usize,
    /// Size of the largest group that it leaves out; 0 if it uses all.
    left_out: u64,
    /// Size of the smallest group that it uses.
    used: u64,
}

/// Merges groups until that saves nothing more; image i can use `slots[i]`.
pub(super) fn merge<'a>(mut atoms: Vec<Atom<'a>>, slots: &[usize]) -> Vec<Atom<'a>> {
    let saved = |atom: &Atom<'_>| {
        u128::from(atom.nar_size) * (atom.holders.len().saturating_sub(1) as u128)
    };
    atoms.sort_by_cached_key(|atom| Reverse(saved(atom)));
    atoms.truncate(MOST);
    loop {
        let mut loads = loads(&atoms, slots);
        let mut found = Vec::new();
        for (a, atom) in atoms.iter().enumerate() {
            let others = atoms.iter().enumerate().skip(a + 1);
            let gains = others.map(|(b, other)| (gain(atom, other, &loads), a, b));
            found.extend(
                gains.filter(|&(gain, ..)| gain > 0).max_by_key(|&(gain, _, b)| (gain, Reverse(b))),
            );
        }
        if found.is_empty() {
            return atoms;
        }
        found.sort_by_key(|&(gain, a, b)| (Reverse(gain), a, b));
        // The best ones of a round; what they change is seen in the next.
        let mut touched = vec![false; atoms.len()];
        for (_, a, b) in found {
            if touched[a] || touched[b] || gain(&atoms[a], &atoms[b], &loads) <= 0 {
                continue;
            }
            touched[a] = true;
            touched[b] = true;
            for image in atoms[a].holders.iter().chain(atoms[b].holders.not_in(&atoms[a].holders)) {
                let load = &mut loads[image];
                load.excess = load.excess.saturating_sub(1);
                if load.excess == 0 {
                    load.left_out = 0;
                }
            }
            let Atom { paths, nar_size, holders } = atoms[b].clone();
            atoms[b].paths.clear();
            let into = &mut atoms[a];
            into.paths.extend(paths);
            into.paths.sort();
            into.nar_size = into.nar_size.saturating_add(nar_size);
            into.holders = into.holders.and(&holders);
        }
        atoms.retain(|atom| !atom.paths.is_empty());
        atoms.sort_by(|a, b| a.paths.cmp(&b.paths));
    }
}

fn loads(atoms: &[Atom<'_>], slots: &[usize]) -> Vec<Load> {
    let mut sizes: Vec<Vec<u64>> = vec![Vec::new(); slots.len()];
    for atom in atoms {
        atom.holders.iter().for_each(|image| sizes[image].push(atom.nar_size));
    }
    let load = |(sizes, &slots): (&mut Vec<u64>, &usize)| {
        sizes.sort_unstable();
        match sizes.len().checked_sub(slots) {
            None | Some(0) => Load::default(),
            Some(excess) => Load {
                excess,
                left_out: sizes[excess - 1],
                used: sizes.get(excess).copied().unwrap_or(u64::MAX),
            },
        }
    };
    sizes.iter_mut().zip(slots).map(load).collect()
}

/// Bytes that the images no longer store by themselves if the two are one.
fn gain(a: &Atom<'_>, b: &Atom<'_>, loads: &[Load]) -> i128 {
    if a.holders.common(&b.holders) < 2 {
        return 0;
    }
    let is_left_out = |size: u64, load: &Load| load.excess > 0 && size <= load.left_out;
    let alone = |atom: &Atom<'_>, image: usize| {
        let load = &loads[image];
        match is_left_out(atom.nar_size, load) {
            true => 0,
            false => i128::from(load.left_out) - i128::from(atom.nar_size),
        }
    };
    let both = |image: usize| {
        let load = &loads[image];
        match (is_left_out(a.nar_size, load), is_left_out(b.nar_size, load)) {
            (false, false) => load.left_out,
            (true, false) => a.nar_size,
            (false, true) => b.nar_size,
            (true, true) => a.nar_size.saturating_add(b.nar_size).saturating_sub(load.used),
        }
    };
    let in_both: i128 = a.holders.in_both(&b.holders).map(|image| i128::from(both(image))).sum();
    let in_a: i128 = a.holders.not_in(&b.holders).map(|image| alone(a, image)).sum();
    let in_b: i128 = b.holders.not_in(&a.holders).map(|image| alone(b, image)).sum();
    in_both + in_a + in_b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StorePath;
    use crate::fleet::holders::Holders;

    fn atom<'a>(path: &'a StorePath, nar_size: u64, images: &[usize]) -> Atom<'a> {
        let mut holders = Holders::none(3);
        for &image in images {
            holders.insert(image);
        }
        Atom { paths: vec![path], nar_size, holders }
    }

    fn path(name: &str) -> StorePath {
        format!("{:0>32}-{name}", 1).parse().unwrap()
    }

    /// Images 0 and 1 would store `b` each; now only 2 stores something, `a`, by itself.
    #[test]
    fn almost_the_same_holders_are_merged_where_layers_are_short() {
        let (a, b) = (path("a"), path("b"));
        let atoms = || vec![atom(&a, 10, &[0, 1, 2]), atom(&b, 9, &[0, 1])];
        let merged = merge(atoms(), &[1, 1, 1]);
        let [only] = &merged[..] else { panic!("{merged:?}") };
        assert_eq!((only.paths.len(), only.nar_size), (2, 19));
        assert_eq!(only.holders.iter().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(merge(atoms(), &[2, 2, 1]).len(), 2);
    }

    #[test]
    fn what_costs_more_than_it_saves_is_not_merged() {
        let (a, b) = (path("a"), path("b"));
        let atoms = vec![atom(&a, 100, &[0, 1, 2]), atom(&b, 9, &[0, 1])];
        assert_eq!(merge(atoms, &[1, 1, 1]).len(), 2);
    }
}
