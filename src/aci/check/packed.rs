//! How an archive is compressed, told by its first bytes, as readers tell it (appc `aci/file.go`, `DetectFileType`).

use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// Not at all.
    Plain,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

impl fmt::Display for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "none",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        })
    }
}

/// Where a tar says that it is one.
const TAR_MAGIC: usize = 257;
/// As many bytes as tell what a file is.
const HEAD: usize = 512;
/// What an unpacker may take, in KiB: as much as the highest level of xz.
const MEMORY: u32 = 80 << 10;

type Input<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// What there is to read.
pub(super) enum Opened<R: Read> {
    Plain(Input<R>),
    Gzip(Box<MultiGzDecoder<Input<R>>>),
    Bzip2(MultiBzDecoder<Input<R>>),
    Xz(Box<XzReader<Input<R>>>),
}

impl<R: Read> Opened<R> {
    /// Begins to read; `Err` has what the file is instead.
    pub(super) fn open(mut archive: R) -> io::Result<Result<(Packed, Self), String>> {
        let mut head = Vec::with_capacity(HEAD);
        archive.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        let packed = match packed(&head) {
            Ok(packed) => packed,
            Err(got) => return Ok(Err(got)),
        };
        let input = BufReader::with_capacity(1 << 16, Cursor::new(head).chain(archive));
        Ok(Ok((
            packed,
            match packed {
                Packed::Plain => Self::Plain(input),
                Packed::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(input))),
                Packed::Bzip2 => Self::Bzip2(MultiBzDecoder::new(input)),
                Packed::Xz => Self::Xz(Box::new(XzReader::new_mem_limit(input, true, MEMORY))),
            },
        )))
    }
}

fn packed(head: &[u8]) -> Result<Packed, String> {
    match head {
        [0x1f, 0x8b, ..] => Ok(Packed::Gzip),
        [b'B', b'Z', b'h', ..] => Ok(Packed::Bzip2),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Ok(Packed::Xz),
        _ if head.get(TAR_MAGIC..).is_some_and(|rest| rest.starts_with(b"ustar")) => {
            Ok(Packed::Plain)
        }
        [] => Err("empty".into()),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Err("compressed with zstd".into()),
        _ => Err("something else".into()),
    }
}

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buffer),
            Self::Gzip(input) => input.read(buffer),
            Self::Bzip2(input) => input.read(buffer),
            Self::Xz(input) => input.read(buffer),
        }
    }
}
