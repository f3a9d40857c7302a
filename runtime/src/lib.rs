//! The program at the head of each AppImage: makes the image behind it a directory that programs can run from, and
//! runs `AppRun`.
//!
//! It is built without C library and without `std` (feature `standalone`, by `build.rs` of the root package); all its
//! logic is in this library, so that the tests of the host reach it.
//!
//! - [`arch`]: what differs between processors: entry point, system calls, threads, memory functions.
//! - [`start`]: what the kernel hands over: arguments, environment, auxiliary vector.
//! - [`heap`], [`mutex`], [`thread`], [`process`]: what a C library would do.
//! - [`codec`]: the decompressors.
//! - [`sections`]: what others write into: update information, signature.
//! - [`serve`]: the image as a file system, over FUSE.
//! - [`registration`]: what Nix's database says of a store path.
//! - [`message`]: what is told to people.

#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arch;
pub mod codec;
pub mod elf;
pub mod heap;
pub mod message;
pub mod mutex;
pub mod process;
pub mod registration;
pub mod run;
pub mod sections;
pub mod serve;
pub mod start;
pub mod thread;
