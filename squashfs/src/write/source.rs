//! Regular files, read in parts by whoever compresses them, with no more and no fewer bytes than was
//! said.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::error::shown;
use super::{Content, Error, ReadAt};

/// A file of the tree that has bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) path: &'a [u8],
    pub(super) content: &'a dyn Content,
    pub(super) size: u64,
}

/// A file that several threads read, opened by the first.
pub(super) struct Shared<'a> {
    pub(super) source: Source<'a>,
    handle: Mutex<Option<Arc<dyn ReadAt>>>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self { source, handle: Mutex::new(None) }
    }

    pub(super) fn handle(&self) -> Result<Arc<dyn ReadAt>, Error> {
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        match &*handle {
            Some(handle) => Ok(Arc::clone(handle)),
            None => Ok(Arc::clone(handle.insert(self.source.open()?.into()))),
        }
    }
}

impl Source<'_> {
    pub(super) fn open(&self) -> Result<Box<dyn ReadAt>, Error> {
        self.content.open().map_err(|source| self.unreadable(source))
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::Read { path: shown(self.path), source }
    }

    /// Reads the `length` bytes from `offset` on into `buffer`, which must have room for one byte
    /// more. If they are the last, the file must end there.
    pub(super) fn read(
        &self,
        handle: &dyn ReadAt,
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> Result<(), Error> {
        let last = offset + length as u64 == self.size;
        // One byte more than is due, so that a short answer proves the end without asking again.
        let buffer = &mut buffer[..length + usize::from(last)];
        let mut filled = 0;
        while filled < length {
            match handle.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.unreadable(error)),
            }
        }
        match filled == length {
            true => Ok(()),
            false => Err(Error::Size {
                path: shown(self.path),
                expected: self.size,
                got: offset + filled as u64,
            }),
        }
    }

    /// SHA-256 of all of it.
    pub(super) fn hash(&self, buffer: &mut Vec<u8>) -> Result<[u8; 32], Error> {
        const PART: usize = 256 << 10;
        let handle = self.open()?;
        if buffer.len() <= PART {
            buffer.resize(PART + 1, 0);
        }
        let mut hash = Sha256::new();
        let mut offset = 0;
        while offset < self.size {
            let length = usize::try_from(self.size - offset).map_or(PART, |left| left.min(PART));
            self.read(&*handle, offset, length, buffer)?;
            hash.update(&buffer[..length]);
            offset += length as u64;
        }
        Ok(hash.finalize().into())
    }
}
