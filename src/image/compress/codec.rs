//! What blocks are packed with: how layers may be compressed, and what only other archives know.

use super::Compression;
use crate::image::lazy::Format;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// As layers are.
    Layer(Compression),
    /// xz, level 0 to 9, which no media type of layers has.
    Xz(u32),
}

impl Codec {
    /// Not at all.
    pub(crate) const NONE: Self = Self::Layer(Compression::None);

    /// Bytes that are compressed at a time. xz gains from what it remembers, and its levels from 6 on remember 8 MiB
    /// and more; at three times as much for each thread, that is as far as it goes here.
    pub(crate) fn block_size(self) -> usize {
        match self {
            Self::Layer(compression) => compression.block_size(),
            Self::Xz(_) => 8 << 20,
        }
    }

    /// The format with a table of contents that layers compressed so have.
    pub(crate) fn lazy(self) -> Option<(Format, Compression)> {
        match self {
            Self::Layer(compression) => Some((Format::of(compression)?, compression)),
            Self::Xz(_) => None,
        }
    }
}

impl From<Compression> for Codec {
    fn from(compression: Compression) -> Self {
        Self::Layer(compression)
    }
}
