//! Finds the hash parts of store paths in bytes.
//!
//! Nix's own algorithm (`references.cc`): look at a window of 32 bytes from its end; the first byte
//! that is not in the base-32 alphabet moves the window past itself. Most bytes of most files are
//! not in the alphabet, so only about one in 32 is looked at, however many candidates there are. A
//! window that is wholly in the alphabet is looked up in a table.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use layering::StorePath;

const WINDOW: usize = StorePath::HASH_LEN;

/// Which bytes are in Nix's base-32 alphabet.
const BASE32: [bool; 256] = {
    let mut table = [false; 256];
    let alphabet = b"0123456789abcdfghijklmnpqrsvwxyz";
    let mut index = 0;
    while index < alphabet.len() {
        table[alphabet[index] as usize] = true;
        index += 1;
    }
    table
};

/// The paths that a scan looks for, by their hash parts.
pub struct Candidates {
    paths: Vec<StorePath>,
    by_hash: HashMap<[u8; WINDOW], usize, BuildHasherDefault<HashOfHash>>,
}

impl Candidates {
    /// Of paths with the same hash part, the one with the shortest name counts: Nix names what it
    /// leaves beside a path after it, as in `<hash>-hello.check`.
    pub fn new(paths: impl IntoIterator<Item = StorePath>) -> Self {
        let mut candidates = Self { paths: Vec::new(), by_hash: HashMap::default() };
        for path in paths {
            if let Some(&index) = candidates.by_hash.get(&key(&path)) {
                let known = &mut candidates.paths[index];
                if (path.name().len(), &path) < (known.name().len(), known) {
                    *known = path;
                }
            } else {
                candidates.by_hash.insert(key(&path), candidates.paths.len());
                candidates.paths.push(path);
            }
        }
        candidates
    }

    /// Whether the path itself, not just its hash part, is a candidate.
    pub fn contains(&self, path: &StorePath) -> bool {
        self.by_hash.get(&key(path)).is_some_and(|&index| self.paths[index] == *path)
    }
}

fn key(path: &StorePath) -> [u8; WINDOW] {
    path.hash().as_bytes().try_into().expect("the hash part has HASH_LEN bytes")
}

/// The key is a cryptographic hash already: eight of its bytes, mixed once, spread well.
#[derive(Default)]
struct HashOfHash(u64);

impl Hasher for HashOfHash {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            // Fibonacci hashing: only the upper half of a product depends on all digits.
            self.0 = (self.0 ^ u64::from_le_bytes(*first)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    /// The length of an array, which never differs.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// Looks for candidates in one text after the other.
pub struct Scanner<'a> {
    candidates: &'a Candidates,
    found: Vec<bool>,
    /// The last bytes of the text so far, and room for as many of the next buffer.
    joint: [u8; 2 * (WINDOW - 1)],
    tail: usize,
}

impl<'a> Scanner<'a> {
    /// A scanner that has seen nothing.
    pub fn new(candidates: &'a Candidates) -> Self {
        let found = vec![false; candidates.paths.len()];
        Self { candidates, found, joint: [0; 2 * (WINDOW - 1)], tail: 0 }
    }

    /// Takes the next bytes of a text. How it is cut into buffers makes no difference.
    pub fn feed(&mut self, bytes: &[u8]) {
        let head = bytes.len().min(WINDOW - 1);
        let joint = self.tail + head;
        self.joint[self.tail..joint].copy_from_slice(&bytes[..head]);
        // Only a window that begins in the tail needs the joint; the others lie in `bytes`.
        if self.tail > 0 {
            search(self.candidates, &mut self.found, &self.joint[..joint]);
        }
        search(self.candidates, &mut self.found, bytes);
        let kept =
            if bytes.len() >= WINDOW - 1 { &bytes[bytes.len() - (WINDOW - 1)..] } else { &[] };
        if kept.is_empty() {
            self.tail = joint.min(WINDOW - 1);
            self.joint.copy_within(joint - self.tail..joint, 0);
        } else {
            self.tail = kept.len();
            self.joint[..kept.len()].copy_from_slice(kept);
        }
    }

    /// Ends a text: no hash part reaches from it into the next.
    pub fn cut(&mut self) {
        self.tail = 0;
    }

    /// What was found, sorted.
    pub fn into_references(self) -> Vec<StorePath> {
        let paths = self.candidates.paths.iter().zip(&self.found);
        let mut references: Vec<StorePath> =
            paths.filter(|(_, found)| **found).map(|(path, _)| path.clone()).collect();
        references.sort();
        references
    }
}

fn search(candidates: &Candidates, found: &mut [bool], bytes: &[u8]) {
    let mut start = 0;
    while let Some(window) = bytes.get(start..).and_then(<[u8]>::first_chunk::<WINDOW>) {
        if let Some(outside) = window.iter().rposition(|&byte| !BASE32[usize::from(byte)]) {
            start += outside + 1;
            continue;
        }
        // Within a long run of base-32, such as a page of hexadecimal, only its next byte is new.
        loop {
            if let Some(window) = bytes[start..].first_chunk::<WINDOW>()
                && let Some(&index) = candidates.by_hash.get(window)
            {
                found[index] = true;
            }
            start += 1;
            match bytes.get(start + WINDOW - 1) {
                Some(&byte) if BASE32[usize::from(byte)] => {}
                _ => break,
            }
        }
        start += WINDOW;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASHES: [&str; 3] = [
        "2g13canlyc7b44mbr5fh62pdyvv6xrjl",
        "g13canlyc7b44mbr5fh62pdyvv6xrjl2",
        "z0000000000000000000000000000000",
    ];

    fn candidates() -> Candidates {
        Candidates::new(HASHES.map(|hash| format!("{hash}-x").parse().unwrap()))
    }

    fn found(chunks: &[&[u8]]) -> Vec<String> {
        let candidates = candidates();
        let mut scanner = Scanner::new(&candidates);
        for chunk in chunks {
            scanner.feed(chunk);
        }
        scanner.into_references().iter().map(|path| path.hash().to_owned()).collect()
    }

    /// What a scan should find, found by the plainest means.
    fn contained(text: &[u8]) -> Vec<String> {
        let within = |hash: &&str| text.windows(WINDOW).any(|window| window == hash.as_bytes());
        HASHES.iter().filter(|hash| within(hash)).map(|hash| (*hash).to_owned()).collect()
    }

    #[test]
    fn every_chunk_size_and_every_split_finds_the_same() {
        // The first two hashes overlap: the second begins one byte after the first.
        let text = format!("e{}2-/{}0/nix/store/{}", HASHES[0], HASHES[1], HASHES[2]);
        let text = text.as_bytes();
        let all = contained(text);
        assert_eq!(all.len(), 3);
        for size in 1..=text.len() {
            let chunks: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(found(&chunks), all, "chunks of {size}");
        }
        for end in 0..=text.len() {
            for split in 0..=end {
                let chunks = [&text[..split], &text[split..end]];
                assert_eq!(found(&chunks), contained(&text[..end]), "{split} of {end}");
            }
        }
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        let candidates = candidates();
        let mut scanner = Scanner::new(&candidates);
        scanner.feed(&HASHES[0].as_bytes()[..16]);
        scanner.cut();
        scanner.feed(&HASHES[0].as_bytes()[16..]);
        assert!(scanner.into_references().is_empty());
    }

    #[test]
    fn the_shortest_name_of_a_hash_counts() {
        let path = |name: &str| -> StorePath { format!("{}-{name}", HASHES[0]).parse().unwrap() };
        let candidates = Candidates::new([path("x.check"), path("x"), path("x.lock")]);
        assert!(candidates.contains(&path("x")));
        assert!(!candidates.contains(&path("x.check")));
    }

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(
            pieces in prop::collection::vec(prop_oneof![
                prop::sample::select(HASHES.to_vec()).prop_map(|hash| hash.as_bytes().to_vec()),
                prop::sample::select(HASHES.to_vec()).prop_map(|hash| hash.as_bytes()[1..].to_vec()),
                prop::collection::vec(any::<u8>(), 0..40),
                "[0-9a-z]{0,40}".prop_map(String::into_bytes),
            ], 0..12),
            sizes in prop::collection::vec(1usize..70, 1..20),
        ) {
            let text = pieces.concat();
            let mut chunks = Vec::new();
            let mut rest = &text[..];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*size).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(found(&chunks), contained(&text));
        }
    }
}
