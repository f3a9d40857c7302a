//! Files on disk as content of an image.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ::squashfs::write::{Content, ReadAt};

use super::Error;
use crate::tree::{Measured, Positioned};

/// A regular file that was measured, to be opened when its turn comes.
#[derive(Debug)]
pub(super) struct DiskFile {
    /// The store path or directory that it is in.
    pub(super) root: Arc<Path>,
    /// Where it is in there.
    pub(super) path: Vec<u8>,
    pub(super) measured: Measured,
    /// What an error means to the user.
    pub(super) failed: fn(crate::tree::Error) -> Error,
}

impl Content for DiskFile {
    fn size(&self) -> u64 {
        self.measured.size
    }

    fn open(&self) -> io::Result<Box<dyn ReadAt>> {
        let Self { root, path, measured, failed } = self;
        match Positioned::open(root, path, *measured) {
            Ok(file) => Ok(Box::new(Open { file, failed: *failed })),
            Err(error) => Err(io::Error::other(failed(error))),
        }
    }
}

struct Open {
    file: Positioned,
    failed: fn(crate::tree::Error) -> Error,
}

impl ReadAt for Open {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset).map_err(|error| io::Error::other((self.failed)(error)))
    }
}
