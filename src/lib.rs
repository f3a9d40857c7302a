//! Turns a Nix-style store closure into images that people can ship.
//!
//! ```text
//! roots ──► closure ──► Graph ──► layering::plan ──► Plan ──► image ─┬─► archive (file, stdout, OCI layout)
//! (paths)   database    (pure)       (pure)         (pure)           └─► registry
//!           scan
//!           graph file
//! ```
//!
//! - [`closure`]: which store paths the roots need.
//! - [`tree`]: what a store path consists of, in canonical order.
//! - [`cache`]: layers that were made before.
//! - [`image`]: layers, configuration, manifest, archive and layout.
//! - [`appimage`]: one file that is a program and carries what it runs.
//! - [`aci`]: App Container Images, and whether what others made is one.
//! - [`gpg`]: detached signatures, made and checked.
//! - [`fleet`]: many images planned together.
//! - [`earlier`]: what images and plans of before say of their layers.
//! - [`copy`]: images from anywhere to anywhere, to the byte.
//! - [`diff`]: what is different between two of them.
//! - [`output`]: files that appear whole or not at all.
//! - [`push`]: to registries, while layers are still being made.
//! - [`report`]: a plan as a page to look at.
//! - [`progress`]: what is told on the way.
//! - [`mod@squashfs`]: images of one file that are mounted as they are.
//! - [`timings`]: where time went.
//!
//! Which paths share a layer is decided by the [`layering`] crate, and [`registry`] moves blobs.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod aci;
pub mod appimage;
mod bounded;
pub mod cache;
pub mod closure;
pub mod copy;
pub mod diff;
pub mod earlier;
pub mod fleet;
pub mod gpg;
pub mod image;
pub mod inspect;
pub mod output;
mod parallel;
pub mod progress;
pub mod push;
pub mod report;
pub mod squashfs;
pub mod timings;
pub mod tree;
pub mod untar;
