//! A tar as a stream of entries.
//!
//! What is not understood in full is a fault and never skipped: a reader that sees fewer files than a
//! container runtime vouches for files that it has not seen.

use std::io::{self, BufRead};

use super::entry::{Entry, Kind, Visitor, relative};
use super::header::{BLOCK, Header, NoRecord, Records, bytes, padded};

/// The longest name, link target or PAX header: xattrs may have 64 KiB each.
const MAX_EXTENSION: u64 = 1 << 20;
/// By which key PAX headers have extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// Why a tar, or another stream of files, cannot be read to its end. `at` is the byte of the tar at which it was noticed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Fault {
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    #[error("it ends at byte {at}, in the middle of {what}")]
    Truncated { at: u64, what: &'static str },
    #[error("at byte {at} there is something else than the header of a file")]
    NoHeader { at: u64 },
    #[error("at byte {at} there is {got}, expected {expected}")]
    Unexpected { at: u64, got: String, expected: &'static str },
    #[error("the {what} `{}` leads out of the image", name.escape_ascii())]
    Escapes { what: &'static str, name: Vec<u8> },
    #[error("behind its end, at byte {at}, there is more")]
    Trailing { at: u64 },
    #[error("the SquashFS image {0}")]
    Squashfs(squashfs::read::Error),
}

/// Reads a tar to the end of `input`, and tells `visitor` what is in it.
pub fn read<V: Visitor>(input: &mut dyn BufRead, visitor: &mut V) -> Result<(), V::Error> {
    let mut reader = Reader { input, at: 0 };
    let mut extra = Extra::default();
    while let Some(header) = reader.header()? {
        match header.kind {
            b'L' => extra.name = Some(bytes(&reader.extension(header.size)?).to_vec()),
            b'K' => extra.link = Some(bytes(&reader.extension(header.size)?).to_vec()),
            b'x' => {
                let records = reader.extension(header.size)?;
                extra.pax(&records, reader.at)?;
            }
            b'g' => {
                let records = reader.extension(header.size)?;
                check_global(&records, reader.at)?;
            }
            _ => {
                let (entry, size) = std::mem::take(&mut extra).entry(header, reader.at)?;
                visitor.entry(&entry)?;
                reader.content(size, &entry, visitor)?;
            }
        }
    }
    if extra != Extra::default() {
        return Err(Fault::Truncated { at: reader.at, what: "a file's headers" }.into());
    }
    Ok(reader.end()?)
}

/// What extensions said of the next entry.
#[derive(Default, PartialEq)]
struct Extra {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<u64>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Extra {
    fn pax(&mut self, records: &[u8], at: u64) -> Result<(), Fault> {
        for record in Records(records) {
            let (key, value) = record.map_err(|NoRecord| broken_pax(at))?;
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(number(value, at)?),
                b"uid" => self.uid = Some(number(value, at)?),
                b"gid" => self.gid = Some(number(value, at)?),
                // Fractions of seconds are dropped, and so are times before 1970.
                b"mtime" => {
                    let whole = value.split(|&byte| byte == b'.').next().unwrap_or_default();
                    self.mtime = Some(number(whole, at).unwrap_or(0));
                }
                _ if key.starts_with(b"GNU.sparse.") => return Err(sparse(at)),
                _ => {
                    if let Some(name) = key.strip_prefix(XATTR) {
                        self.xattrs.push((name.to_vec(), value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }

    /// The entry, and how many bytes of content follow.
    fn entry(self, header: Header, at: u64) -> Result<(Entry, u64), Fault> {
        let name = self.name.unwrap_or(header.name);
        let size = self.size.unwrap_or(header.size);
        let link = self.link.unwrap_or(header.link);
        let (major, minor) = header.device;
        let kind = match header.kind {
            // Before POSIX, a slash at its end made a directory.
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
            b'S' => return Err(sparse(at)),
            kind => {
                let got = format!("an entry of type `{}`", kind.escape_ascii());
                return Err(Fault::Unexpected { at, got, expected: "a file, link or directory" });
            }
        };
        // Some writers give hard links the size of the file; their content is not there.
        let follows = match kind {
            Kind::File { size } => size,
            Kind::HardLink { .. } => 0,
            _ if size > 0 => {
                let got = format!("a {} with content", kind.name());
                return Err(Fault::Unexpected { at, got, expected: "none" });
            }
            _ => 0,
        };
        let path = relative(&name).ok_or(Fault::Escapes { what: "name", name })?;
        if path.is_empty() && kind != Kind::Directory {
            let got = format!("a {} without a name", kind.name());
            return Err(Fault::Unexpected { at, got, expected: "one" });
        }
        let entry = Entry {
            path,
            kind,
            mode: header.mode,
            uid: self.uid.unwrap_or(header.uid),
            gid: self.gid.unwrap_or(header.gid),
            mtime: self.mtime.unwrap_or(header.mtime),
            xattrs: self.xattrs,
        };
        Ok((entry, follows))
    }
}

/// What holds for all files must not be what they are called or how long they are: few readers heed
/// it, so that the same tar would be two.
fn check_global(records: &[u8], at: u64) -> Result<(), Fault> {
    for record in Records(records) {
        let (key, _) = record.map_err(|NoRecord| broken_pax(at))?;
        if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
            let got = format!("a global `{}`", key.escape_ascii());
            return Err(Fault::Unexpected { at, got, expected: "one for each file" });
        }
    }
    Ok(())
}

fn broken_pax(at: u64) -> Fault {
    let got = "a PAX header that is no list of records".into();
    Fault::Unexpected { at, got, expected: "`LENGTH KEY=VALUE`" }
}

fn sparse(at: u64) -> Fault {
    Fault::Unexpected { at, got: "a sparse file".into(), expected: "all of its content" }
}

fn number(value: &[u8], at: u64) -> Result<u64, Fault> {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let got = format!("`{}`", value.escape_ascii());
        Fault::Unexpected { at, got, expected: "a number" }
    })
}

struct Reader<'a> {
    input: &'a mut dyn BufRead,
    at: u64,
}

impl Reader<'_> {
    /// The next header; `None` at the end.
    fn header(&mut self) -> Result<Option<Header>, Fault> {
        let at = self.at;
        let mut block = [0; BLOCK];
        match self.fill(&mut block)? {
            // The end is two blocks of zeros; some writers leave them out.
            0 if at > 0 => return Ok(None),
            BLOCK => {}
            _ => return Err(Fault::Truncated { at: self.at, what: "a header" }),
        }
        if block == [0; BLOCK] {
            return Ok(None);
        }
        Header::parse(&block).map(Some).ok_or(Fault::NoHeader { at })
    }

    /// Whatever is behind the end: zeros, with which writers fill up.
    fn end(&mut self) -> Result<(), Fault> {
        loop {
            let at = self.at;
            match self.piece(u64::MAX)? {
                [] => return Ok(()),
                piece => {
                    if piece.iter().any(|&byte| byte != 0) {
                        return Err(Fault::Trailing { at });
                    }
                    let count = piece.len();
                    self.consume(count);
                }
            }
        }
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > MAX_EXTENSION {
            let got = format!("a header of {size} bytes");
            return Err(Fault::Unexpected { at: self.at, got, expected: "at most 1 MiB" });
        }
        let mut bytes = vec![0; usize::try_from(padded(size)).unwrap_or_default()];
        if self.fill(&mut bytes)? < bytes.len() {
            return Err(Fault::Truncated { at: self.at, what: "a header" });
        }
        bytes.truncate(usize::try_from(size).unwrap_or_default());
        Ok(bytes)
    }

    fn content<V: Visitor>(
        &mut self,
        size: u64,
        entry: &Entry,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        if !matches!(entry.kind, Kind::File { .. }) {
            return Ok(());
        }
        let mut left = size;
        while left > 0 {
            let piece = self.piece(left)?;
            let count = piece.len();
            if count == 0 {
                return Err(Fault::Truncated { at: self.at, what: "a file" }.into());
            }
            visitor.content(piece)?;
            self.consume(count);
            left -= count as u64;
        }
        let mut padding = [0; BLOCK];
        let due = usize::try_from(padded(size) - size).unwrap_or_default();
        // umoci leaves out what fills up the last file, and the end behind it.
        self.fill(&mut padding[..due])?;
        visitor.end()
    }

    /// Fills the buffer as far as there is something.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        while filled < buffer.len() {
            let piece = self.piece((buffer.len() - filled) as u64)?;
            if piece.is_empty() {
                break;
            }
            let count = piece.len();
            buffer[filled..filled + count].copy_from_slice(piece);
            self.consume(count);
            filled += count;
        }
        Ok(filled)
    }

    /// Some of what comes next, at most so many bytes; none at the end.
    fn piece(&mut self, most: u64) -> Result<&[u8], Fault> {
        loop {
            match self.input.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Read(error)),
            }
        }
        let piece = self.input.fill_buf().map_err(Fault::Read)?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(&piece[..piece.len().min(most)])
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
        self.at += count as u64;
    }
}
