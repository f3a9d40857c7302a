//! Going through a tar that anybody may have made: ustar, PAX and GNU, which appc's readers all take.
//!
//! Nothing is believed but what the next block proves, and nothing is kept but one entry's names.

use std::io::{self, Read};

/// Tar counts in blocks of this many bytes.
const BLOCK: usize = 512;
/// The longest name, or set of PAX records, that is taken: several times what any kernel takes.
const MAX_EXTENSION: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    /// Devices and pipes.
    Special,
    /// What only some readers know, by its letter.
    Other(u8),
}

/// An entry of a tar.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) size: u64,
    /// What a link leads to.
    pub(super) target: Vec<u8>,
}

/// Why a tar cannot be read on.
#[derive(Debug)]
pub(super) enum Fault {
    /// What is there, and what had to be.
    Wrong { got: String, expected: &'static str },
    /// The bytes themselves cannot be had.
    Read(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

fn wrong(got: impl Into<String>, expected: &'static str) -> Fault {
    Fault::Wrong { got: got.into(), expected }
}

/// What stands before a header and is meant for it.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

/// A tar, entry by entry.
pub(super) struct TarReader<R> {
    input: R,
    /// Bytes of the entry's content that were not read.
    left: u64,
    /// Zeros behind it.
    padding: u64,
}

impl<R: Read> TarReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, left: 0, padding: 0 }
    }

    /// The next entry; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Fault> {
        let mut before = Before::default();
        loop {
            self.skip()?;
            let Some(block) = self.block()? else {
                return if before.name.is_some() || before.target.is_some() || before.size.is_some()
                {
                    Err(wrong("the end", "the entry that the last header is for"))
                } else {
                    Ok(None)
                };
            };
            let header = Header::parse(&block)?;
            match header.kind {
                b'x' => self.records(header.size, &mut before)?,
                b'g' => self.content(header.size),
                b'L' => before.name = Some(until_nul(&self.extension(header.size)?).to_vec()),
                b'K' => before.target = Some(until_nul(&self.extension(header.size)?).to_vec()),
                letter => return Ok(Some(self.entry(letter, header, before))),
            }
        }
    }

    /// All of the entry's content, which is known not to be long.
    pub(super) fn read(&mut self) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let wanted = std::mem::take(&mut self.left);
        let got = self.input.by_ref().take(wanted).read_to_end(&mut bytes)? as u64;
        if got == wanted { Ok(bytes) } else { Err(cut(got, wanted)) }
    }

    /// Reads to the end of the bytes, behind that of the tar; whether there is anything but zeros.
    pub(super) fn finish(&mut self) -> Result<bool, Fault> {
        let mut buffer = vec![0; 1 << 16];
        let mut clean = true;
        loop {
            match self.input.read(&mut buffer) {
                Ok(0) => return Ok(!clean),
                Ok(count) => clean &= buffer[..count].iter().all(|&byte| byte == 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn entry(&mut self, letter: u8, header: Header, before: Before) -> Entry {
        let name = before.name.unwrap_or(header.name);
        let kind = match letter {
            // As old tars write directories.
            b'0' | 0 if name.ends_with(b"/") => Kind::Directory,
            b'0' | b'7' | 0 if before.sparse => Kind::Other(b'S'),
            b'0' | b'7' | 0 => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' | b'4' | b'6' => Kind::Special,
            b'5' => Kind::Directory,
            other => Kind::Other(other),
        };
        // Only files have content, whatever the others say.
        let size = match kind {
            Kind::File | Kind::Other(_) => before.size.unwrap_or(header.size),
            _ => 0,
        };
        self.content(size);
        Entry { name, kind, size, target: before.target.unwrap_or(header.target) }
    }

    fn content(&mut self, size: u64) {
        self.left = size;
        let past = size % BLOCK as u64;
        self.padding = if past > 0 { BLOCK as u64 - past } else { 0 };
    }

    /// Passes over what is left of the last entry.
    fn skip(&mut self) -> Result<(), Fault> {
        let wanted = self.left.saturating_add(self.padding);
        (self.left, self.padding) = (0, 0);
        let got = io::copy(&mut self.input.by_ref().take(wanted), &mut io::sink())?;
        if got == wanted { Ok(()) } else { Err(cut(got, wanted)) }
    }

    /// The next block; `None` if it is the end.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Fault> {
        let mut block = Vec::with_capacity(BLOCK);
        let got = self.input.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        match <[u8; BLOCK]>::try_from(block) {
            _ if got == 0 => Ok(None),
            Ok(block) if block.iter().all(|&byte| byte == 0) => Ok(None),
            Ok(block) => Ok(Some(block)),
            Err(_) => Err(cut(got as u64, BLOCK as u64)),
        }
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        if size > MAX_EXTENSION {
            return Err(wrong(format!("a name of {size} bytes"), "one of 1 MiB at most"));
        }
        self.content(size);
        self.read()
    }

    /// PAX records: `LENGTH KEY=VALUE\n` each.
    fn records(&mut self, size: u64, before: &mut Before) -> Result<(), Fault> {
        let records = self.extension(size)?;
        let mut rest = &records[..];
        while !rest.is_empty() {
            let (record, behind) =
                record(rest).ok_or_else(|| wrong("a broken PAX record", "`LENGTH KEY=VALUE`"))?;
            rest = behind;
            let Some(equals) = record.iter().position(|&byte| byte == b'=') else { continue };
            let value = &record[equals + 1..];
            match &record[..equals] {
                b"path" => before.name = Some(value.to_vec()),
                b"linkpath" => before.target = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|it| it.parse().ok());
                    let expected = "a number of bytes";
                    before.size = Some(size.ok_or_else(|| wrong("a broken PAX size", expected))?);
                }
                key => before.sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
        Ok(())
    }
}

/// The first of PAX records, without its length and newline, and those behind it.
fn record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = records.iter().position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
    let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
    Some((record, &records[length..]))
}

fn cut(got: u64, wanted: u64) -> Fault {
    wrong(format!("cut off: {got} of {wanted} bytes are there"), "all of them")
}

struct Header {
    name: Vec<u8>,
    target: Vec<u8>,
    size: u64,
    kind: u8,
}

impl Header {
    fn parse(block: &[u8; BLOCK]) -> Result<Self, Fault> {
        // The sum counts its own field as if it were blank.
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        let blank = 8 * u64::from(b' ');
        let counted = sum(block) - sum(&block[148..156]) + blank;
        if number(&block[148..156]) != Some(counted) {
            return Err(wrong("something else", "the header of an entry, with its sum"));
        }
        let size = number(&block[124..136]);
        let size = size.ok_or_else(|| wrong("a broken size", "a number of bytes"))?;
        // GNU has other things where ustar has the front of a name.
        let is_ustar = &block[257..263] == b"ustar\0";
        let prefix = if is_ustar { until_nul(&block[345..500]) } else { b"" };
        let name = until_nul(&block[..100]);
        let name = match prefix {
            b"" => name.to_vec(),
            prefix => [prefix, b"/", name].concat(),
        };
        Ok(Self { name, target: until_nul(&block[157..257]).to_vec(), size, kind: block[156] })
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len())]
}

/// Octal digits, or GNU's binary form of what is larger.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        let (high, low) = rest.split_at(rest.len().checked_sub(8)?);
        return match high.iter().all(|&byte| byte == 0) {
            true => low.try_into().map(u64::from_be_bytes).ok(),
            false => None,
        };
    }
    let digits = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}
