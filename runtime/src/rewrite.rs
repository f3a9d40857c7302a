//! The store's directory replaced by another of the same length, where neither namespaces nor a place at the root are to
//! be had: programs then look for each other there, and nothing moves in any file.

use alloc::vec::Vec;

/// What is replaced, and by what. Both end with a slash and are of the same length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Rewrite {
    /// `None` if the lengths are not the same.
    pub fn new(from: Vec<u8>, to: Vec<u8>) -> Option<Self> {
        (from.len() == to.len() && !from.is_empty()).then_some(Self { from, to })
    }

    /// What is replaced.
    pub fn from(&self) -> &[u8] {
        &self.from
    }

    /// What stands there afterwards.
    pub fn to(&self) -> &[u8] {
        &self.to
    }

    /// Replaces all in `bytes`.
    pub fn apply(&self, bytes: &mut [u8]) {
        let (first, rest) = (self.from[0], &self.from[1..]);
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(|tail| position(tail, first)) {
            at += found;
            if bytes[at + 1..].starts_with(rest) {
                bytes[at..at + self.to.len()].copy_from_slice(&self.to);
                at += self.to.len();
            } else {
                at += 1;
            }
        }
    }
}

/// Where `byte` is, eight at a time: nearly all bytes of programs are not it.
fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let (words, _) = bytes.as_chunks::<8>();
    let wanted = ONES * u64::from(byte);
    let without = words
        .iter()
        .take_while(|word| {
            let same = u64::from_ne_bytes(**word) ^ wanted;
            same.wrapping_sub(ONES) & !same & (ONES << 7) == 0
        })
        .count();
    bytes[without * 8..].iter().position(|other| *other == byte).map(|at| without * 8 + at)
}

/// Replaces in a stream that comes in pieces: what might go on in the next piece is held back.
#[derive(Debug)]
pub struct Stream<'r> {
    rewrite: &'r Rewrite,
    held: Vec<u8>,
}

impl<'r> Stream<'r> {
    /// At the stream's beginning.
    pub fn new(rewrite: &'r Rewrite) -> Self {
        Self { rewrite, held: Vec::new() }
    }

    /// Takes a piece and gives what is certain.
    pub fn next(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut bytes = core::mem::take(&mut self.held);
        bytes.extend_from_slice(piece);
        self.rewrite.apply(&mut bytes);
        let from = self.rewrite.from();
        let longest = bytes.len().min(from.len() - 1);
        let open = (1..=longest)
            .rev()
            .find(|length| from.starts_with(&bytes[bytes.len() - length..]))
            .unwrap_or(0);
        self.held = bytes.split_off(bytes.len() - open);
        bytes
    }

    /// What was held back to the end.
    pub fn end(self) -> Vec<u8> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::string::String;
    use std::vec;

    use super::*;

    fn rewrite() -> Rewrite {
        Rewrite::new(b"/nix/store/".to_vec(), b"/tmp/abcde/".to_vec()).unwrap()
    }

    #[test]
    fn lengths_must_be_the_same() {
        assert_eq!(Rewrite::new(b"/nix/store/".to_vec(), b"/tmp/x/".to_vec()), None);
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(
            parts in proptest::collection::vec(prop_oneof!["/nix/store/", "/ni", "x/store/", "a{0,9}", "/"], 0..40),
            cuts in proptest::collection::vec(1usize..30, 1..20),
        ) {
            let text: String = parts.concat();
            let expected = text.replace("/nix/store/", "/tmp/abcde/");
            let mut whole = text.clone().into_bytes();
            rewrite().apply(&mut whole);
            prop_assert_eq!(&whole, expected.as_bytes());

            let rewrite = rewrite();
            let mut stream = Stream::new(&rewrite);
            let (mut rest, mut out) = (text.as_bytes(), vec::Vec::new());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                out.extend(stream.next(piece));
                rest = after;
            }
            out.extend(stream.end());
            prop_assert_eq!(out, expected.into_bytes());
        }
    }
}
