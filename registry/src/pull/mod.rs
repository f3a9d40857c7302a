//! What comes out of a registry: manifests and blobs by digest or tag, checked against the digest that names them.

mod blob;
mod manifest;
mod range;
mod remote;

pub use blob::BlobReader;
pub use remote::RemoteBlob;

use crate::{Client, Digest, Error};

impl Client {
    /// An error unless what was got is what was asked for.
    pub(crate) fn same(&self, got: Digest, expected: Digest, what: &str) -> Result<(), Error> {
        if got == expected {
            return Ok(());
        }
        Err(Error::WrongDigest {
            what: what.to_owned(),
            host: self.host_name().to_owned(),
            got: got.to_string(),
            expected,
        })
    }
}
