//! An image, opened lazily and trusted with nothing.
//!
//! Opening reads the superblock and the table of owners, whatever the size of the image; everything else is read when
//! it is asked for. An [`Image`] is shared between threads, each of which has a [`Reader`] with its own codec and
//! buffers. Where bytes come from ([`ReadAt`]), how they are decompressed ([`Decompress`]) and which metadata is kept
//! ([`MetadataCache`]) is the caller's; with the feature `write`, [`Codecs`] and files are ready made.
//!
//! Whatever the image says, nothing here panics, reads outside of it, allocates more than [`Walk`] and the callers ask
//! for, or goes on without end: positions only ever grow, and each size is checked before it is used.

#[cfg(feature = "write")]
mod codecs;
mod directory;
mod error;
mod file;
mod image;
mod inode;
mod metadata;
mod source;
mod superblock;
mod walk;
mod xattr;

#[cfg(feature = "write")]
pub use codecs::Codecs;
pub use directory::{Entry, Listing};
pub use error::Error;
pub use file::{Block, Content, Mark, Piece, Stored};
pub use image::{Image, Reader};
pub use inode::{Directory, File, Inode, InodeRef, Kind, Symlink, Type};
pub use metadata::{LocalCache, MetadataBlock, MetadataCache};
pub use source::{Decompress, ReadAt};
pub use superblock::Superblock;
pub use walk::{Visit, Walk};
pub use xattr::{Xattr, Xattrs};
