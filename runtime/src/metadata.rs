//! `.closure2img` in the image's root: which store the image carries, what to put into the environment, and which store
//! paths there are. Images of plain directories have none.
//!
//! ```text
//! closure2img 1
//! store /nix/store
//! env NAME=VALUE
//! path HASH-NAME NARHASH NARSIZE REFERENCES
//! ```
//!
//! Lines end with a newline; in values, `\\` stands for a backslash and `\n` for a newline.

use alloc::vec::Vec;
use core::fmt;

/// The file's name.
pub const NAME: &str = ".closure2img";

/// No image has a larger one: some 100 bytes for each store path.
pub const LIMIT: usize = 64 << 20;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// The store's directory, absolute and without a slash at its end; `None` if the image carries no store.
    pub store: Option<&'a [u8]>,
    /// Names and values.
    pub environment: Vec<(&'a [u8], Vec<u8>)>,
    /// The store's paths.
    pub paths: Vec<Path<'a>>,
}

/// A store path, as it was when the image was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// `HASH-NAME`, without the store's directory.
    pub name: &'a [u8],
    /// The hash of its archive (`sha256:…`), if it was known.
    pub nar_hash: Option<&'a [u8]>,
    /// The archive's size in bytes, if it was known.
    pub nar_size: Option<u64>,
    /// Which of the paths it refers to.
    pub references: Vec<u32>,
}

/// Why it cannot be read, with the number of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MetadataError {
    Version,
    Unended,
    Line(usize),
}

impl fmt::Display for MetadataError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version => write!(
                out,
                "`{NAME}` does not begin with `closure2img 1`: the image is newer than this runtime"
            ),
            Self::Unended => write!(out, "`{NAME}` ends within a line"),
            Self::Line(number) => write!(out, "line {number} of `{NAME}` is not what it should be"),
        }
    }
}

impl<'a> Metadata<'a> {
    /// Parses the file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MetadataError> {
        let lines = bytes.strip_prefix(b"closure2img 1\n").ok_or(MetadataError::Version)?;
        let mut all = Self::default();
        if lines.is_empty() {
            return Ok(all);
        }
        let lines = lines.strip_suffix(b"\n").ok_or(MetadataError::Unended)?;
        for (index, line) in lines.split(|byte| *byte == b'\n').enumerate() {
            all.line(line).ok_or(MetadataError::Line(index + 2))?;
        }
        let count = all.paths.len();
        let beyond = |path: &Path<'_>| path.references.iter().any(|index| *index as usize >= count);
        match all.paths.iter().position(beyond) {
            // The paths' lines come last.
            Some(index) => Err(MetadataError::Line(
                index + 2 + all.environment.len() + usize::from(all.store.is_some()),
            )),
            None => Ok(all),
        }
    }

    fn line(&mut self, line: &'a [u8]) -> Option<()> {
        let space = line.iter().position(|byte| *byte == b' ')?;
        let rest = &line[space + 1..];
        match &line[..space] {
            b"store" if self.store.is_none() && self.paths.is_empty() => {
                self.store = Some(store(rest)?);
            }
            b"env" if self.paths.is_empty() => self.environment.push(assignment(rest)?),
            b"path" if self.store.is_some() => {
                let path = Path::parse(rest)?;
                if self.paths.last().is_some_and(|last| last.name >= path.name) {
                    return None;
                }
                self.paths.push(path);
            }
            _ => return None,
        }
        Some(())
    }
}

/// An absolute path of ordinary names, which mounts and messages can be made of.
fn store(path: &[u8]) -> Option<&[u8]> {
    let names = path.strip_prefix(b"/")?;
    let ordinary = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && !name.contains(&0);
    (path.len() < 256 && names.split(|byte| *byte == b'/').all(ordinary)).then_some(path)
}

fn assignment(rest: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let equals = rest.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    if rest.contains(&0) {
        return None;
    }
    let mut value = Vec::with_capacity(rest.len() - equals);
    let mut bytes = rest[equals + 1..].iter();
    while let Some(byte) = bytes.next() {
        value.push(match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                b'n' => b'\n',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some((&rest[..equals], value))
}

impl<'a> Path<'a> {
    fn parse(rest: &'a [u8]) -> Option<Self> {
        let mut fields = rest.split(|byte| *byte == b' ');
        let mut field = || fields.next();
        let (name, hash, size, references) = (field()?, field()?, field()?, field()?);
        let known = |field: &'a [u8]| (field != b"-").then_some(field);
        let path = Self {
            name: Some(name).filter(|name| {
                !matches!(*name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0)
            })?,
            nar_hash: known(hash),
            nar_size: known(size).map_or(Some(None), |size| number(size).map(Some))?,
            references: match known(references) {
                None => Vec::new(),
                Some(list) => list
                    .split(|byte| *byte == b',')
                    .map(|index| number(index).and_then(|index| u32::try_from(index).ok()))
                    .collect::<Option<_>>()?,
            },
        };
        field().is_none().then_some(path)
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    const WHOLE: &[u8] = b"closure2img 1\nstore /nix/store\nenv A=1\nenv B=a\\nb\\\\c=d\n\
        path aaa-one sha256:00 120 -\npath bbb-two - - 0,1\n";

    #[test]
    fn all_lines_are_read() {
        let all = Metadata::parse(WHOLE).unwrap();
        assert_eq!(all.store, Some(&b"/nix/store"[..]));
        assert_eq!(all.environment, [(&b"A"[..], b"1".to_vec()), (b"B", b"a\nb\\c=d".to_vec())]);
        assert_eq!(
            all.paths[0],
            Path {
                name: b"aaa-one",
                nar_hash: Some(b"sha256:00"),
                nar_size: Some(120),
                references: vec![],
            }
        );
        assert_eq!(all.paths[1].references, [0, 1]);
        assert_eq!(Metadata::parse(b"closure2img 1\n"), Ok(Metadata::default()));
    }

    #[test]
    fn nonsense_is_named_by_its_line() {
        for (text, error) in [
            ("", MetadataError::Version),
            ("closure2img 2\n", MetadataError::Version),
            ("closure2img 1\nstore /nix/store", MetadataError::Unended),
            ("closure2img 1\nstore nix/store\n", MetadataError::Line(2)),
            ("closure2img 1\nstore /nix/../store\n", MetadataError::Line(2)),
            ("closure2img 1\nstore /\n", MetadataError::Line(2)),
            ("closure2img 1\nwhat is this\n", MetadataError::Line(2)),
            ("closure2img 1\nenv =1\n", MetadataError::Line(2)),
            ("closure2img 1\nenv A=\\x\n", MetadataError::Line(2)),
            ("closure2img 1\npath a - - -\n", MetadataError::Line(2)),
            ("closure2img 1\nstore /s\npath b - - -\npath a - - -\n", MetadataError::Line(4)),
            ("closure2img 1\nstore /s\npath ../a - - -\n", MetadataError::Line(3)),
            ("closure2img 1\nstore /s\npath a - -1 -\n", MetadataError::Line(3)),
            ("closure2img 1\nstore /s\npath a - - 1\n", MetadataError::Line(3)),
            ("closure2img 1\nstore /s\npath a - - - -\n", MetadataError::Line(3)),
        ] {
            assert_eq!(Metadata::parse(text.as_bytes()), Err(error), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: vec::Vec<u8>) {
            let _ = Metadata::parse(&bytes);
            let _ = Metadata::parse(&[b"closure2img 1\nstore /s\npath ", &bytes[..], b"\n"].concat());
        }
    }
}
