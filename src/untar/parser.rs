//! A tar, fed in pieces of any size, as entries that stand as they stand.
//!
//! Extensions (PAX, GNU's long names) are resolved here, and nothing is judged but what makes a tar: headers with their
//! sums, sizes that are there. Content is passed on from where it lies.

use std::io::{self, BufRead};

use super::Fault;
use super::extra::Extra;
use super::header::{BLOCK, Header, padded};

/// The longest name, link target or PAX header: xattrs may have 64 KiB each.
const MAX_EXTENSION: u64 = 1 << 20;

/// An entry as it stands in a tar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    /// Its header, with what extensions said in its place.
    pub(crate) header: Header,
    /// Extended attributes, names and values.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether its content is in a form of GNU's.
    pub(crate) sparse: bool,
    /// Where its header ends.
    pub(crate) at: u64,
}

impl Raw {
    /// How many bytes of content follow; `None` for what has none, whatever it says: links, directories and devices.
    pub(crate) fn content(&self) -> Option<u64> {
        match self.header.kind {
            b'1'..=b'6' => None,
            // Before POSIX, a slash at its end made a directory.
            0 | b'0' if self.header.name.ends_with(b"/") => None,
            // Of kinds that nobody knows, too: whoever takes them has to be told what they have.
            _ => Some(self.header.size),
        }
    }
}

/// Who is told of entries as they stand.
pub(crate) trait RawVisitor {
    /// What ends the tar early.
    type Error: From<Fault>;

    /// The next entry.
    fn entry(&mut self, entry: Raw) -> Result<(), Self::Error>;

    /// Some more of the content of the entry that was told last.
    fn content(&mut self, _bytes: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// All content of an entry that can have some was told.
    fn end(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Behind the end of the tar there is something else than zeros; told once.
    fn behind(&mut self, at: u64) -> Result<(), Self::Error> {
        Err(Fault::Trailing { at }.into())
    }
}

/// Where in a tar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a header.
    Header,
    /// In an extension of this kind and size, which is padded to so much.
    Extension { kind: u8, size: usize, padded: usize },
    /// In content, with so much left of it and so much to pass over behind it.
    Content { left: u64, padding: u64 },
    /// In what fills up a block, of which so much is left.
    Padding(u64),
    /// Behind the end, where there is something or nothing.
    End { clean: bool },
}

/// A tar on its way.
pub(crate) struct Parser {
    state: State,
    /// How many bytes were taken.
    at: u64,
    /// A header or extension, as far as it is there.
    buffer: Vec<u8>,
    extra: Extra,
}

impl Default for Parser {
    fn default() -> Self {
        Self { state: State::Header, at: 0, buffer: Vec::new(), extra: Extra::default() }
    }
}

impl Parser {
    /// Takes the next bytes.
    pub(crate) fn feed<V: RawVisitor>(
        &mut self,
        mut bytes: &[u8],
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        while !bytes.is_empty() {
            let taken = self.step(bytes, visitor)?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// There is no more.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        let what = match self.state {
            State::Header if !self.buffer.is_empty() || self.at == 0 => "a header",
            State::Extension { .. } => "a header",
            State::Content { .. } => "a file",
            // What an extension was for is missing.
            _ if self.extra != Extra::default() => "a file's headers",
            // The end is two blocks of zeros; some writers leave them out, umoci also what fills up the last file.
            State::Header | State::Padding(_) | State::End { .. } => return Ok(()),
        };
        Err(Fault::Truncated { at: self.at, what })
    }

    /// Takes some of the bytes, and says how many.
    fn step<V: RawVisitor>(&mut self, bytes: &[u8], visitor: &mut V) -> Result<usize, V::Error> {
        match self.state {
            State::Header => {
                let taken = self.gather(bytes, BLOCK);
                if self.buffer.len() == BLOCK {
                    self.header(visitor)?;
                }
                Ok(taken)
            }
            State::Extension { kind, size, padded } => {
                let taken = self.gather(bytes, padded);
                if self.buffer.len() == padded {
                    let buffer = std::mem::take(&mut self.buffer);
                    self.extra.add(kind, &buffer[..size], self.at)?;
                    self.state = State::Header;
                }
                Ok(taken)
            }
            State::Content { left, padding } => {
                let some = &bytes[..at_most(left, bytes.len())];
                visitor.content(some)?;
                self.at += some.len() as u64;
                self.content(left - some.len() as u64, padding, visitor)?;
                Ok(some.len())
            }
            State::Padding(left) => {
                let taken = at_most(left, bytes.len());
                self.at += taken as u64;
                let left = left - taken as u64;
                self.state = if left > 0 { State::Padding(left) } else { State::Header };
                Ok(taken)
            }
            State::End { clean } => {
                if clean && bytes.iter().any(|&byte| byte != 0) {
                    self.state = State::End { clean: false };
                    visitor.behind(self.at)?;
                }
                self.at += bytes.len() as u64;
                Ok(bytes.len())
            }
        }
    }

    /// Fills the buffer up to `wanted`, and says how much it took for that.
    fn gather(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let taken = bytes.len().min(wanted - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        self.at += taken as u64;
        taken
    }

    /// There is a whole block where a header must be.
    fn header<V: RawVisitor>(&mut self, visitor: &mut V) -> Result<(), V::Error> {
        let is_end = self.buffer.iter().all(|&byte| byte == 0);
        let header = Header::parse(&self.buffer);
        self.buffer.clear();
        if is_end {
            self.state = State::End { clean: true };
            return Ok(());
        }
        let header = header.ok_or(Fault::NoHeader { at: self.at - BLOCK as u64 })?;
        if let kind @ (b'L' | b'K' | b'x' | b'g') = header.kind {
            return Ok(self.extension(kind, header.size)?);
        }
        let entry = std::mem::take(&mut self.extra).entry(header, self.at);
        let size = entry.content();
        visitor.entry(entry)?;
        match size {
            Some(size) => self.content(size, padded(size) - size, visitor),
            None => Ok(()),
        }
    }

    fn content<V: RawVisitor>(
        &mut self,
        left: u64,
        padding: u64,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        self.state = match (left, padding) {
            (0, 0) => State::Header,
            (0, padding) => State::Padding(padding),
            (left, padding) => State::Content { left, padding },
        };
        if left == 0 { visitor.end() } else { Ok(()) }
    }

    fn extension(&mut self, kind: u8, size: u64) -> Result<(), Fault> {
        if size > MAX_EXTENSION {
            let got = format!("a header of {size} bytes");
            return Err(Fault::Unexpected { at: self.at, got, expected: "at most 1 MiB" });
        }
        let whole = |size| usize::try_from(size).unwrap_or_default();
        match (whole(size), whole(padded(size))) {
            (0, _) => self.extra.add(kind, b"", self.at)?,
            (size, padded) => self.state = State::Extension { kind, size, padded },
        }
        Ok(())
    }
}

fn at_most(left: u64, count: usize) -> usize {
    usize::try_from(left).map_or(count, |left| left.min(count))
}

/// Hands on what `input` has, in the pieces in which it comes.
pub(crate) fn pieces<E: From<Fault>>(
    input: &mut dyn BufRead,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        let count = match input.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(piece) => {
                take(piece)?;
                piece.len()
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(Fault::Read(error).into()),
        };
        input.consume(count);
    }
}
