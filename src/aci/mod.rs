//! App Container Images: a tar of `manifest` and `rootfs/` (the appc specification, version 0.8.11, the last).

pub mod check;
mod image_id;
mod names;
mod platform;

pub use check::{check, check_manifest};
pub use image_id::{ImageId, NotAnImageId};
