//! What a container sees: all layers over each other, and what of each layer nobody ever sees.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::contents::{Contents, Item, What};

/// The tree that layers give together. Pure.
#[derive(Debug, Default)]
pub(super) struct Merged<'a> {
    /// What is seen, by path; each with the number of its layer.
    pub(super) seen: BTreeMap<&'a [u8], (usize, &'a What)>,
    /// What layers have in vain.
    pub(super) hidden: Vec<Hidden<'a>>,
}

/// A file that a layer above hides or removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hidden<'a> {
    pub(super) path: &'a [u8],
    pub(super) size: u64,
    /// The layer that has it.
    pub(super) layer: usize,
    /// The layer on whose account it is not seen.
    pub(super) by: usize,
}

/// Several files of the same content, of which each is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Duplicate<'a> {
    pub(super) size: u64,
    /// Paths, each with its layer.
    pub(super) files: Vec<(usize, &'a [u8])>,
}

impl<'a> Merged<'a> {
    /// Puts layers over each other, bottom first.
    pub(super) fn new(layers: &'a [Contents]) -> Self {
        let mut merged = Self::default();
        for (number, contents) in layers.iter().enumerate() {
            merged.push(number, contents);
        }
        merged
    }

    /// Puts a layer on top.
    pub(super) fn push(&mut self, number: usize, contents: &'a Contents) {
        // Orders are about what is below, in whichever place of the layer they stand.
        for Item { path, what } in &contents.items {
            match what {
                What::Whiteout => {
                    self.remove(path, number);
                    self.remove_below(path, number);
                }
                What::Opaque => self.remove_below(path, number),
                _ => {}
            }
        }
        for Item { path, what } in &contents.items {
            match what {
                What::Whiteout | What::Opaque => continue,
                // A directory goes over a directory and keeps what is in it, and the first layer
                // goes over nothing.
                What::Directory => {}
                _ if number == 0 => {}
                _ => self.remove_below(path, number),
            }
            self.remove(path, number);
            self.seen.insert(path, (number, what));
        }
    }

    fn remove(&mut self, path: &[u8], by: usize) {
        if let Some((path, (layer, what))) = self.seen.remove_entry(path) {
            self.hide(path, layer, what, by);
        }
    }

    fn remove_below(&mut self, dir: &[u8], by: usize) {
        let below: Vec<&[u8]> = match dir {
            b"" => self.seen.keys().copied().collect(),
            dir => {
                // A slash, and the byte after it, are before and behind all names in the directory.
                let (from, to) = ([dir, b"/"].concat(), [dir, b"0"].concat());
                let range = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
                self.seen.range::<[u8], _>(range).map(|(path, _)| *path).collect()
            }
        };
        for path in below {
            self.remove(path, by);
        }
    }

    fn hide(&mut self, path: &'a [u8], layer: usize, what: &'a What, by: usize) {
        if let What::File { size, .. } = *what
            && layer != by
        {
            self.hidden.push(Hidden { path, size, layer, by });
        }
    }
}

/// Files of the same content, those that waste most first.
pub(super) fn duplicates(layers: &[Contents]) -> Vec<Duplicate<'_>> {
    type Content = (u64, [u8; 32]);
    let mut by_content: HashMap<Content, Vec<(usize, &[u8])>> = HashMap::new();
    for (number, contents) in layers.iter().enumerate() {
        for item in &contents.items {
            if let What::File { size, hash: Some(hash), .. } = item.what {
                by_content.entry((size, hash)).or_default().push((number, &item.path));
            }
        }
    }
    let mut found: Vec<Duplicate<'_>> = by_content
        .into_iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|((size, _), files)| Duplicate { size, files })
        .collect();
    found.sort_by(|a, b| b.wasted().cmp(&a.wasted()).then_with(|| a.files.cmp(&b.files)));
    found
}

impl Duplicate<'_> {
    /// Bytes that all but one of them take.
    pub(super) fn wasted(&self) -> u64 {
        self.size.saturating_mul(self.files.len() as u64 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(items: &[(&str, char)]) -> Contents {
        let item = |&(path, kind): &(&str, char)| Item {
            path: path.as_bytes().into(),
            what: match kind {
                'd' => What::Directory,
                'f' => {
                    What::File { size: path.len() as u64, executable: false, hash: Some([1; 32]) }
                }
                'w' => What::Whiteout,
                'o' => What::Opaque,
                _ => What::Symlink(b"x"[..].into()),
            },
        };
        Contents { items: items.iter().map(item).collect(), ..Contents::default() }
    }

    fn names(merged: &Merged<'_>) -> Vec<String> {
        merged.seen.keys().map(|path| String::from_utf8_lossy(path).into_owned()).collect()
    }

    #[test]
    fn what_is_above_counts() {
        let layers = [
            layer(&[("a", 'd'), ("a/b", 'f'), ("a/c", 'f'), ("a-", 'f'), ("d", 'd'), ("d/e", 'f')]),
            // An order counts for what is below, also if it comes after what is new.
            layer(&[("a/new", 'f'), ("a", 'o'), ("d", 'l'), ("a-", 'w')]),
            layer(&[("a/new", 'f')]),
        ];
        let merged = Merged::new(&layers);
        assert_eq!(names(&merged), ["a", "a/new", "d"]);
        let hidden: Vec<(&[u8], usize, usize)> =
            merged.hidden.iter().map(|it| (it.path, it.layer, it.by)).collect();
        assert_eq!(
            hidden,
            [(&b"a/b"[..], 0, 1), (b"a/c", 0, 1), (b"a-", 0, 1), (b"d/e", 0, 1), (b"a/new", 1, 2),]
        );
    }

    #[test]
    fn the_same_content_is_told_once() {
        let layers = [layer(&[("x", 'f'), ("yy", 'f')]), layer(&[("z", 'f')])];
        let found = duplicates(&layers);
        assert_eq!(found, [Duplicate { size: 1, files: vec![(0, b"x"), (1, b"z")] }]);
        assert_eq!(found[0].wasted(), 1);
    }
}
