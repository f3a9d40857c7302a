//! One pass over a tar: the sizes of its files, and the JSON documents among them.
//!
//! What begins with neither `{` nor `[` is passed over, by seeking where the file can: an archive
//! of gigabytes is read in milliseconds. Only what names and measures files is understood of tar:
//! ustar, PAX and GNU's long names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::Error;
use super::image::MAX_DOCUMENT;
use crate::untar::{BLOCK, Header, padded, pax, text};

/// All documents together: several configurations and manifests.
const MAX_DOCUMENTS: u64 = 4 * MAX_DOCUMENT;
/// An image has some hundreds of files.
const MAX_FILES: usize = 100_000;
/// The longest name or PAX header that is taken.
const MAX_EXTENSION: u64 = 64 << 10;

/// The bytes of a tar.
pub(crate) enum Input {
    /// A file, in which one can seek, and its length.
    Plain(File, u64),
    /// Bytes that are unpacked while they are read.
    Packed(Box<dyn Read>),
}

/// What a tar has.
#[derive(Debug, Default)]
pub(crate) struct TarIndex {
    sizes: BTreeMap<String, u64>,
    /// Where files begin, in a tar that is not packed.
    offsets: BTreeMap<String, u64>,
    documents: BTreeMap<String, Vec<u8>>,
    too_large: BTreeSet<String>,
    kept: u64,
}

impl TarIndex {
    /// Reads to the end of the tar.
    pub(crate) fn read(input: Input, name: &str, path: &Path) -> Result<Self, Error> {
        let mut reader = Reader { input, name, path };
        let mut index = Self::default();
        // Name and size as an extension before the header says.
        let (mut long_name, mut long_size) = (None, None);
        while let Some(header) = reader.header(index.sizes.is_empty())? {
            let size = long_size.take().unwrap_or(header.size);
            match header.kind {
                b'L' => long_name = Some(text(&reader.extension(size)?)),
                b'x' => {
                    let records = reader.extension(size)?;
                    long_name = pax(&records, b"path").map(text).or(long_name);
                    long_size = pax(&records, b"size").and_then(|size| text(size).parse().ok());
                }
                b'0' | b'7' | 0 => {
                    let file = long_name.take().unwrap_or_else(|| text(&header.name));
                    index.file(file.trim_start_matches("./"), size, &mut reader)?;
                }
                _ => {
                    long_name = None;
                    reader.skip(padded(size))?;
                }
            }
        }
        Ok(index)
    }

    fn file(&mut self, file: &str, size: u64, reader: &mut Reader<'_>) -> Result<(), Error> {
        if let Some(offset) = reader.position()? {
            self.offsets.insert(file.into(), offset);
        }
        let mut head = vec![0; usize::try_from(size.min(1)).unwrap_or(0)];
        reader.exactly(&mut head)?;
        let rest = size - head.len() as u64;
        let padding = padded(size) - size;
        if !matches!(head[..], [b'{' | b'[']) {
            reader.skip(rest.saturating_add(padding))?;
        } else if size > MAX_DOCUMENT || self.kept + size > MAX_DOCUMENTS {
            self.too_large.insert(file.into());
            reader.skip(rest.saturating_add(padding))?;
        } else {
            let mut bytes = head;
            reader.append(&mut bytes, rest)?;
            reader.skip(padding)?;
            self.kept += size;
            self.documents.insert(file.into(), bytes);
        }
        if self.sizes.insert(file.into(), size).is_none() && self.sizes.len() > MAX_FILES {
            return Err(Error::Format {
                name: reader.name.into(),
                got: format!("more than {MAX_FILES} files"),
                expected: "an image",
            });
        }
        Ok(())
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.sizes.contains_key(file)
    }

    /// The size of a file.
    pub(super) fn size(&self, file: &str) -> Option<u64> {
        self.sizes.get(file).copied()
    }

    /// Where a file begins, and its size; unless the tar is packed.
    pub(crate) fn span(&self, file: &str) -> Option<(u64, u64)> {
        Some((*self.offsets.get(file)?, *self.sizes.get(file)?))
    }

    /// A JSON document, unless it is too large.
    pub(super) fn document(&self, file: &str) -> Option<&[u8]> {
        self.documents.get(file).map(Vec::as_slice)
    }

    /// Whether there is such a document, and it is too large.
    pub(super) fn is_too_large(&self, file: &str) -> bool {
        self.too_large.contains(file)
    }
}

struct Reader<'a> {
    input: Input,
    name: &'a str,
    path: &'a Path,
}

impl Reader<'_> {
    /// The next header; `None` at the end.
    fn header(&mut self, first: bool) -> Result<Option<Header>, Error> {
        let mut block = Vec::new();
        let count = self.take(&mut block, BLOCK as u64)?;
        // The end is two blocks of zeros; some writers leave them out.
        if block.iter().all(|&byte| byte == 0) && !(first && count == 0) {
            return Ok(None);
        }
        match Header::parse(&block) {
            Some(header) => Ok(Some(header)),
            None => Err(self.no_header(first, block.len())),
        }
    }

    fn no_header(&self, first: bool, length: usize) -> Error {
        let name = self.name.to_owned();
        if first {
            let got = if length == 0 { "no bytes" } else { "something else" };
            return Error::Format { name, got: got.into(), expected: "a plan's JSON or a tar" };
        }
        if length < BLOCK {
            let (got, expected) = (format!("{length} bytes of a header"), BLOCK.to_string());
            return Error::Truncated { name, got, expected };
        }
        let (got, expected) = ("something else".into(), "the header of a file".into());
        Error::Unexpected { name, place: "within the tar".into(), got, expected }
    }

    /// Where the next byte is, in a tar that is not packed.
    fn position(&mut self) -> Result<Option<u64>, Error> {
        let position = match &mut self.input {
            Input::Plain(file, _) => file.stream_position().map(Some),
            Input::Packed(_) => Ok(None),
        };
        position.map_err(|source| self.failed(source))
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Error> {
        if size > MAX_EXTENSION {
            return Err(Error::TooLarge {
                name: self.name.into(),
                document: "the header of a file".into(),
                limit: MAX_EXTENSION,
            });
        }
        let mut bytes = Vec::new();
        self.append(&mut bytes, size)?;
        self.skip(padded(size) - size)?;
        Ok(bytes)
    }

    fn exactly(&mut self, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let count = bytes.len() as u64;
        bytes.clear();
        self.append(bytes, count)
    }

    fn append(&mut self, bytes: &mut Vec<u8>, count: u64) -> Result<(), Error> {
        match self.take(bytes, count)? {
            got if got == count => Ok(()),
            got => Err(self.truncated(got, count)),
        }
    }

    fn take(&mut self, bytes: &mut Vec<u8>, count: u64) -> Result<u64, Error> {
        let result = match &mut self.input {
            Input::Plain(file, _) => file.take(count).read_to_end(bytes),
            Input::Packed(packed) => packed.take(count).read_to_end(bytes),
        };
        result.map(|count| count as u64).map_err(|source| self.failed(source))
    }

    fn skip(&mut self, count: u64) -> Result<(), Error> {
        let result = match &mut self.input {
            Input::Packed(packed) => io::copy(&mut packed.take(count), &mut io::sink()),
            Input::Plain(file, length) => {
                let length = *length;
                file.stream_position().and_then(|at| {
                    let count = count.min(length.saturating_sub(at));
                    file.seek(SeekFrom::Start(at + count)).map(|_| count)
                })
            }
        };
        match result.map_err(|source| self.failed(source))? {
            got if got == count => Ok(()),
            got => Err(self.truncated(got, count)),
        }
    }

    fn truncated(&self, got: u64, expected: u64) -> Error {
        Error::Truncated {
            name: self.name.into(),
            got: format!("{got} bytes of the rest of a file"),
            expected: expected.to_string(),
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        let damaged = matches!(
            source.kind(),
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof
        );
        match (&self.input, damaged) {
            (Input::Packed(_), true) => Error::Truncated {
                name: self.name.into(),
                got: source.to_string(),
                expected: "all of what was compressed".into(),
            },
            _ => Error::Read { file: self.path.into(), source },
        }
    }
}

impl Input {
    /// A file that is not compressed.
    pub(crate) fn plain(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::Plain(file, length))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn index(bytes: &[u8]) -> Result<TarIndex, Error> {
        let input = Input::Packed(Box::new(Cursor::new(bytes.to_vec())));
        TarIndex::read(input, "tar", Path::new("tar"))
    }

    /// Long names of both kinds, and files that are documents and are not.
    fn tar() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
        for (name, content) in [("index.json", "{\"a\": 1}"), ("layer", "bytes"), (&long, "[]")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn documents_are_kept_and_files_measured() {
        let index = index(&tar()).unwrap();
        assert_eq!(index.document("index.json"), Some(&b"{\"a\": 1}"[..]));
        assert_eq!((index.document("layer"), index.size("layer")), (None, Some(5)));
        let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
        assert_eq!(index.document(&long), Some(&b"[]"[..]));
    }

    #[test]
    fn pax_names_and_sizes_count() {
        let mut bytes = Vec::new();
        let mut header = tar::Header::new_ustar();
        let records = b"14 path=named\n9 size=2\n";
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(records.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(records);
        bytes.resize(2 * BLOCK, 0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(0);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"{}");
        bytes.resize(4 * BLOCK, 0);
        assert_eq!(index(&bytes).unwrap().document("named"), Some(&b"{}"[..]));
    }

    #[test]
    fn a_cut_tar_is_told() {
        let whole = tar();
        for end in [BLOCK + 3, BLOCK / 2, 3 * BLOCK - 1] {
            assert!(index(&whole[..end]).is_err(), "{end}");
        }
        assert!(matches!(index(b""), Err(Error::Format { .. })));
        assert!(matches!(index(b"#!/bin/sh"), Err(Error::Format { .. })));
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(at in 0..4 * BLOCK, byte in any::<u8>(), end in 0..6 * BLOCK) {
            let mut bytes = tar();
            bytes[at] = byte;
            bytes.truncate(end);
            let _ = index(&bytes);
        }
    }
}
