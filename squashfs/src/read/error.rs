//! Why an image cannot be read.

use core::fmt;

/// Why an image cannot be read. Positions are bytes from the image's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The system could not read; the number is its `errno`.
    Io(i32),
    /// The file ends before the image does.
    Truncated {
        /// Where bytes were wanted.
        position: u64,
    },
    /// There is no `hsqs` at the image's beginning.
    NotSquashfs {
        /// The number there.
        found: u32,
    },
    /// Another version of the format than 4.0.
    Version {
        /// Before the dot.
        major: u16,
        /// After the dot.
        minor: u16,
    },
    /// A compressor that this reader does not know, by its number in the superblock.
    Compressor(u16),
    /// The image contradicts itself or the format.
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Where.
        position: u64,
    },
    /// Something of a directory was asked of what is none.
    NotADirectory,
    /// Bytes were asked of what is not a regular file.
    NotAFile,
    /// A target was asked of what is not a symbolic link.
    NotASymlink,
}

impl Error {
    pub(super) fn corrupt(what: &'static str, position: u64) -> Self {
        Self::Corrupt { what, position }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Io(errno) => write!(f, "cannot be read (error {errno} of the system)"),
            Self::Truncated { position } => {
                write!(f, "the file ends within the image, before byte {position} of it")
            }
            Self::NotSquashfs { found } => {
                write!(f, "no SquashFS image: it begins with {found:#010x}, not with `hsqs`")
            }
            Self::Version { major, minor } => {
                write!(f, "SquashFS {major}.{minor} cannot be read, only 4.0")
            }
            Self::Compressor(number) => {
                let name = match number {
                    2 => "lzma",
                    3 => "lzo",
                    4 => "xz",
                    5 => "lz4",
                    _ => "unknown",
                };
                write!(
                    f,
                    "compressor {number} (`{name}`) cannot be read, only 1 (`gzip`) and 6 (`zstd`)"
                )
            }
            Self::Corrupt { what, position } => {
                write!(f, "damaged image: {what}, at byte {position}")
            }
            Self::NotADirectory => f.write_str("not a directory"),
            Self::NotAFile => f.write_str("not a regular file"),
            Self::NotASymlink => f.write_str("not a symbolic link"),
        }
    }
}

impl core::error::Error for Error {}
