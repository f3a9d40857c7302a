//! A tree of files becomes an image: every core compresses, and the bytes are the same for any number
//! of threads.
//!
//! ```text
//! nodes ──► tree ──► data: duplicates, units ──► pool ──► blocks, fragments ─┐
//!           (sorted, checked, numbered)                                      ├──► image
//!             └────► inodes, directories, xattrs: metadata ──────────────────┘
//! ```
//!
//! Content is stored in the order of paths, so that what is needed together is read together. Files
//! that are the same are stored once, told byte for byte or by SHA-256; hard links are not known, so
//! that a tree gives the same image however it is linked.

mod block;
mod codec;
mod data;
mod directory;
mod duplicates;
mod error;
mod image;
mod inode;
mod metadata;
mod node;
mod options;
mod output;
mod pool;
mod source;
mod tree;
mod units;
mod xattrs;

use std::io::{Seek, Write};

pub use error::Error;
pub use node::{Content, Device, Kind, Node, ReadAt, Xattr};
pub use options::{Compression, Options};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The length of the image, with padding up to a multiple of 4 KiB.
    pub length: u64,
    /// How many inodes it has: one for each node.
    pub inodes: u32,
    /// Sum of the lengths of all files.
    pub content: u64,
    /// How much of that was there already, in another file.
    pub duplicate: u64,
    /// How many blocks with small files and ends of files there are.
    pub fragments: u32,
    /// How many other blocks there are.
    pub blocks: u64,
    /// Bytes of the image that are not contents: inodes, directories, tables, padding.
    pub metadata: u64,
}

/// Writes an image of `nodes`, which may be in any order, to `out`, from where that is now. A root
/// directory must be among them, and the directory of each. `progress` is told, by several threads,
/// how many bytes of files are done.
pub fn write<W: Write + Seek + Send>(
    nodes: Vec<Node>,
    out: W,
    options: &Options,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Written, Error> {
    image::write(nodes, out, options, progress)
}
