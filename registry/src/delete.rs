//! Takes away manifests and tags (distribution-spec, "Content Management").
//!
//! Deleting a manifest takes all tags along that point to it, so a tag is never deleted by the digest behind it. Where
//! a registry does not delete tags by name (`docker-registry` before version 3), the tag is first pointed to a manifest
//! that nothing else has, and that one is deleted: regctl's way. As the tag would be left pointing to nothing of use if
//! the second step were refused, it is rehearsed without the tag, and undone should it fail all the same.

use std::hash::{BuildHasher, Hasher, RandomState};

use reqwest::Method;
use serde_json::json;

use crate::auth::Right;
use crate::wire::answer;
use crate::wire::message::{Payload, Request};
use crate::{Blob, Client, Descriptor, Digest, Error, Manifest, Memory, Silent};

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

impl Client {
    /// Deletes the manifest with this digest, **and every tag that points to it**.
    ///
    /// [`Error::Missing`] if there is none, [`Error::Undeletable`] if the registry does not delete. Blobs stay until
    /// the registry collects what nothing names.
    pub fn delete_manifest(&self, digest: &Digest) -> Result<(), Error> {
        if self.delete(&digest.to_string())? {
            Ok(())
        } else {
            Err(self.missing(&digest.to_string())?)
        }
    }

    /// Deletes a tag, and leaves alone what it points to and all other tags of that.
    ///
    /// [`Error::Missing`] if there is none, [`Error::Undeletable`] if the registry deletes nothing.
    pub fn delete_tag(&self, tag: &str) -> Result<(), Error> {
        let Some(before) = self.get_manifest(tag)? else { return Err(self.missing(tag)?) };
        match self.delete(tag) {
            Ok(true) => return Ok(()),
            // As it is there, a 404 too says that the request is not understood.
            Ok(false) | Err(Error::Refused { status: 400, .. } | Error::Undeletable { .. }) => {}
            Err(error) => return Err(error),
        }
        let rehearsal = self.stand_in()?;
        self.put_manifest(&rehearsal.digest.to_string(), &rehearsal.media_type, &rehearsal.bytes)?;
        self.delete_manifest(&rehearsal.digest)?;
        let stand_in = self.stand_in()?;
        self.put_manifest(tag, &stand_in.media_type, &stand_in.bytes)?;
        self.delete_manifest(&stand_in.digest).inspect_err(|_| {
            // The first error is the one to tell of.
            let _ = self.put_manifest(tag, &before.media_type, &before.bytes);
        })
    }

    /// `false` if there is none.
    fn delete(&self, target: &str) -> Result<bool, Error> {
        let name = self.checked_name(target)?;
        let action = format!("delete `{name}`");
        let url = self.url(&format!("manifests/{target}"))?;
        // With a body, if an empty one: what changes something does not follow redirects.
        let payload = Payload::Bytes(None, &[]);
        let request = Request { payload, ..Request::bare(&action, Method::DELETE, url) };
        let access = self.access(Right::Delete);
        let answer =
            self.host.retry.run(|| self.host.call(&request, &access, &[200, 202, 204, 404]));
        match answer {
            Ok(response) => {
                let is_there = response.status() != 404;
                answer::discard(response);
                Ok(is_there)
            }
            Err(Error::Refused { status: 405 | 501, host, words, .. }) => {
                Err(Error::Undeletable { action, host, words })
            }
            Err(error) => Err(error),
        }
    }

    fn missing(&self, target: &str) -> Result<Error, Error> {
        let what = self.checked_name(target)?;
        Ok(Error::Missing { what, host: self.host_name().to_owned() })
    }

    /// A manifest that nobody else has.
    fn stand_in(&self) -> Result<Manifest, Error> {
        let config = Memory::new(*b"{}");
        self.ensure_blob(&config, &Silent)?;
        // Seeded by the system, anew each time.
        let unique = || RandomState::new().build_hasher().finish();
        let text = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": Descriptor::new(CONFIG_TYPE, config.digest(), config.size()),
            "layers": [],
            "annotations": {
                "org.opencontainers.image.description": "stands in for an image whose tag is being deleted",
                "unique": format!("{:016x}{:016x}", unique(), unique()),
            },
        });
        Ok(Manifest::new(MANIFEST_TYPE, text.to_string()))
    }
}
