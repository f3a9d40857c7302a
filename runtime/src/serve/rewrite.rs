//! Other paths for those in the files: the same number of bytes in their place.

use alloc::boxed::Box;

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
    pub(super) fn reach(&self) -> usize {
        self.from.len() - 1
    }

    /// Whether `bytes` are a path that changes: a relative link into the store, `../nix/store/…`, leads to
    /// the files beside it.
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(&self.from)
    }

    /// Replaces every occurrence. What overlaps an occurrence is one too if it is left as it was, such as the slash
    /// between `/nix/store/nix/store/`.
    pub fn apply(&self, bytes: &mut [u8]) {
        let (first, len) = (self.from[0], self.from.len());
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(|rest| find(rest, first)) {
            at += found;
            if bytes.get(at..at + len) == Some(&*self.from) {
                bytes[at..at + len].copy_from_slice(&self.to);
            }
            at += 1;
        }
    }
}

/// Where a byte is first, eight bytes at a time.
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

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn rewritten(text: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        Rewrite::new(b"/nix/store/", b"/tmp/abcde/").unwrap().apply(&mut bytes);
        bytes
    }

    #[test]
    fn every_occurrence_is_replaced() {
        assert_eq!(rewritten(b""), b"");
        assert_eq!(rewritten(b"/nix/store"), b"/nix/store");
        assert_eq!(rewritten(b"/nix/store/"), b"/tmp/abcde/");
        assert_eq!(
            rewritten(b"a:/nix/store/b:/nix/stor/nix/store/"),
            b"a:/tmp/abcde/b:/nix/stor/tmp/abcde/"
        );
        assert_eq!(rewritten(b"/nix/store/nix/store/x"), b"/tmp/abcde/tmp/abcde/x");
    }

    #[test]
    fn lengths_must_be_the_same() {
        assert_eq!(Rewrite::new(b"/nix/store/", b"/tmp/"), None);
        assert_eq!(Rewrite::new(b"", b""), None);
    }

    proptest::proptest! {
        #[test]
        fn a_byte_is_found_where_it_is_first(bytes: Vec<u8>, wanted: u8) {
            let first = bytes.iter().position(|&byte| byte == wanted);
            proptest::prop_assert_eq!(find(&bytes, wanted), first);
        }
    }
}
