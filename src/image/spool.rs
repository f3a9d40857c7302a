//! Where blobs rest between being made and being shipped.
//!
//! A layer's digest is known only when its last byte was made. A compressed layer waits in a file
//! without a name in any directory, so that nothing is left behind however the program ends; if there
//! is a cache, the file is there and may get a name later. An uncompressed layer, whose size is known
//! beforehand, is written to its place in the archive.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use registry::Digest;
use sha2::{Digest as _, Sha256};

use super::Error;
use super::compress::Compression;
use super::layer::{Content, Layer};
use crate::cache::Cache;
use crate::output::begin_writeback;

/// Bytes that are hashed at a time.
const HASHED: usize = 256 << 10;

/// A directory on whose file system unnamed files are made, and the cache that blobs stay in.
#[derive(Clone, Debug)]
pub struct Spool {
    dir: PathBuf,
    cache: Option<Arc<Cache>>,
}

impl Spool {
    /// Spools on the file system of `dir`, which must exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), cache: None }
    }

    /// As this one, with a cache.
    #[must_use]
    pub fn with_cache(self, cache: Option<Arc<Cache>>) -> Self {
        Self { cache, ..self }
    }

    /// The cache.
    pub(super) fn cache(&self) -> Option<&Cache> {
        self.cache.as_deref()
    }

    /// Room for one blob of any size. What is not compressed is as quick to make as to keep.
    pub(crate) fn room(&self, compression: Compression) -> Result<Room, Error> {
        let cache = self.cache.as_ref().filter(|_| compression != Compression::None);
        // A file system without such files, or a full one, keeps no blobs.
        if let Some((cache, file)) = cache.and_then(|cache| Some((cache, cache.unnamed().ok()?))) {
            let place = cache.dir().to_owned();
            let aside = Some(self.dir.clone());
            return Ok(Room {
                file: Arc::new(file),
                place,
                offset: 0,
                size: None,
                aside,
                stays: false,
            });
        }
        let (file, place) = (self.unnamed()?, self.dir.clone());
        Ok(Room { file: Arc::new(file), place, offset: 0, size: None, aside: None, stays: false })
    }

    fn unnamed(&self) -> Result<File, Error> {
        unnamed(&self.dir).map_err(|source| Error::Spool { place: self.dir.clone(), source })
    }

    /// The blob, if the cache has it whole.
    pub(super) fn kept(&self, digest: &Digest, size: u64) -> Option<Spooled> {
        self.cache.as_ref()?.blob(digest, size)
    }

    /// Remembers a layer that was made, and keeps its blob if that is where it can stay.
    pub(super) fn remember(&self, key: Option<Digest>, layer: &Layer) {
        let (Some(cache), Some(key)) = (&self.cache, key) else { return };
        if let Content::Here(Spooled { file, in_cache: true, .. }) = &layer.content {
            cache.keep(&layer.digest, file);
        }
        cache.remember(&key, &layer.to_known());
    }
}

fn unnamed(dir: &Path) -> io::Result<File> {
    tempfile::tempfile_in(dir)
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
    /// Where to go on if the cache, where this is, is full.
    aside: Option<PathBuf>,
    /// Whether this is where it is wanted, and not only until it is copied.
    stays: bool,
}

impl Room {
    /// `size` bytes of `file` from `offset`.
    pub(crate) fn within(file: &Arc<File>, place: &Path, offset: u64, size: u64) -> Self {
        let (file, place) = (Arc::clone(file), place.into());
        Self { file, place, offset, size: Some(size), aside: None, stays: true }
    }

    /// All of `file`, which is for this blob alone.
    pub(crate) fn whole(file: &Arc<File>, place: &Path) -> Self {
        let (file, place) = (Arc::clone(file), place.into());
        Self { file, place, offset: 0, size: None, aside: None, stays: true }
    }

    /// Writes `bytes` behind the first `at` bytes of the blob.
    pub(crate) fn write(&mut self, bytes: &[u8], at: u64) -> Result<(), Error> {
        let end = at + bytes.len() as u64;
        if self.size.is_some_and(|size| end > size) {
            return Err(Error::TarSize { got: end, expected: self.size.unwrap_or_default() });
        }
        let mut written = self.file.write_all_at(bytes, self.offset + at);
        if written.is_err() && self.aside.is_some() {
            self.move_aside(at)?;
            written = self.file.write_all_at(bytes, self.offset + at);
        }
        written.map_err(self.failed())?;
        // What only waits to be copied need never reach the disk.
        if self.stays {
            begin_writeback(&self.file, self.offset + at, bytes.len() as u64);
        }
        Ok(())
    }

    /// A cache that takes no more must not end the work: what was written goes elsewhere.
    fn move_aside(&mut self, written: u64) -> Result<(), Error> {
        let Some(dir) = self.aside.take() else { return Ok(()) };
        let place = std::mem::replace(&mut self.place, dir);
        let mut file = unnamed(&self.place).map_err(self.failed())?;
        let mut reader = Spooled::within(&self.file, 0, written).reader();
        io::copy(&mut reader, &mut file).map_err(|source| Error::Spool { place, source })?;
        self.file = Arc::new(file);
        Ok(())
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> Error + use<> {
        let place = self.place.clone();
        |source| Error::Spool { place, source }
    }

    /// The blob at rest, all `size` bytes of it.
    pub(crate) fn close(self, size: u64) -> Result<Spooled, Error> {
        match self.size {
            Some(expected) if expected != size => Err(Error::TarSize { got: size, expected }),
            _ => {
                let in_cache = self.aside.is_some();
                Ok(Spooled { file: self.file, offset: self.offset, size, in_cache })
            }
        }
    }
}

/// Bytes at rest that can be read again and again, by several readers at once.
#[derive(Clone, Debug)]
pub(crate) struct Spooled {
    file: Arc<File>,
    offset: u64,
    size: u64,
    /// Whether it is a file of the cache without a name.
    in_cache: bool,
}

impl Spooled {
    /// `size` bytes of `file` from `offset`.
    pub(crate) fn within(file: &Arc<File>, offset: u64, size: u64) -> Self {
        Self { file: Arc::clone(file), offset, size, in_cache: false }
    }

    /// Its digest, of what is there now.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        let (mut reader, mut hash) = (self.reader(), Sha256::new());
        let mut buffer = vec![0; HASHED];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(Digest::from(<[u8; 32]>::from(hash.finalize()))),
                count => hash.update(&buffer[..count]),
            }
        }
    }

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
