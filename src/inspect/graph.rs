//! Which store path of an image needs which, and why any is there.
//!
//! An image of ours says so; of others' it is found in the bytes, as Nix finds it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use layering::StorePath;
use serde_json::Value;

use super::contents::{Contents, What};
use super::image::Image;
use super::mentions::{Mentions, Stores};
use super::places::in_store;

/// References between the store paths of an image. Pure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// All store paths, each with those that it refers to, itself left out.
    pub of: BTreeMap<StorePath, BTreeSet<StorePath>>,
    /// What the image is for: what it was asked for, or what its configuration and the files outside
    /// the store name.
    pub roots: BTreeSet<StorePath>,
    /// Where they are from.
    pub from: From,
}

/// Who says what refers to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// The image.
    #[default]
    Image,
    /// The bytes of the files.
    Bytes,
}

/// A chain of paths from a root, each of which refers to the next.
pub type Chain = Vec<StorePath>;

impl References {
    /// What the image says, if it says it of any path.
    pub(super) fn told(image: &Image) -> Option<Self> {
        let told: Vec<_> = image.told_paths().collect();
        let is_told = told.iter().any(|(_, _, record)| record.is_some());
        let mut references = Self { from: From::Image, ..Self::default() };
        // Positions are in the list of the image's own layers. Those of another image underneath say
        // nothing, or count for themselves.
        let first = told.iter().position(|(_, _, record)| record.is_some()).unwrap_or(0);
        let own = &told[first..];
        for (_, path, record) in told.iter().filter(|_| is_told) {
            let known = record.and_then(|record| record.references.as_ref());
            let named = known.into_iter().flatten().filter_map(|&at| own.get(at));
            let others = named.map(|(_, it, _)| (*it).clone()).filter(|it| it != *path);
            references.of.insert((*path).clone(), others.collect());
            if record.is_some_and(|record| record.root) {
                references.roots.insert((*path).clone());
            }
        }
        is_told.then_some(references)
    }

    /// What the bytes say.
    pub(super) fn found(image: &Image, layers: &[Contents]) -> Self {
        let mut references = Self { from: From::Bytes, ..Self::default() };
        let paths = layers.iter().flat_map(|contents| contents.paths.keys());
        let by_hash: BTreeMap<&[u8], &StorePath> =
            paths.map(|path| (path.hash().as_bytes(), path)).collect();
        for (path, found) in layers.iter().flat_map(|contents| &contents.paths) {
            let named = found.mentions.keys().filter_map(|hash| by_hash.get(&hash[..]));
            let others = named.filter(|other| **other != path).map(|other| (*other).clone());
            references.of.entry(path.clone()).or_default().extend(others);
        }
        let stores = Stores::new(image.store_dir());
        let mut mentions = Mentions::new(&stores);
        for text in image.oci.iter().flat_map(|oci| texts(&oci.run)) {
            mentions.feed(text.as_bytes());
            mentions.cut();
        }
        let outside = layers.iter().flat_map(|contents| contents.outside.keys());
        let named = mentions.into_found();
        references.roots = outside
            .chain(named.keys())
            .filter_map(|hash| by_hash.get(&hash[..]).map(|path| (*path).clone()))
            .chain(linked(image, layers))
            .collect();
        references
    }

    /// Paths that no root leads to. Without roots that is nobody's to say, and there are none.
    pub fn dead(&self) -> Vec<&StorePath> {
        if self.roots.is_empty() {
            return Vec::new();
        }
        let mut reached: BTreeSet<&StorePath> = self.roots.iter().collect();
        let mut ahead: Vec<&StorePath> = self.roots.iter().collect();
        while let Some(path) = ahead.pop() {
            let next = self.of.get(path).into_iter().flatten();
            ahead.extend(next.filter(|next| reached.insert(next)));
        }
        self.of.keys().filter(|path| !reached.contains(path)).collect()
    }

    /// A shortest chain from a root to `path`; `None` if no root leads there.
    pub fn why(&self, path: &StorePath) -> Option<Chain> {
        let mut before: BTreeMap<&StorePath, Option<&StorePath>> =
            self.roots.iter().map(|root| (root, None)).collect();
        let mut ahead: VecDeque<&StorePath> = self.roots.iter().collect();
        while let Some(at) = ahead.pop_front() {
            if at == path {
                let mut chain = vec![at.clone()];
                let mut here = at;
                while let Some(Some(from)) = before.get(here) {
                    chain.push((*from).clone());
                    here = from;
                }
                chain.reverse();
                return Some(chain);
            }
            for next in self.of.get(at).into_iter().flatten() {
                if !before.contains_key(next) {
                    before.insert(next, Some(at));
                    ahead.push_back(next);
                }
            }
        }
        None
    }

    /// Who refers to `path`.
    pub fn referrers(&self, path: &StorePath) -> Vec<&StorePath> {
        self.of.iter().filter(|(_, of)| of.contains(path)).map(|(from, _)| from).collect()
    }
}

/// Store paths that relative links outside the store lead to, as those of `AppImages` do.
fn linked(image: &Image, layers: &[Contents]) -> Vec<StorePath> {
    let mut found = Vec::new();
    for item in layers.iter().flat_map(|contents| &contents.items) {
        let What::Symlink(target) = &item.what else { continue };
        if target.starts_with(b"/") || in_store(&item.path, image.store_dir()).is_some() {
            continue;
        }
        let mut at: Vec<&[u8]> = item.path.split(|&byte| byte == b'/').collect();
        at.pop();
        for part in target.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => drop(at.pop()),
                part => at.push(part),
            }
        }
        let leads_to = at.join(&b'/');
        let place = in_store(&leads_to, image.store_dir());
        let path = place.and_then(|it| std::str::from_utf8(it.path).ok()?.parse().ok());
        found.extend(path);
    }
    found
}

/// All texts in a configuration, keys included: volumes and labels are keys.
pub(super) fn texts(object: &serde_json::Map<String, Value>) -> Vec<&str> {
    let mut found = Vec::new();
    let mut ahead: Vec<&Value> = object.values().collect();
    while let Some(value) = ahead.pop() {
        match value {
            Value::String(text) => found.push(text.as_str()),
            Value::Array(items) => ahead.extend(items),
            Value::Object(inner) => {
                found.extend(inner.keys().map(String::as_str));
                ahead.extend(inner.values());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        format!("{}-{name}", "0".repeat(32)).parse().unwrap()
    }

    fn references(edges: &[(&str, &[&str])], roots: &[&str]) -> References {
        let set = |names: &[&str]| names.iter().map(|name| path(name)).collect();
        References {
            of: edges.iter().map(|(from, to)| (path(from), set(to))).collect(),
            roots: set(roots),
            from: From::Image,
        }
    }

    #[test]
    fn the_shortest_way_is_told() {
        let graph = references(
            &[("a", &["b", "d"]), ("b", &["c"]), ("c", &["d"]), ("d", &["a"]), ("e", &["d"])],
            &["a"],
        );
        assert_eq!(graph.why(&path("d")), Some(vec![path("a"), path("d")]));
        assert_eq!(graph.why(&path("c")), Some(vec![path("a"), path("b"), path("c")]));
        assert_eq!(graph.why(&path("a")), Some(vec![path("a")]));
        assert_eq!(graph.why(&path("e")), None);
        assert_eq!(graph.dead(), [&path("e")]);
        assert_eq!(graph.referrers(&path("d")), [&path("a"), &path("c"), &path("e")]);
        assert!(references(&[("a", &[])], &[]).dead().is_empty());
    }
}
