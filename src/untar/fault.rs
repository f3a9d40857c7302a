//! Why a stream of files cannot be read.

use std::io;

/// Why a tar, or another stream of files, cannot be read to its end. `at` is the byte of the tar at which it was noticed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Fault {
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    #[error("it ends at byte {at}, in the middle of {what}")]
    Truncated { at: u64, what: &'static str },
    #[error("at byte {at} there is something else than the header of a file")]
    NoHeader { at: u64 },
    #[error("at byte {at} there is {got}, expected {expected}")]
    Unexpected { at: u64, got: String, expected: &'static str },
    #[error("the {what} `{}` leads out of the image", name.escape_ascii())]
    Escapes { what: &'static str, name: Vec<u8> },
    #[error("behind its end, at byte {at}, there is more")]
    Trailing { at: u64 },
    #[error("the SquashFS image {0}")]
    Squashfs(squashfs::read::Error),
}
