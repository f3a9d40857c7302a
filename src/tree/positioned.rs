//! A regular file that is read by parts, in any order and by several threads.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::open::descriptor;
use super::{Error, Measured};

/// An open regular file. It is what it was when it was measured, or reading fails.
#[derive(Debug)]
pub struct Positioned {
    path: PathBuf,
    fd: OwnedFd,
    size: u64,
    written: (i64, u64),
}

impl Positioned {
    /// Opens the regular file `path` below `root`, as [`open`](super::open) does; `size` and
    /// `written` are those of [`Measured`].
    pub fn open(root: &Path, path: &[u8], measured: Measured) -> Result<Self, Error> {
        let at = super::joined(root, path);
        let fd = descriptor(root, path, &at)?;
        let Measured { size, written, .. } = measured;
        let file = Self { path: at, fd, size, written };
        file.check()?;
        Ok(file)
    }

    /// Reads some of what is there from `offset` on; 0 at the end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
        let read = || rustix::io::pread(&self.fd, &mut *buffer, offset);
        let count = rustix::io::retry_on_intr(read).map_err(Error::io("read", &self.path))?;
        // Whoever reads all of it comes to its end.
        if count < buffer.len() {
            self.check()?;
        }
        Ok(count)
    }

    fn check(&self) -> Result<(), Error> {
        let path = || self.path.clone();
        let stat = rustix::fs::fstat(&self.fd).map_err(Error::io("look at", &self.path))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            Err(Error::Replaced { path: path() })
        } else if size != self.size {
            Err(Error::Size { path: path(), expected: self.size, got: size })
        } else if (stat.st_mtime, stat.st_mtime_nsec) != self.written {
            Err(Error::Written { path: path() })
        } else {
            Ok(())
        }
    }
}
