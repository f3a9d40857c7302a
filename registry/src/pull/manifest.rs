//! Manifests in: as the bytes that they are, never more of them than a registry has to take.

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};

use crate::auth::Right;
use crate::error::printable;
use crate::manifest::{TYPES, media_type};
use crate::wire::answer;
use crate::wire::message::{Request, Response};
use crate::{Client, Descriptor, Digest, Error, Manifest};

/// The size up to which the specification wants registries to take manifests.
const MAX_MANIFEST: u64 = 4 << 20;

/// Statuses by which registries say that they do not answer `HEAD`, at least not now: Artifactory and others
/// refuse it, Quay counts it.
const NO_HEAD: [u16; 3] = [403, 405, 429];

impl Client {
    /// The manifest with this tag or digest, or `None` if there is none.
    pub fn get_manifest(&self, target: &str) -> Result<Option<Manifest>, Error> {
        self.fetch_manifest(target, Right::Pull)
    }

    /// The same with a token that may do more, for who is going to need it.
    pub(crate) fn fetch_manifest(
        &self,
        target: &str,
        right: Right,
    ) -> Result<Option<Manifest>, Error> {
        Ok(self.get_tagged_manifest(target, right)?.map(|(manifest, _)| manifest))
    }

    /// Also gives the strong `ETag`, by which the registry may let us replace this manifest and no other.
    pub(crate) fn get_tagged_manifest(
        &self,
        target: &str,
        right: Right,
    ) -> Result<Option<(Manifest, Option<String>)>, Error> {
        let access = self.access(right);
        let name = self.checked_name(target)?;
        let action = format!("get the manifest `{name}`");
        let accept = TYPES.join(", ");
        let url = self.url(&format!("manifests/{target}"))?;
        let request = Request { accept: Some(&accept), ..Request::bare(&action, Method::GET, url) };
        self.host.retry.run(|| {
            let response = self.host.call(&request, &access, &[200, 404])?;
            if response.status() == 404 {
                answer::discard(response);
                return Ok(None);
            }
            let headers = response.headers().clone();
            let claimed = claimed_digest(&response);
            let bytes = answer::bytes(response, MAX_MANIFEST, &name, &action, self.host_name())?;
            let digest = Digest::of(&bytes);
            // What was asked for comes before what the registry says that it sent.
            if let Some(expected) = target.parse().ok().or(claimed) {
                self.same(digest, expected, &name)?;
            }
            let kind = answer::text(&headers, CONTENT_TYPE.as_str()).unwrap_or_default();
            let media_type = media_type(kind, &bytes).ok_or_else(|| Error::NotARegistry {
                action: action.clone(),
                host: self.host_name().to_owned(),
                got: format!("a document of type `{}`", printable(kind, 100)),
                expected: "an OCI or Docker manifest",
            })?;
            let tag = answer::text(&headers, ETAG.as_str()).filter(|tag| tag.starts_with('"'));
            Ok(Some((Manifest { media_type, bytes, digest }, tag.map(str::to_owned))))
        })
    }

    /// What the manifest with this tag or digest is, without the manifest; `None` if there is none.
    ///
    /// One `HEAD`, or the manifest itself where a registry does not answer that or leaves out what is wanted.
    pub fn head_manifest(&self, target: &str) -> Result<Option<Descriptor>, Error> {
        let name = self.checked_name(target)?;
        let action = format!("look for the manifest `{name}`");
        let accept = TYPES.join(", ");
        let url = self.url(&format!("manifests/{target}"))?;
        let request =
            Request { accept: Some(&accept), ..Request::bare(&action, Method::HEAD, url) };
        let expected = [&[200, 404], &NO_HEAD[..]].concat();
        let response = self
            .host
            .retry
            .run(|| self.host.call(&request, &self.access(Right::Pull), &expected))?;
        if response.status() == 404 {
            return Ok(None);
        }
        if let Some(told) = told(&response) {
            if let Ok(wanted) = target.parse() {
                self.same(told.digest, wanted, &name)?;
            }
            return Ok(Some(told));
        }
        Ok(self.get_manifest(target)?.map(|manifest| manifest.descriptor()))
    }
}

fn claimed_digest(response: &Response) -> Option<Digest> {
    answer::text(response.headers(), "docker-content-digest").and_then(|text| text.parse().ok())
}

/// What the answer to `HEAD` says, if it says all.
fn told(response: &Response) -> Option<Descriptor> {
    if response.status() != 200 {
        return None;
    }
    let headers = response.headers();
    let media_type = media_type(answer::text(headers, CONTENT_TYPE.as_str())?, b"")?;
    let size = answer::text(headers, CONTENT_LENGTH.as_str())?.parse().ok()?;
    Some(Descriptor::new(media_type, claimed_digest(response)?, size))
}
