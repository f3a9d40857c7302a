//! A blob in one registry as something to upload to another, without a stop on this machine's disk.

use std::io::{self, Read};
use std::sync::Arc;

use crate::{Blob, Client, Descriptor, Digest};

/// A blob in a registry. Each time that it is opened it is got anew.
#[derive(Clone)]
pub struct RemoteBlob {
    client: Arc<Client>,
    digest: Digest,
    size: u64,
}

impl RemoteBlob {
    /// The blob in the client's repository. Nothing is sent yet.
    pub fn new(client: Arc<Client>, descriptor: &Descriptor) -> Self {
        Self { client, digest: descriptor.digest, size: descriptor.size }
    }
}

impl Blob for RemoteBlob {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let reader = self.client.open_blob(&self.digest, Some(self.size));
        Ok(Box::new(reader.map_err(io::Error::other)?))
    }

    /// An upload that goes on does not get again what it has sent. Whether all is right its registry checks.
    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let reader = self.client.open_blob_at(&self.digest, self.size, offset);
        Ok(Box::new(reader.map_err(io::Error::other)?))
    }
}
