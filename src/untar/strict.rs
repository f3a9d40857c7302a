//! A tar as a stream of entries.
//!
//! What is not understood in full is a fault and never skipped: a reader that sees fewer files than a
//! container runtime vouches for files that it has not seen.

use std::io::BufRead;

use super::Fault;
use super::entry::{Entry, Kind, Visitor, relative};
use super::header::Header;
use super::parser::{Parser, Raw, RawVisitor, pieces};

/// Reads a tar to the end of `input`, and tells `visitor` what is in it.
pub fn read<V: Visitor>(input: &mut dyn BufRead, visitor: &mut V) -> Result<(), V::Error> {
    let (mut parser, mut strict) = (Parser::default(), Strict(visitor));
    pieces(input, |piece| parser.feed(piece, &mut strict))?;
    Ok(parser.finish()?)
}

/// Tells a visitor of entries that can be taken in one way only.
pub(crate) struct Strict<'a, V>(pub(crate) &'a mut V);

impl<V: Visitor> RawVisitor for Strict<'_, V> {
    type Error = V::Error;

    fn entry(&mut self, entry: Raw) -> Result<(), V::Error> {
        self.0.entry(&strict(entry)?)
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), V::Error> {
        self.0.content(bytes)
    }

    fn end(&mut self) -> Result<(), V::Error> {
        self.0.end()
    }
}

fn strict(entry: Raw) -> Result<Entry, Fault> {
    let Raw { header, xattrs, sparse, at } = entry;
    if sparse {
        let got = "a sparse file".into();
        return Err(Fault::Unexpected { at, got, expected: "all of its content" });
    }
    let Header { name, link, size, kind, mode, uid, gid, mtime, device: (major, minor), .. } =
        header;
    let kind = match kind {
        0 | b'0' if name.ends_with(b"/") => Kind::Directory,
        0 | b'0' | b'7' => Kind::File { size },
        b'1' => match relative(&link) {
            Some(target) => Kind::HardLink { target },
            None => return Err(Fault::Escapes { what: "target of the hard link", name: link }),
        },
        b'2' if link.is_empty() || link.contains(&0) => {
            let got = "a symbolic link without a target".into();
            return Err(Fault::Unexpected { at, got, expected: "one" });
        }
        b'2' => Kind::Symlink { target: link },
        b'3' => Kind::CharacterDevice { major, minor },
        b'4' => Kind::BlockDevice { major, minor },
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        kind => {
            let got = format!("an entry of type `{}`", kind.escape_ascii());
            return Err(Fault::Unexpected { at, got, expected: "a file, link or directory" });
        }
    };
    // Some writers give hard links the size of the file; their content is not there.
    if size > 0 && !matches!(kind, Kind::File { .. } | Kind::HardLink { .. }) {
        let got = format!("a {} with content", kind.name());
        return Err(Fault::Unexpected { at, got, expected: "none" });
    }
    let path = relative(&name).ok_or(Fault::Escapes { what: "name", name })?;
    if path.is_empty() && kind != Kind::Directory {
        let got = format!("a {} without a name", kind.name());
        return Err(Fault::Unexpected { at, got, expected: "one" });
    }
    Ok(Entry { path, kind, mode, uid, gid, mtime, xattrs })
}
