//! What a store path consists of: entries in NAR order with canonical metadata.
//!
//! Nix's archive format (NAR) knows directories, regular files with or without the executable bit,
//! and symbolic links, nothing else: no owner, no time, no hard links, no other modes. Whatever is
//! made from a store path is made from exactly that, so that two copies of a store give the same
//! bytes however they came to be on disk.

mod content;
mod error;
mod nar;
mod open;
mod positioned;
mod walk;

pub use content::{Content, HEAD_LEN};
pub use error::Error;
pub use nar::Nar;
pub use open::open;
pub use positioned::Positioned;
pub use walk::{Inode, Measured, RegularFile, Visitor, Walker};

/// What to call `path` below `root`, where it is that itself if it is empty.
fn joined(root: &std::path::Path, path: &[u8]) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    match path {
        [] => root.into(),
        path => root.join(std::ffi::OsStr::from_bytes(path)),
    }
}
