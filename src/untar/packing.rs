//! How a blob or file is packed, by its first bytes, and what comes out of it.

use std::fmt;
use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

/// Bytes that are read at a time.
const BUFFER: usize = 256 << 10;
/// What an unpacker may take, in KiB: as much as the highest level of xz.
const XZ_MEMORY: u32 = 80 << 10;

/// The first bytes that are looked at.
const HEAD: usize = 6;

/// A form of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Packing {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Packing {
    /// What begins with these bytes.
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // Frames that are to be skipped may come first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }

    /// That of what comes next, and the bytes that were read to find out.
    pub(crate) fn sniff(reader: &mut dyn Read) -> io::Result<(Self, Vec<u8>)> {
        let mut head = Vec::new();
        reader.take(HEAD as u64).read_to_end(&mut head)?;
        Ok((Self::of(&head), head))
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// That of a layer with this media type; `None` if it is no type of layers.
    pub fn of_layer(media_type: &str) -> Option<Self> {
        Some(match media_type {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Self::None,
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Self::Gzip,
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Self::Zstd,
            _ => return None,
        })
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What comes out of `blob`, which may be of several members or frames, one behind the other.
pub(crate) fn unpacked<'a, R: Read + Send + 'a>(
    packing: Packing,
    blob: R,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let buffered = |blob| BufReader::with_capacity(BUFFER, blob);
    Ok(match packing {
        Packing::None => Box::new(blob),
        Packing::Gzip => Box::new(MultiGzDecoder::new(buffered(blob))),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::new(blob)?),
        Packing::Bzip2 => Box::new(MultiBzDecoder::new(buffered(blob))),
        Packing::Xz => Box::new(XzReader::new_mem_limit(buffered(blob), true, XZ_MEMORY)),
    })
}
