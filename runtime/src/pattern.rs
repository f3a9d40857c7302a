//! Shell patterns for `--appimage-extract`, as C's `fnmatch` with `FNM_FILE_NAME` and `FNM_LEADING_DIR` reads them:
//! no wildcard stands for a slash, and what lies in a directory that fits does too.

/// Whether `path` or a directory that it is in fits `pattern`.
pub fn fits(pattern: &[u8], path: &[u8]) -> bool {
    // Where to go on when what comes does not fit: behind the last star, with one more byte taken by it.
    let mut retry: Option<(usize, usize)> = None;
    let (mut at, mut done) = (0, 0);
    loop {
        if at == pattern.len() && matches!(path.get(done), None | Some(b'/')) {
            return true;
        }
        let step = match (pattern.get(at), path.get(done).copied()) {
            (Some(b'*'), _) => {
                retry = Some((at + 1, done));
                at += 1;
                continue;
            }
            (None, _) | (_, None) => None,
            (Some(b'?'), Some(byte)) => (byte != b'/').then_some(1),
            (Some(b'['), Some(byte)) if byte != b'/' => set(&pattern[at..], byte),
            (Some(b'\\'), Some(byte)) if at + 1 < pattern.len() => {
                (pattern[at + 1] == byte).then_some(2)
            }
            (Some(wanted), Some(byte)) => (*wanted == byte).then_some(1),
        };
        match (step, retry) {
            (Some(length), _) => {
                at += length;
                done += 1;
            }
            (None, Some((after, taken))) if path.get(taken).is_some_and(|byte| *byte != b'/') => {
                retry = Some((after, taken + 1));
                (at, done) = (after, taken + 1);
            }
            _ => return false,
        }
    }
}

/// The length of the set `[…]` at the pattern's beginning, if `byte` is in it. A bracket that nothing closes stands for
/// itself.
fn set(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let (mut at, mut found) = (first, false);
    loop {
        let Some(mut low) = pattern.get(at).copied() else { return (byte == b'[').then_some(1) };
        if low == b']' && at > first {
            return (found != negated).then_some(at + 1);
        }
        if low == b'\\' && at + 1 < pattern.len() {
            at += 1;
            low = pattern[at];
        }
        let high = match pattern.get(at + 1..at + 3) {
            Some([b'-', high]) if *high != b']' => {
                at += 2;
                *high
            }
            _ => low,
        };
        found |= (low..=high).contains(&byte);
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_a_shell() {
        for (pattern, path) in [
            ("AppRun", "AppRun"),
            ("usr", "usr/bin/x"),
            ("usr/*", "usr/bin/x"),
            ("*.desktop", "a.b.desktop"),
            ("u?r/b*n", "usr/bin"),
            ("[a-u]sr", "usr"),
            ("[!a]sr", "usr"),
            ("[]x]", "]"),
            ("a[", "a["),
            ("\\*", "*"),
            ("a*b*c", "axxbxbxc"),
            ("", ""),
        ] {
            assert!(fits(pattern.as_bytes(), path.as_bytes()), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("AppRun", "AppRun2"),
            ("usr*bin", "usr/bin"),
            ("u?r", "u/r"),
            ("[!u]sr", "usr"),
            ("usr/bin", "usr"),
            ("*.png", "a.svg"),
        ] {
            assert!(!fits(pattern.as_bytes(), path.as_bytes()), "{pattern} {path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_hangs_or_panics(pattern: std::vec::Vec<u8>, path: std::vec::Vec<u8>) {
            fits(&pattern, &path);
        }
        #[test]
        fn every_name_fits_itself_escaped(path in "[a-z*?\\[\\]/]{0,12}") {
            let escaped: std::vec::Vec<u8> = path.bytes().flat_map(|byte| [b'\\', byte]).collect();
            proptest::prop_assert!(fits(&escaped, path.as_bytes()));
        }
    }
}
