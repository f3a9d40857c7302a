//! What of an AppDir stays out of the image: patterns of `.appimageignore` and `--exclude-file`.
//!
//! `appimagetool` hands such files to `mksquashfs -wildcards -ef`, and so a line is what it is there: a
//! pattern for a path from the root of the AppDir, or, after `... `, for a name anywhere. A pattern that
//! fits a directory takes all that is in it along.

/// Patterns of what stays out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    /// One for each name of a path.
    parts: Vec<Vec<u8>>,
    /// Whether it may begin anywhere.
    anywhere: bool,
}

impl Ignore {
    /// Adds the lines of a file.
    pub fn add(&mut self, lines: &[u8]) {
        let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
            let line =
                line.strip_prefix(b"\\").filter(|rest| rest.starts_with(b"#")).unwrap_or(line);
            let (line, anywhere) = match line.strip_prefix(b"... ") {
                Some(rest) => (rest.trim_ascii_start(), true),
                None => (line, false),
            };
            let parts =
                line.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
            let parts: Vec<_> = parts.map(<[u8]>::to_vec).collect();
            if !parts.is_empty() {
                self.0.push(Pattern { parts, anywhere });
            }
        }
    }

    /// Whether there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a path, or a directory above it, stays out.
    pub fn has(&self, path: &[u8]) -> bool {
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        self.0.iter().any(|pattern| pattern.fits(&names))
    }
}

impl Pattern {
    fn fits(&self, names: &[&[u8]]) -> bool {
        let from = |start: usize| {
            let names = names.get(start..start + self.parts.len());
            names.is_some_and(|names| {
                names.iter().zip(&self.parts).all(|(name, part)| fits(part, name))
            })
        };
        if self.anywhere { (0..names.len()).any(from) } else { from(0) }
    }
}

/// Whether a shell's pattern fits a name: `*`, `?`, `[…]` and `\`. A dot in front fits only itself.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    if name.starts_with(b".") && !pattern.starts_with(b".") && !pattern.starts_with(b"\\.") {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    // Where the last star was, and how much of the name it had taken.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let next = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => match class(&pattern[p..], name[n]) {
                Some((true, length)) => Some(p + length),
                Some((false, _)) => None,
                None => (name[n] == b'[').then_some(p + 1),
            },
            Some(b'\\') if p + 1 < pattern.len() => (pattern[p + 1] == name[n]).then_some(p + 2),
            Some(letter) => (*letter == name[n]).then_some(p + 1),
            None => None,
        };
        match (next, star) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((at, taken))) => {
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|letter| *letter == b'*')
}

/// Whether a letter is in the class with which `pattern` begins, and how long that is; `None` if it has
/// no end.
fn class(pattern: &[u8], letter: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = if negated { 2 } else { 1 };
    let (mut at, mut within) = (start, false);
    loop {
        match (*pattern.get(at)?, pattern.get(at + 1), pattern.get(at + 2)) {
            (b']', ..) if at > start => return Some((within != negated, at + 1)),
            (low, Some(b'-'), Some(high)) if *high != b']' => {
                within |= (low..=*high).contains(&letter);
                at += 3;
            }
            (one, ..) => {
                within |= one == letter;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ignore(lines: &str) -> Ignore {
        let mut ignore = Ignore::default();
        ignore.add(lines.as_bytes());
        ignore
    }

    #[test]
    fn patterns_are_those_of_mksquashfs() {
        let all =
            ignore("# comment\n\n to-be-ignored \nusr/lib/*.a\n... *.o\n\\#x\n... a/b\n[x-z]?\n");
        for path in [
            "to-be-ignored",
            "to-be-ignored/inner",
            "usr/lib/libc.a",
            "usr/x/y.o",
            "#x",
            "q/a/b/c",
            "y1",
        ] {
            assert!(all.has(path.as_bytes()), "{path}");
        }
        for path in [
            "usr/to-be-ignored",
            "usr/lib/d/c.a",
            "usr/.o",
            "comment",
            "a",
            "x",
            "w1",
            "y12",
            "usr/lib",
        ] {
            assert!(!all.has(path.as_bytes()), "{path}");
        }
        assert!(ignore("*").has(b"a") && !ignore("*").has(b".a") && ignore(".*").has(b".a"));
        assert!(ignore("[!a]").has(b"b") && !ignore("[!a]").has(b"a") && ignore("[").has(b"["));
    }

    proptest! {
        #[test]
        fn never_panics_and_stars_fit_all(pattern in any::<Vec<u8>>(), name in "[a-z]{1,20}") {
            let mut any = Ignore::default();
            any.add(&pattern);
            any.has(name.as_bytes());
            prop_assert!(fits(b"*", name.as_bytes()));
            prop_assert!(fits(name.as_bytes(), name.as_bytes()));
        }
    }
}
