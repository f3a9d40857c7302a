//! Documents of images in layouts and in registries.

use std::io;
use std::path::Path;

use registry::{Client, Digest, Manifest, Reference};

use super::image::{self, Documents, MAX_DOCUMENT};
use super::{Earlier, Error};
use crate::bounded;
use crate::image::Machine;
use crate::image::archive::{INDEX, blob_name};

/// An OCI layout: a directory.
struct Layout<'a> {
    dir: &'a Path,
    name: String,
}

/// Reads the image of a layout.
pub(super) fn layout(dir: &Path, machine: &Machine) -> Result<Earlier, Error> {
    let layout = Layout { dir, name: dir.display().to_string() };
    if !dir.join(INDEX).exists() {
        return Err(Error::Format {
            name: layout.name,
            got: "no `index.json`".into(),
            expected: "an OCI image layout",
        });
    }
    let index = layout.read(INDEX)?;
    image::read(index, INDEX, &layout.name, machine, &layout)
}

impl Layout<'_> {
    fn read(&self, document: &str) -> Result<Vec<u8>, Error> {
        let file = self.dir.join(document);
        // Anything else, such as a pipe, might never end.
        if !file.is_file() {
            return Err(Error::Missing { name: self.name.clone(), document: document.into() });
        }
        bounded::read(&file, MAX_DOCUMENT).map_err(|source| match source.kind() {
            io::ErrorKind::FileTooLarge => Error::TooLarge {
                name: self.name.clone(),
                document: document.into(),
                limit: MAX_DOCUMENT,
            },
            _ => Error::Read { file, source },
        })
    }
}

impl Documents for Layout<'_> {
    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let document = blob_name(digest);
        checked(self.read(&document)?, &document, &self.name, digest)
    }

    fn config(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.manifest(digest)
    }
}

/// The bytes, if they have this digest.
pub(super) fn checked(
    bytes: Vec<u8>,
    document: &str,
    name: &str,
    expected: &Digest,
) -> Result<Vec<u8>, Error> {
    let got = Digest::of(&bytes);
    if got == *expected {
        return Ok(bytes);
    }
    let (name, document) = (name.into(), document.into());
    Err(Error::WrongDigest { name, document, got, expected: *expected })
}

/// An image in a registry, whose client checks digests and sizes itself.
struct Remote<'a> {
    client: &'a Client,
    name: String,
}

/// Reads the image that `reference` names, in the client's repository.
pub(super) fn registry(
    client: &Client,
    reference: &Reference,
    machine: &Machine,
) -> Result<Earlier, Error> {
    let name = reference.to_string();
    let Some(manifest) = client.get_manifest(&reference.target())? else {
        return Err(Error::NoImage { name });
    };
    of_manifest(client, &name, manifest, machine)
}

/// Reads the image, called `name`, whose manifest or index in the client's repository is at hand.
pub(super) fn of_manifest(
    client: &Client,
    name: &str,
    manifest: Manifest,
    machine: &Machine,
) -> Result<Earlier, Error> {
    let remote = Remote { client, name: name.into() };
    image::read(manifest.bytes, &manifest.digest.to_string(), name, machine, &remote)
}

impl Documents for Remote<'_> {
    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let found = self.client.get_manifest(&digest.to_string())?;
        let missing = || Error::Missing { name: self.name.clone(), document: digest.to_string() };
        Ok(found.ok_or_else(missing)?.bytes)
    }

    fn config(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        Ok(self.client.get_blob(digest, MAX_DOCUMENT)?)
    }
}
