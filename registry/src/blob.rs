//! What is uploaded: bytes whose digest and size are known beforehand and that can be read more than once.
//!
//! Re-opening is what makes a broken upload repeatable, so a blob is a recipe rather than a stream: a file, a layer
//! that is built again, or bytes in memory.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use crate::Digest;

/// Content to upload.
pub trait Blob: Send + Sync {
    /// The digest of the bytes that [`Blob::open`] yields.
    fn digest(&self) -> Digest;

    /// How many bytes [`Blob::open`] yields.
    fn size(&self) -> u64;

    /// A reader over the whole content, from the start, each time it is called.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;

    /// A reader over the content from byte `offset` on, for an upload that continues. Reads up to there unless the
    /// blob knows a shorter way.
    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut reader = self.open()?;
        let skipped = io::copy(&mut reader.by_ref().take(offset), &mut io::sink())?;
        if skipped < offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(reader)
    }
}

impl<T: Blob + ?Sized> Blob for &T {
    fn digest(&self) -> Digest {
        (**self).digest()
    }

    fn size(&self) -> u64 {
        (**self).size()
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        (**self).open()
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        (**self).open_at(offset)
    }
}

/// A blob in memory, such as an image's config.
#[derive(Clone, Debug)]
pub struct Memory {
    digest: Digest,
    bytes: Arc<[u8]>,
}

impl Memory {
    /// A blob of these bytes.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), bytes }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Blob for Memory {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(Arc::clone(&self.bytes))))
    }
}

/// A blob in a file, such as one of an image layout.
#[derive(Clone, Debug)]
pub struct FileBlob {
    path: PathBuf,
    digest: Digest,
    size: u64,
}

impl FileBlob {
    /// The file at `path`, which is said to have `digest`: the registry finds out if it has not.
    pub fn new(path: impl Into<PathBuf>, digest: Digest) -> io::Result<Self> {
        let path = path.into();
        let size = std::fs::metadata(&path)?.len();
        Ok(Self { path, digest, size })
    }
}

impl Blob for FileBlob {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.open_at(0)
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }
}
