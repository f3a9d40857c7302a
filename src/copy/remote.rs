//! Images in registries.

use std::collections::BTreeMap;
use std::sync::Arc;

use registry::{Blob, Client, Descriptor, Digest, Manifest, Reference, RemoteBlob};

use super::Error;
use super::attached::{Attached, in_registry};
use super::source::{IMAGE_NAME, REF_NAME, Source};
use crate::earlier;

/// An image in a registry.
pub(super) struct Remote {
    name: String,
    client: Arc<Client>,
    /// As the user gave it, whoever it was got from.
    reference: Reference,
    root: Manifest,
}

impl Remote {
    /// The image that the first of `clients` has which has it.
    pub(super) fn open(clients: Vec<Client>, reference: &Reference) -> Result<Self, Error> {
        let name = reference.to_string();
        let none = || Error::Local(earlier::Error::NoImage { name: name.clone() });
        let mut failure = none();
        for client in clients {
            match client.get_manifest(&reference.target()) {
                Ok(Some(root)) => {
                    let (client, reference) = (Arc::new(client), reference.clone());
                    return Ok(Self { name, client, reference, root });
                }
                // What the last one says counts, which is where the image is by its name.
                Ok(None) => failure = none(),
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }
}

impl Source for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn root(&self) -> &Manifest {
        &self.root
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let Some(tag) = self.reference.tag() else { return BTreeMap::new() };
        let name = format!("{}:{tag}", self.reference.name());
        BTreeMap::from([(REF_NAME.into(), tag.into()), (IMAGE_NAME.into(), name)])
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
        let digest = descriptor.digest.to_string();
        let found = self.client.get_manifest(&digest)?;
        let missing =
            || earlier::Error::Missing { name: self.name.clone(), document: digest.clone() };
        Ok(found.ok_or_else(missing)?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Blob>, Error> {
        Ok(Box::new(RemoteBlob::new(Arc::clone(&self.client), descriptor)))
    }

    fn attached(&self, digest: &Digest) -> Result<Vec<Attached>, Error> {
        in_registry(&self.client, digest)
    }

    fn repository(&self) -> Option<&Reference> {
        Some(&self.reference)
    }
}
