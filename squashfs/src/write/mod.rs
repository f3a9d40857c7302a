//! A tree of files becomes an image: every core compresses, and the bytes are the same for any number
//! of threads.

use std::fmt::Debug;
use std::io::{self, Read};
use std::num::NonZeroUsize;

/// A regular file's bytes, opened when their turn comes.
pub trait Content: Debug + Send + Sync {
    /// Its length. Reading must give just as many bytes, or writing fails.
    fn size(&self) -> u64;
    /// From its first byte.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

/// What a node is.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Kind {
    Directory,
    File(Box<dyn Content>),
    Symlink(Vec<u8>),
    BlockDevice(u32),
    CharacterDevice(u32),
    Fifo,
    Socket,
}

/// One entry of the tree.
#[derive(Debug)]
pub struct Node {
    /// Relative to the root, without leading or trailing slashes; empty for the root itself.
    pub path: Vec<u8>,
    /// Permissions, set-id and sticky bits: 0 to 0o7777.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// Full names (`user.x`) and values.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// What it is.
    pub kind: Kind,
}

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard at a level from 1 to 22.
    Zstd(i32),
    /// zlib at a level from 1 to 12, by libdeflate.
    Gzip(i32),
    /// Not at all.
    None,
}

/// How an image is made. None but `threads` changes its bytes without changing what it means.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How blocks are compressed.
    pub compression: Compression,
    /// Bytes in a data block: a power of two from 4 KiB to 1 MiB.
    pub block_size: u32,
    /// When the image was made, in seconds since 1970.
    pub made: u32,
    /// How many threads compress.
    pub threads: NonZeroUsize,
}
