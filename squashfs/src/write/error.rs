//! Why an image cannot be written.

use std::io;

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("`{0}` is no name in a SquashFS image: got {1}")]
    Name(String, &'static str),
    #[error("`{0}` is there twice")]
    Twice(String),
    #[error("there is no root directory")]
    NoRoot,
    #[error("`{0}` is in no directory of the image")]
    NoParent(String),
    #[error("`{path}` has mode {mode:o}, expected at most 7777")]
    Mode { path: String, mode: u16 },
    #[error("the link `{path}` has a target of {length} bytes, expected 1 to 4095")]
    Target { path: String, length: usize },
    #[error("the device `{path}` is {major}:{minor}, expected at most 4095:1048575")]
    Device { path: String, major: u32, minor: u32 },
    #[error(
        "`{path}` has the extended attribute `{name}`, and only those of user, trusted and security can be stored"
    )]
    Xattr { path: String, name: String },
    #[error("`{path}` has an extended attribute `{name}` that is too long")]
    LongXattr { path: String, name: String },
    #[error("`{path}` has the extended attribute `{name}` twice")]
    XattrTwice { path: String, name: String },
    #[error("cannot read `{path}`")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("`{path}` changed while it was read: got {got} bytes or more, expected {expected}")]
    Size { path: String, expected: u64, got: u64 },
    #[error("blocks of {0} bytes, expected a power of two from 4096 to 1048576")]
    BlockSize(u32),
    #[error("there is no level {0}")]
    Level(i32),
    #[error("cannot compress")]
    Compress(#[source] io::Error),
    #[error("there are more than {limit} {what}, which SquashFS cannot store")]
    TooMany { what: &'static str, limit: u64 },
    #[error("a thread ended early")]
    Thread,
    #[error("cannot write the image")]
    Write(#[source] io::Error),
}

impl Error {
    pub(super) fn too_many(what: &'static str, limit: impl Into<u64>) -> Self {
        Self::TooMany { what, limit: limit.into() }
    }
}

/// A path in a message.
pub(super) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
