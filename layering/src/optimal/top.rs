//! The top of a closure: the application, and the small things that only it asked for.
//!
//! Those come and go as its developer pleases. Kept apart from the rest, they can: no other layer
//! depends on what is among them.

use super::units::Unit;

/// Bytes up to which something that only the application asked for counts as small, together with
/// all that came along only for it.
const SMALL: f64 = 4e6;

/// Bytes up to which a single root is but an environment: links to the applications.
const ENVIRONMENT: f64 = 65536.0;

/// Where a unit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Needed by several, or large.
    Core,
    /// Small, and only there since an application asked for it.
    Extra,
    /// The one root.
    Root,
}

/// The places of all units, and which of them are applications.
pub(super) struct Top {
    pub(super) places: Vec<Place>,
    /// Units that change by themselves: the one root, or what stands beneath an environment.
    pub(super) apps: Vec<usize>,
}

/// Finds the top of `units`, each of which stands behind what it refers to; `size` is in bytes.
pub(super) fn top(units: &[Unit], size: impl Fn(usize) -> f64) -> Top {
    let users = users(units);
    let roots: Vec<usize> = (0..units.len()).filter(|&unit| users[unit].is_empty()).collect();
    // With several roots, they stand beneath an environment that was never built.
    let root = if let [root] = roots[..] { Some(root) } else { None };
    let asked_for: Vec<usize> = match root {
        Some(root) => units[root].references.clone(),
        None => roots.clone(),
    };
    let owner = owners(units, &users, root);
    let mut sizes = vec![0.0; units.len()];
    for unit in 0..units.len() {
        if let Some(owner) = owner[unit] {
            sizes[owner] += size(unit);
        }
    }
    let only_asked_for = |unit: usize| users[unit].len() <= usize::from(root.is_some());
    let place = |unit: usize| match owner[unit] {
        _ if root == Some(unit) => Place::Root,
        Some(owner) if only_asked_for(owner) && sizes[owner] <= SMALL => Place::Extra,
        _ => Place::Core,
    };
    let apps = match root {
        Some(root) if size(root) > ENVIRONMENT || asked_for.is_empty() => vec![root],
        _ => asked_for.into_iter().filter(|&unit| only_asked_for(unit)).collect(),
    };
    Top { places: (0..units.len()).map(place).collect(), apps }
}

fn users(units: &[Unit]) -> Vec<Vec<usize>> {
    let mut users = vec![Vec::new(); units.len()];
    for (user, unit) in units.iter().enumerate() {
        for &to in &unit.references {
            users[to].push(user);
        }
    }
    users
}

/// The unit right beneath `root` (or, without one, the root) through which alone each unit is
/// needed; `None` for the root itself. A unit that several need is its own owner.
///
/// That is the second step on the way from the top in the tree of dominators, which in a graph
/// without cycles one pass in order finds.
fn owners(units: &[Unit], users: &[Vec<usize>], root: Option<usize>) -> Vec<Option<usize>> {
    let mut owner = vec![None; units.len()];
    for unit in (0..units.len()).rev().filter(|&unit| root != Some(unit)) {
        let mut owners = users[unit].iter().map(|&user| owner[user]);
        let first = owners.next().flatten();
        let shared = owners.any(|other| other != first);
        owner[unit] = first.filter(|_| !shared).or(Some(unit));
    }
    owner
}

#[cfg(test)]
mod tests {
    use super::super::causes::Causes;
    use super::Place::{Core, Extra, Root};
    use super::*;

    /// Units by what they refer to, and their sizes in MB.
    fn places(rows: &[(&[usize], f64)]) -> (Vec<Place>, Vec<usize>) {
        let units: Vec<Unit> = rows
            .iter()
            .map(|(references, _)| Unit {
                nodes: vec![],
                references: references.to_vec(),
                causes: Causes::none(),
            })
            .collect();
        let top = top(&units, |unit| rows[unit].1 * 1e6);
        (top.places, top.apps)
    }

    #[test]
    fn what_only_a_small_tool_needs_goes_with_it() {
        // 0 libc, 1 libjq, 2 jq, 3 git, 4 the application.
        let (found, apps) =
            places(&[(&[], 9.0), (&[0], 1.0), (&[0, 1], 1.0), (&[0], 40.0), (&[2, 3], 2.0)]);
        assert_eq!(found, [Core, Extra, Extra, Core, Root]);
        assert_eq!(apps, [4]);
    }

    #[test]
    fn applications_stand_beneath_an_environment() {
        let libc: (&[usize], f64) = (&[], 9.0);
        let (_, apps) = places(&[libc, (&[0], 5.0), (&[0], 5.0), (&[1, 2], 0.001)]);
        assert_eq!(apps, [1, 2]);
        let (found, apps) = places(&[libc, (&[0], 5.0), (&[0], 1.0)]);
        assert_eq!(apps, [1, 2]);
        assert_eq!(found, [Core, Core, Extra]);
    }
}
