//! What is uploaded: bytes whose digest and size are known beforehand and that can be read more than once.
//!
//! Re-opening is what makes a broken upload repeatable, so a blob is a recipe rather than a stream: a file, a layer
//! that is built again, or bytes in memory.

use std::io::{self, Cursor, Read};
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
