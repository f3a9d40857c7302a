//! Room for blobs between being made and being shipped: files without a name.
//!
//! A layer's digest is known only when its last byte was made, so it must rest somewhere. The files
//! have no name in any directory, so that nothing is left behind however the program ends.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new empty file without a name.
    pub(crate) fn file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.dir)
    }
}

/// Bytes at rest that can be read again and again, by several readers at once.
#[derive(Clone, Debug)]
pub struct Spooled {
    file: Arc<File>,
    size: u64,
}

impl Spooled {
    /// The first `size` bytes of `file`.
    pub(crate) fn new(file: File, size: u64) -> Self {
        Self { file: Arc::new(file), size }
    }

    /// A reader from the start.
    pub fn reader(&self) -> impl Read + Send + 'static {
        SpooledReader { file: Arc::clone(&self.file), at: 0, end: self.size }
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
