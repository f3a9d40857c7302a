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
//! - [`file`], [`elf`], [`image`], [`metadata`]: the AppImage, its head, the image in it, what that says of itself.
//! - [`run`], [`flags`], [`environment`], [`program`]: from the command line to the application.
//! - [`engine`]: the ways to make the image's files appear at their place, each tried by doing it.
//! - [`fusermount`], [`cache`], [`extract`], [`rewrite`], [`removal`], [`names`], [`pattern`]: what they are made of.
//! - [`message`], [`failure`]: what is told to people.

#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arch;
pub mod cache;
pub mod codec;
pub mod elf;
pub mod engine;
pub mod environment;
pub mod extract;
pub mod failure;
pub mod file;
pub mod flags;
pub mod fusermount;
pub mod heap;
pub mod image;
pub mod message;
pub mod metadata;
pub mod mutex;
pub mod names;
pub mod pattern;
pub mod process;
pub mod program;
pub mod registration;
pub mod removal;
pub mod rewrite;
pub mod run;
pub mod sections;
pub mod serve;
pub mod start;
pub mod thread;
