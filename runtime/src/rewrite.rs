//! The store's directory replaced by another of the same length, where neither namespaces nor a place at the root are to
//! be had: programs then look for each other there, and nothing moves in any file.
//!
//! What stands at a place afterwards follows from [`Rewrite::reach`] bytes on either side of it and nothing else. So it
//! does not matter in which pieces a file is read, nor where reading begins.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// What is replaced by what: two paths of the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    from: Box<[u8]>,
    to: Box<[u8]>,
}

impl Rewrite {
    /// `None` unless both have the same length, of at least a byte.
    pub fn new(from: &[u8], to: &[u8]) -> Option<Self> {
        let fits = from.len() == to.len() && !from.is_empty();
        fits.then(|| Self { from: from.into(), to: to.into() })
    }

    /// How many bytes before or behind a place can matter to what is replaced there.
    pub fn reach(&self) -> usize {
        self.from.len() - 1
    }

    /// Replaces every occurrence, also those that overlap as the slash of `/nix/store/nix/store/` lets them: there the
    /// later one's bytes stay.
    pub fn apply(&self, bytes: &mut [u8]) {
        let (from, len) = (&*self.from, self.from.len());
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(|rest| find(rest, from[0])) {
            at += found;
            if bytes.get(at..at + len) != Some(from) {
                at += 1;
                continue;
            }
            loop {
                bytes[at..at + len].copy_from_slice(&self.to);
                // What stood there is known, so that the next one is told by what comes behind.
                let overlapping = |by: &usize| {
                    from.starts_with(&from[*by..])
                        && bytes.get(at + len..at + len + by) == Some(&from[len - by..])
                };
                match (1..len).find(overlapping) {
                    Some(by) => at += by,
                    None => break,
                }
            }
            at += len;
        }
    }

    /// Replaces in the target of a symbolic link. A relative link into the store, `../nix/store/…`, leads to the files
    /// beside it and stays.
    pub fn apply_to_link(&self, target: &mut [u8]) {
        if target.starts_with(&self.from) {
            self.apply(target);
        }
    }
}

/// Where a byte is first, eight bytes at a time: nearly all bytes of programs are not it.
fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let pattern = u64::from(wanted) * ONES;
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        // A byte that is zero now was the wanted one; the lowest such bit is never a false one.
        let different = u64::from_le_bytes(*chunk) ^ pattern;
        let zero = different.wrapping_sub(ONES) & !different & HIGH;
        if zero != 0 {
            return Some(at + zero.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes[at..].iter().position(|&byte| byte == wanted).map(|found| at + found)
}

/// Replaces in a stream that comes in pieces.
#[derive(Debug)]
pub struct Stream<'r> {
    rewrite: &'r Rewrite,
    /// As it came: what was given but matters to what follows, then what was not given yet.
    bytes: Vec<u8>,
    given: usize,
}

impl<'r> Stream<'r> {
    /// At the stream's beginning.
    pub fn new(rewrite: &'r Rewrite) -> Self {
        Self { rewrite, bytes: Vec::new(), given: 0 }
    }

    /// Takes a piece and gives what is certain.
    pub fn next(&mut self, piece: &[u8]) -> Vec<u8> {
        self.bytes.extend_from_slice(piece);
        let reach = self.rewrite.reach();
        let certain = self.bytes.len().saturating_sub(reach).max(self.given);
        let out = self.replaced(certain);
        let done = certain.saturating_sub(reach);
        self.bytes.drain(..done);
        self.given = certain - done;
        out
    }

    /// What was held back to the end.
    pub fn end(self) -> Vec<u8> {
        self.replaced(self.bytes.len())
    }

    /// From what was given last up to `end`.
    fn replaced(&self, end: usize) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        self.rewrite.apply(&mut bytes);
        bytes.truncate(end);
        bytes.drain(..self.given);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn store() -> Rewrite {
        Rewrite::new(b"/nix/store/", b"/tmp/abcde/").unwrap()
    }

    fn rewritten(rewrite: &Rewrite, text: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        rewrite.apply(&mut bytes);
        bytes
    }

    /// Byte for byte, from what stood there before.
    fn reference(rewrite: &Rewrite, text: &[u8]) -> Vec<u8> {
        let mut out = text.to_vec();
        for at in 0..text.len() {
            if text[at..].starts_with(&rewrite.from) {
                out[at..at + rewrite.to.len()].copy_from_slice(&rewrite.to);
            }
        }
        out
    }

    #[test]
    fn every_occurrence_is_replaced() {
        for (text, expected) in [
            ("", ""),
            ("/nix/store", "/nix/store"),
            ("/nix/store/", "/tmp/abcde/"),
            ("a:/nix/store/b:/nix/stor/nix/store/", "a:/tmp/abcde/b:/nix/stor/tmp/abcde/"),
            ("/nix/store/nix/store/x", "/tmp/abcde/tmp/abcde/x"),
            ("/nix/store/nix/store/nix/store", "/tmp/abcde/tmp/abcde/nix/store"),
        ] {
            assert_eq!(rewritten(&store(), text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn links_change_only_if_they_lead_into_the_store() {
        for (target, expected) in [
            ("/nix/store/a", "/tmp/abcde/a"),
            ("/nix/store", "/nix/store"),
            ("../nix/store/a", "../nix/store/a"),
        ] {
            let mut bytes = target.as_bytes().to_vec();
            store().apply_to_link(&mut bytes);
            assert_eq!(bytes, expected.as_bytes(), "{target}");
        }
    }

    #[test]
    fn lengths_must_be_the_same() {
        assert_eq!(Rewrite::new(b"/nix/store/", b"/tmp/"), None);
        assert_eq!(Rewrite::new(b"", b""), None);
    }

    /// Stores, among them some that overlap themselves by more than a slash, with other paths for them.
    fn rewrites() -> impl Strategy<Value = Rewrite> {
        prop_oneof![
            Just(store()),
            Just(Rewrite::new(b"/a/a/", b"/xyz/").unwrap()),
            Just(Rewrite::new(b"/a/", b"/a/").unwrap()),
            Just(Rewrite::new(b"/aa/a/aa/a/", b"/a/aa/aa/a/").unwrap()),
            Just(Rewrite::new(b"a", b"b").unwrap()),
        ]
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            "/nix/store/",
            "/ni",
            "x/store/",
            "nix/store/",
            "a{0,9}",
            "/",
            "[/a]{0,40}"
        ];
        proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn a_byte_is_found_where_it_is_first(bytes: Vec<u8>, wanted: u8) {
            let first = bytes.iter().position(|&byte| byte == wanted);
            prop_assert_eq!(find(&bytes, wanted), first);
        }

        #[test]
        fn all_at_once_is_as_byte_for_byte(rewrite in rewrites(), text in text()) {
            prop_assert_eq!(rewritten(&rewrite, &text), reference(&rewrite, &text));
        }

        #[test]
        fn pieces_give_what_the_whole_gives(
            rewrite in rewrites(),
            text in text(),
            cuts in proptest::collection::vec(0usize..30, 1..20),
        ) {
            prop_assume!(cuts.iter().any(|cut| *cut > 0));
            let mut stream = Stream::new(&rewrite);
            let (mut rest, mut out) = (&text[..], Vec::new());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                out.extend(stream.next(piece));
                rest = after;
            }
            out.extend(stream.end());
            prop_assert_eq!(out, rewritten(&rewrite, &text));
        }

        #[test]
        fn any_window_gives_what_the_whole_gives(
            rewrite in rewrites(),
            text in text(),
            start in 0usize..300,
            len in 0usize..300,
        ) {
            let start = start.min(text.len());
            let end = (start + len).min(text.len());
            let from = start.saturating_sub(rewrite.reach());
            let to = (end + rewrite.reach()).min(text.len());
            let window = rewritten(&rewrite, &text[from..to]);
            let whole = rewritten(&rewrite, &text);
            prop_assert_eq!(&window[start - from..end - from], &whole[start..end]);
        }
    }
}
