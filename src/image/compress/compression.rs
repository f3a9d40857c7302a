//! How layers can be compressed, as users say it and as media types do.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{gzip, zstd};
use crate::image::lazy;

/// How the layers of an image are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Plain tar.
    None,
    /// gzip, level 1 (`fast`) to 9.
    Gzip(u32),
    /// zstd, level 1 to 19.
    Zstd(i32),
    /// zstd, level 1 to 19, with each file in frames of its own and a table of contents, so that
    /// podman fetches only what it lacks.
    ZstdChunked(i32),
    /// gzip, level 1 to 9, with each file in members of its own and a table of contents, so that
    /// containerd starts containers before it has fetched all.
    Estargz(u32),
}

impl Compression {
    const GZIP: u32 = 6;
    const ZSTD: i32 = 3;

    /// Bytes of tar that are compressed at a time. Larger blocks compress a little better but need
    /// more memory and keep fewer cores busy. gzip makes two streams of its 2 MiB; of 512 KiB each,
    /// some tars came out larger than `gzip -6` has them. zstd wants 4.
    pub(crate) fn block_size(self) -> usize {
        match self {
            Self::None => 1 << 20,
            Self::Gzip(_) => 2 << 20,
            Self::Zstd(_) | Self::ZstdChunked(_) | Self::Estargz(_) => 4 << 20,
        }
    }

    /// What the bytes of a blob follow from, beside those of its tar: the codec, its level, and a
    /// number that is raised whenever the same tar would give another blob. Two builds of this
    /// program that agree on it make the same blobs.
    pub fn recipe(self) -> String {
        match self {
            Self::None => self.to_string(),
            Self::Gzip(_) => format!("{self}/{}", gzip::VERSION),
            Self::Zstd(_) => format!("{self}/{}", zstd::VERSION),
            Self::ZstdChunked(_) => format!("{self}/{}.{}", zstd::VERSION, lazy::VERSION),
            Self::Estargz(_) => format!("{self}/{}.{}", gzip::VERSION, lazy::VERSION),
        }
    }
}

/// How a layer is packed, as its media type says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Plain tar.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl From<Compression> for Packing {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Gzip(_) | Compression::Estargz(_) => Self::Gzip,
            Compression::Zstd(_) | Compression::ZstdChunked(_) => Self::Zstd,
        }
    }
}

/// gzip, which every runtime reads.
impl Default for Compression {
    fn default() -> Self {
        Self::Gzip(Self::GZIP)
    }
}

/// A compression that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is none of `gzip[:1-9]`, `zstd[:1-19]`, `zstd:chunked[:1-19]`, `estargz[:1-9]` and `none`"
)]
pub struct UnknownCompression(String);

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, level) = match text.rsplit_once(':') {
            Some((name, level)) if level != "chunked" => (name, Some(level)),
            _ => (text, None),
        };
        let parsed = match name {
            "none" => level.is_none().then_some(Self::None),
            "gzip" if level == Some("fast") => Some(Self::Gzip(1)),
            "gzip" => within(level, 1..=9, Self::GZIP).map(Self::Gzip),
            "zstd" => within(level, 1..=19, Self::ZSTD).map(Self::Zstd),
            "zstd:chunked" => within(level, 1..=19, Self::ZSTD).map(Self::ZstdChunked),
            "estargz" => within(level, 1..=9, Self::GZIP).map(Self::Estargz),
            _ => None,
        };
        parsed.ok_or_else(|| UnknownCompression(text.into()))
    }
}

/// The level that was asked for, if there is such a one.
fn within<T: FromStr + PartialOrd>(
    level: Option<&str>,
    levels: RangeInclusive<T>,
    default: T,
) -> Option<T> {
    match level {
        None => Some(default),
        Some(text) => text.parse().ok().filter(|level| levels.contains(level)),
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
            Self::ZstdChunked(level) => write!(f, "zstd:chunked:{level}"),
            Self::Estargz(level) => write!(f, "estargz:{level}"),
        }
    }
}
