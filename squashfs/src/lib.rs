//! SquashFS 4.0 images, read and written.
//!
//! - [`format`]: what both sides agree on: numbers, sizes and the superblock.
//! - [`read`]: an image, opened lazily; needs `alloc` and no operating system, and trusts nothing.
//! - [`write`](mod@write): a tree of files becomes an image, the same for any number of threads
//!   (feature `write`).

#![cfg_attr(not(feature = "write"), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;

pub mod format;
pub mod read;
#[cfg(feature = "write")]
pub mod write;
