//! How ACIs may be compressed (appc spec, "Image Archives").

use std::fmt;
use std::str::FromStr;

use crate::image::{self, Codec};

/// How an ACI is compressed. The specification has bzip2 as well, which is slower than either and larger than xz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Plain tar.
    None,
    /// gzip, level 1 (`fast`) to 9.
    Gzip(u32),
    /// xz, level 0 to 9. Readers need a program `xz` for it.
    Xz(u32),
}

impl Compression {
    /// The default of `xz` itself.
    const XZ: u32 = 6;

    pub(super) fn codec(self) -> Codec {
        match self {
            Self::None => Codec::NONE,
            Self::Gzip(level) => image::Compression::Gzip(level).into(),
            Self::Xz(level) => Codec::Xz(level),
        }
    }
}

/// gzip, which every reader unpacks by itself.
impl Default for Compression {
    fn default() -> Self {
        match image::Compression::default() {
            image::Compression::Gzip(level) => Self::Gzip(level),
            _ => Self::Gzip(6),
        }
    }
}

/// A compression that ACIs have not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of `gzip[:1-9]`, `xz[:0-9]` and `none`")]
pub struct UnknownCompression(String);

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownCompression(text.into());
        match text.split_once(':').unwrap_or((text, "")) {
            ("xz", "") if !text.ends_with(':') => Ok(Self::Xz(Self::XZ)),
            ("xz", level) => match level.parse() {
                Ok(level @ 0..=9) => Ok(Self::Xz(level)),
                _ => Err(unknown()),
            },
            // As for layers.
            _ => match text.parse() {
                Ok(image::Compression::None) => Ok(Self::None),
                Ok(image::Compression::Gzip(level)) => Ok(Self::Gzip(level)),
                _ => Err(unknown()),
            },
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::Xz(level) => write!(f, "xz:{level}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked() {
        for text in ["none", "gzip:9", "xz:0", "xz:9"] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), text);
        }
        assert_eq!("xz".parse(), Ok(Compression::Xz(6)));
        assert_eq!("gzip".parse(), Ok(Compression::default()));
        for text in ["xz:", "xz:10", "xz:-1", "zstd", "bzip2", "gzip:0", "estargz", ""] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }
}
