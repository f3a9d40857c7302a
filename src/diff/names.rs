//! Which path of before a new path takes the place of: names, versions and outputs.

use std::collections::{BTreeMap, BTreeSet};

use layering::StorePath;

/// What Nix's packages call their outputs. Only these are told from a version's own last part, such
/// as `rc1`.
const OUTPUTS: [&str; 14] = [
    "bin", "data", "debug", "dev", "devdoc", "dist", "doc", "info", "lib", "libgcc", "man", "out",
    "static", "terminfo",
];

/// A path's name taken apart: `openssl`, `3.0.13` and `dev` of `openssl-3.0.13-dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named<'a> {
    /// The name alone.
    pub stem: &'a str,
    /// The output, unless it is the main one.
    pub output: Option<&'a str>,
    /// The version, if there is one.
    pub version: Option<&'a str>,
}

/// What has a name that can be taken apart.
pub trait Versioned {
    /// The parts of its name.
    fn named(&self) -> Named<'_>;
}

impl Versioned for StorePath {
    fn named(&self) -> Named<'_> {
        let (stem, version) = (self.stem(), self.version());
        let is_output = |text: &str| OUTPUTS.contains(&text);
        match version.and_then(|version| version.rsplit_once('-')) {
            Some((version, output)) if is_output(output) => {
                Named { stem, output: Some(output), version: Some(version) }
            }
            _ => Named { stem, output: None, version },
        }
    }
}

impl Named<'_> {
    /// Name and output, as `openssl-dev`.
    pub fn package(&self) -> String {
        match self.output {
            Some(output) => format!("{}-{output}", self.stem),
            None => self.stem.into(),
        }
    }
}

/// Paths that took the place of others, and those that did not.
pub(super) struct Pairs {
    pub(super) changed: Vec<(StorePath, StorePath)>,
    pub(super) added: Vec<StorePath>,
    pub(super) removed: Vec<StorePath>,
}

/// Pairs paths of the same name and output: those of the same version first, then in order.
pub(super) fn pair(gone: BTreeSet<StorePath>, come: BTreeSet<StorePath>) -> Pairs {
    let mut pairs = Pairs { changed: Vec::new(), added: Vec::new(), removed: Vec::new() };
    let mut removed = by_package(gone);
    for (package, mut new) in by_package(come) {
        let mut old = removed.remove(&package).unwrap_or_default();
        // Both are sorted by version, so that the first of several equal ones meets the first.
        let mut left = Vec::new();
        for path in new.drain(..) {
            let version = path.named().version;
            match old.iter().position(|it| it.named().version == version) {
                Some(at) => pairs.changed.push((old.remove(at), path)),
                None => left.push(path),
            }
        }
        let count = left.len().min(old.len());
        let rest = left.split_off(count);
        pairs.changed.extend(old.drain(..count).zip(left));
        pairs.added.extend(rest);
        pairs.removed.extend(old);
    }
    pairs.removed.extend(removed.into_values().flatten());
    pairs.changed.sort_by(|(_, a), (_, b)| sorted_by(a).cmp(&sorted_by(b)));
    for paths in [&mut pairs.added, &mut pairs.removed] {
        paths.sort_by(|a, b| sorted_by(a).cmp(&sorted_by(b)));
    }
    pairs
}

/// What people look a path up by; the hash only breaks ties.
fn sorted_by(path: &StorePath) -> (Named<'_>, &str) {
    (path.named(), path.hash())
}

fn by_package(paths: BTreeSet<StorePath>) -> BTreeMap<String, Vec<StorePath>> {
    let mut packages: BTreeMap<String, Vec<StorePath>> = BTreeMap::new();
    for path in paths {
        packages.entry(path.named().package()).or_default().push(path);
    }
    for paths in packages.values_mut() {
        paths.sort_by(|a, b| sorted_by(a).cmp(&sorted_by(b)));
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str], hash: u32) -> BTreeSet<StorePath> {
        names.iter().map(|name| format!("{hash:0>32}-{name}").parse().unwrap()).collect()
    }

    fn names(paths: &[StorePath]) -> Vec<&str> {
        paths.iter().map(StorePath::name).collect()
    }

    #[test]
    fn names_are_taken_apart() {
        for (name, stem, output, version) in [
            ("openssl-3.0.13-dev", "openssl", Some("dev"), Some("3.0.13")),
            ("openssl-3.0.13", "openssl", None, Some("3.0.13")),
            ("app-1.0-rc", "app", None, Some("1.0-rc")),
            ("libgcc-s1-12.2.0-14", "libgcc-s1", None, Some("12.2.0-14")),
            ("source", "source", None, None),
            ("x-dev", "x-dev", None, None),
        ] {
            let path = set(&[name], 1).pop_first().unwrap();
            assert_eq!(path.named(), Named { stem, output, version });
        }
    }

    #[test]
    fn the_same_version_is_the_same_package() {
        let old = set(&["py-3.9", "py-3.10", "ssl-1.0-dev", "ssl-1.0", "gone-1"], 1);
        let new = set(&["py-3.10", "py-3.11", "py-3.12", "ssl-1.1", "ssl-1.1-dev", "new-1"], 2);
        let Pairs { changed, added, removed } = pair(old, new);
        let changed: Vec<(&str, &str)> =
            changed.iter().map(|(old, new)| (old.name(), new.name())).collect();
        assert_eq!(
            changed,
            [
                ("py-3.10", "py-3.10"),
                ("py-3.9", "py-3.11"),
                ("ssl-1.0", "ssl-1.1"),
                ("ssl-1.0-dev", "ssl-1.1-dev"),
            ]
        );
        assert_eq!((names(&added), names(&removed)), (vec!["new-1", "py-3.12"], vec!["gone-1"]));
    }
}
