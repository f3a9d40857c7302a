//! Where an image comes from.

use std::collections::BTreeMap;
use std::io::Read;

use registry::{Blob, Client, Descriptor, Digest, Manifest, Reference, Registries};

use super::Error;
use super::attached::Attached;
use super::local::Local;
use super::remote::Remote;
use crate::earlier::Place;

/// By which annotations programs find the name of an image in a layout: everybody's, and containerd's.
pub(super) const REF_NAME: &str = "org.opencontainers.image.ref.name";
pub(super) const IMAGE_NAME: &str = "io.containerd.image.name";

/// An image, or an index of images, that can be copied.
pub trait Source: Send + Sync {
    /// What the user called it.
    fn name(&self) -> &str;

    /// The manifest that it is.
    fn root(&self) -> &Manifest;

    /// What an index calls it.
    fn annotations(&self) -> BTreeMap<String, String>;

    /// A manifest that one of its manifests names.
    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, Error>;

    /// A blob that one of its manifests names.
    fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Blob>, Error>;

    /// What is attached to its manifest `digest`: signatures and the like.
    fn attached(&self, _digest: &Digest) -> Result<Vec<Attached>, Error> {
        Ok(Vec::new())
    }

    /// Whether it is kept in Docker's own form, so that its manifest was made up here.
    fn is_docker(&self) -> bool {
        false
    }

    /// The repository that it is in, if it is in a registry.
    fn repository(&self) -> Option<&Reference> {
        None
    }
}

/// Finds the image that `text` names: a file, a directory, or a name in a registry.
pub fn open(text: &str, registries: &Registries) -> Result<Box<dyn Source>, Error> {
    Ok(match Place::find(text)? {
        Place::Local(path) => Box::new(Local::open(&path)?),
        Place::Registry(reference) => {
            let clients = clients(registries, &reference)?;
            Box::new(Remote::open(clients, &reference)?)
        }
    })
}

/// Who is asked for an image, one after another until one has it: its mirrors, then where it is.
fn clients(registries: &Registries, reference: &Reference) -> Result<Vec<Client>, Error> {
    Ok(registries.pull_clients(reference)?)
}

/// A small blob, such as an image's config, in memory.
pub(crate) fn document(
    source: &dyn Source,
    descriptor: &Descriptor,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    if descriptor.size > limit {
        let (name, what) = (source.name().into(), "bytes in a configuration");
        return Err(Error::TooMany { name, limit, what });
    }
    let mut bytes = Vec::new();
    source
        .blob(descriptor)?
        .open()
        .and_then(|reader| reader.take(limit).read_to_end(&mut bytes))
        .map_err(|error| Error::read(source.name(), descriptor.digest, error))?;
    Ok(bytes)
}
