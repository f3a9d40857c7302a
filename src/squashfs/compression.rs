//! How images can be compressed, as users say it.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ::squashfs::write::Compression;

/// A [`Compression`] that can be read from a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec(pub Compression);

impl Codec {
    const ZSTD: i32 = 6;
    const GZIP: i32 = 6;
}

/// A compression that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of `zstd[:1-22]`, `gzip[:1-12]` and `none`")]
pub struct UnknownCodec(String);

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let within = |levels: RangeInclusive<i32>, default| match level {
            None => Some(default),
            Some(level) => level.parse().ok().filter(|level| levels.contains(level)),
        };
        let known = match name {
            "zstd" => within(Compression::ZSTD_LEVELS, Self::ZSTD).map(Compression::Zstd),
            "gzip" => within(Compression::GZIP_LEVELS, Self::GZIP).map(Compression::Gzip),
            "none" if level.is_none() => Some(Compression::None),
            _ => None,
        };
        known.map(Self).ok_or_else(|| UnknownCodec(text.into()))
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Compression::Zstd(level) => write!(f, "zstd:{level}"),
            Compression::Gzip(level) => write!(f, "gzip:{level}"),
            Compression::None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked() {
        for text in ["zstd:0", "zstd:23", "gzip:13", "gzip:", "none:1", "xz", "", "zstd:3:3"] {
            assert!(text.parse::<Codec>().is_err(), "{text}");
        }
        for text in ["zstd:22", "gzip:12", "zstd:1", "none"] {
            assert_eq!(text.parse::<Codec>().unwrap().to_string(), text);
        }
        assert_eq!("zstd".parse::<Codec>().unwrap().to_string(), "zstd:6");
    }
}
