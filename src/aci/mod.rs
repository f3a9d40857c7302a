//! App Container Images: a tar of `manifest` and `rootfs/` (the appc specification, version 0.8.11, the last).
//!
//! ```text
//! flags, file ──► Manifest ──┐
//!                            ├─► Order ─┬─ whole ──► one file
//! Closure ──► Source ────────┘          ├─ thin ───► one file without the store, options for rkt
//!             (image::Order)            └─ split ──► a file for each layer, and one upon them
//! ```
//!
//! The tar, its compression and its hash are made by what makes layers of container images (`image::single`); the same
//! names, users and defaults are found there. What is new here is the [`Manifest`], and what is [checked](check).

pub mod check;
mod compression;
mod discovery;
mod error;
mod image_id;
mod manifest;
mod names;
mod order;
mod platform;
mod thin;
mod values;
mod write;

use std::path::Path;

pub use check::{check, check_manifest};
pub use compression::{Compression, UnknownCompression};
pub use discovery::{NotAUrl, Site};
pub use error::Error;
pub use image_id::{ImageId, NotAnImageId};
pub use manifest::Manifest;
pub use order::{Layer, Order};
pub use values::{Dependency, Isolator, MountPoint, Port, ValueError, identifier};
pub use write::{How, Made, Place, asc};

/// A name for whoever did not give one: that of a store path, and its version.
pub fn name_of(store_path: &layering::StorePath) -> Option<(String, Option<String>)> {
    let name = names::to_ac_identifier(store_path.stem())?;
    Some((name, store_path.version().map(Into::into)))
}

/// Writes a small file beside images, whole or not at all.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    Ok(write::written(path, bytes)?.commit()?)
}
