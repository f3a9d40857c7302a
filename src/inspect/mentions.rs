//! Finds names of store paths in bytes, whether or not anybody knows such a path.
//!
//! The scanner in `closure::scan` looks for the hash parts of known paths, as Nix does. Here it is
//! the unknown ones that matter: a path that an image lacks is known only by its name, which is the
//! store directory, a slash, a hash part and a dash.

use std::collections::BTreeMap;

use layering::{StoreDir, StorePath};
use memchr::memmem::Finder;

/// The hash part of a store path.
pub(super) type Hash = [u8; StorePath::HASH_LEN];

/// The longest part of a name that is kept.
const SHOWN: usize = 64;

/// What is looked for.
pub(super) struct Stores {
    finders: Vec<Finder<'static>>,
    /// So many bytes at the end of a piece may be the beginning of a name.
    overlap: usize,
}

impl Stores {
    /// Names in `store`, or else in the stores that everybody knows.
    pub(super) fn new(store: Option<&StoreDir>) -> Self {
        let dirs = match store {
            Some(store) => vec![format!("{store}/")],
            None => vec!["/nix/store/".into(), "/gnu/store/".into()],
        };
        let longest = dirs.iter().map(String::len).max().unwrap_or(0);
        Self {
            finders: dirs.iter().map(|dir| Finder::new(dir).into_owned()).collect(),
            overlap: longest + StorePath::HASH_LEN,
        }
    }
}

/// Looks through one text after another.
pub(super) struct Mentions<'a> {
    stores: &'a Stores,
    tail: Vec<u8>,
    /// Hash parts that were found, and what the names are as far as they were seen.
    found: BTreeMap<Hash, String>,
}

impl<'a> Mentions<'a> {
    pub(super) fn new(stores: &'a Stores) -> Self {
        Self { stores, tail: Vec::new(), found: BTreeMap::new() }
    }

    /// Takes the next bytes of a text. How it is cut into pieces makes no difference to the hashes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let overlap = self.stores.overlap;
        if !self.tail.is_empty() {
            // Room for a name that begins in the tail, and for some of what it is called.
            let head = bytes.len().min(overlap + SHOWN);
            let tail = self.tail.len();
            self.tail.extend_from_slice(&bytes[..head]);
            let joint = std::mem::take(&mut self.tail);
            self.search(&joint, tail);
            self.tail = joint;
            if bytes.len() < overlap {
                let cut = self.tail.len().saturating_sub(overlap);
                self.tail.drain(..cut);
            }
        }
        self.search(bytes, bytes.len());
        if bytes.len() >= overlap || self.tail.is_empty() {
            self.tail.clear();
            self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(overlap)..]);
        }
    }

    /// Ends a text: no name reaches from it into the next.
    pub(super) fn cut(&mut self) {
        self.tail.clear();
    }

    /// What was found.
    pub(super) fn into_found(self) -> BTreeMap<Hash, String> {
        self.found
    }

    /// Notes names that begin before `end`.
    fn search(&mut self, bytes: &[u8], end: usize) {
        for finder in &self.stores.finders {
            for at in finder.find_iter(bytes).take_while(|&at| at < end) {
                let name = &bytes[at + finder.needle().len()..];
                let Some(hash) = name.first_chunk::<{ StorePath::HASH_LEN }>() else { break };
                let is_path = name.get(StorePath::HASH_LEN) == Some(&b'-');
                if is_path && hash.iter().all(|&byte| is_base32(byte)) {
                    self.found.entry(*hash).or_insert_with(|| shown(name));
                }
            }
        }
    }
}

/// The name as far as it is one.
fn shown(name: &[u8]) -> String {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(byte);
    let letters = name.iter().take(StorePath::HASH_LEN + SHOWN).copied();
    letters.take_while(is_part).map(char::from).collect()
}

fn is_base32(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'z') && !matches!(byte, b'e' | b'o' | b't' | b'u')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "x/nix/store/2g13canlyc7b44mbr5fh62pdyvv6xrjl-hello/bin\0/nix/store/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-gone /gnu/store/1g13canlyc7b44mbr5fh62pdyvv6xrjl-guile-3.0";

    #[test]
    fn every_cut_finds_the_same() {
        let stores = Stores::new(None);
        for size in 1..=TEXT.len() {
            let mut mentions = Mentions::new(&stores);
            TEXT.as_bytes().chunks(size).for_each(|piece| mentions.feed(piece));
            let found: Vec<String> = mentions
                .into_found()
                .keys()
                .map(|hash| String::from_utf8_lossy(&hash[..4]).into_owned())
                .collect();
            // Scrubbed names have letters that no hash has.
            assert_eq!(found, ["1g13", "2g13"], "{size}");
        }
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        let stores = Stores::new(None);
        let mut mentions = Mentions::new(&stores);
        mentions.feed(&TEXT.as_bytes()[..20]);
        mentions.cut();
        mentions.feed(&TEXT.as_bytes()[20..60]);
        assert!(mentions.into_found().is_empty());
    }
}
