//! Where blobs rest between being made and being shipped.
//!
//! A layer's digest is known only when its last byte was made. A compressed layer waits in a file
//! without a name in any directory, so that nothing is left behind however the program ends. An
//! uncompressed layer, whose size is known beforehand, is written to its place in the archive.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use crate::output::begin_writeback;

/// A directory on whose file system unnamed files are made.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
}

impl Spool {
    /// Spools on the file system of `dir`, which must exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Room for one blob of any size.
    pub(crate) fn room(&self) -> Result<Room, Error> {
        let file = tempfile::tempfile_in(&self.dir)
            .map_err(|source| Error::Spool { place: self.dir.clone(), source })?;
        Ok(Room { file: Arc::new(file), place: self.dir.clone(), offset: 0, size: None })
    }
}

/// Room for one blob in a file.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    file: Arc<File>,
    /// What to call the file in a message.
    place: PathBuf,
    offset: u64,
    /// The size that the blob must have, if it has neighbours.
    size: Option<u64>,
}

impl Room {
    /// `size` bytes of `file` from `offset`.
    pub(crate) fn within(file: &Arc<File>, place: &Path, offset: u64, size: u64) -> Self {
        Self { file: Arc::clone(file), place: place.into(), offset, size: Some(size) }
    }

    /// Writes `bytes` behind the first `at` bytes of the blob.
    pub(crate) fn write(&self, bytes: &[u8], at: u64) -> Result<(), Error> {
        let end = at + bytes.len() as u64;
        if self.size.is_some_and(|size| end > size) {
            return Err(Error::TarSize { got: end, expected: self.size.unwrap_or_default() });
        }
        self.file
            .write_all_at(bytes, self.offset + at)
            .map_err(|source| Error::Spool { place: self.place.clone(), source })?;
        // What only waits to be copied need never reach the disk.
        if self.size.is_some() {
            begin_writeback(&self.file, self.offset + at, bytes.len() as u64);
        }
        Ok(())
    }

    /// The blob at rest, all `size` bytes of it.
    pub(crate) fn close(self, size: u64) -> Result<Spooled, Error> {
        match self.size {
            Some(expected) if expected != size => Err(Error::TarSize { got: size, expected }),
            _ => Ok(Spooled { file: self.file, offset: self.offset, size }),
        }
    }
}

/// Bytes at rest that can be read again and again, by several readers at once.
#[derive(Clone, Debug)]
pub(crate) struct Spooled {
    file: Arc<File>,
    offset: u64,
    size: u64,
}

impl Spooled {
    /// A reader from the start.
    pub(crate) fn reader(&self) -> impl Read + Send + 'static {
        self.reader_at(0)
    }

    /// A reader from byte `offset`, or from the end if there are fewer.
    pub(crate) fn reader_at(&self, offset: u64) -> impl Read + Send + 'static {
        SpooledReader {
            file: Arc::clone(&self.file),
            at: self.offset + offset.min(self.size),
            end: self.offset + self.size,
        }
    }

    /// Whether the bytes stand in `file` at `offset`.
    pub(crate) fn is_at(&self, file: &Arc<File>, offset: u64) -> bool {
        Arc::ptr_eq(&self.file, file) && self.offset == offset
    }
}

/// Reads by offset, since the offset of a shared file would be shared too.
struct SpooledReader {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for SpooledReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        if count == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        Ok(count)
    }
}
