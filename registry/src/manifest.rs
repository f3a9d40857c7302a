//! Manifests go out and come in as the bytes that they are, since their digest is their name.

use reqwest::Method;
use serde::Deserialize;

use crate::auth::Right;
use crate::reference::check_tag;
use crate::wire::message::{Payload, Request};
use crate::{Client, Digest, Error, Reference};

/// What is taken for a manifest. Unless it is asked for these, a registry may answer 404, or convert the manifest to an
/// ancient form.
pub(crate) const TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A manifest or index, to the byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// Its text.
    pub bytes: Vec<u8>,
    /// The digest of `bytes`.
    pub digest: Digest,
}

impl Manifest {
    /// A manifest of these bytes.
    pub fn new(media_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { media_type: media_type.into(), digest: Digest::of(&bytes), bytes }
    }
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "mediaType")]
    media_type: String,
}

impl Client {
    /// Puts exactly these bytes under all targets, which are tags or their digest. A registry that sets many tags with
    /// one request is asked to.
    pub fn put_manifest_at(
        &self,
        targets: &[String],
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        let mut left: Vec<&String> = targets.iter().collect();
        if targets.len() > 1 && self.host.habits().many_tags != Some(false) {
            let set = self.put_tags(targets, media_type, bytes)?;
            self.host.learn(|habits| habits.many_tags = Some(!set.is_empty()));
            left.retain(|target| !set.contains(target));
        }
        for target in left {
            self.put_manifest(target, media_type, bytes)?;
        }
        Ok(digest)
    }

    /// `PUT manifests/DIGEST?tag=A&tag=B`; answers the tags that the registry says to have set. One that does not know
    /// this way takes the manifest, and that is as well.
    fn put_tags(
        &self,
        tags: &[String],
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Vec<String>, Error> {
        let digest = Digest::of(bytes);
        let mut url = self.url(&format!("manifests/{digest}"))?;
        for tag in tags {
            self.checked_name(tag)?;
            url.query_pairs_mut().append_pair("tag", tag);
        }
        let action = format!("put the manifest `{}@{digest}`", self.reference().name());
        let payload = Payload::Bytes(Some(media_type), bytes);
        let request = Request::with(&action, Method::PUT, url, payload);
        match self.host.retry.run(|| self.host.call(&request, &self.access(Right::Push), &[201])) {
            Ok(response) => {
                let set = response.headers().get_all("oci-tag").iter();
                let set = set.filter_map(|value| value.to_str().ok());
                Ok(set.flat_map(|tags| tags.split(',')).map(|tag| tag.trim().to_owned()).collect())
            }
            // Whatever is wrong with the manifest itself is said again when it is put under its tags.
            Err(Error::Refused { status: 400..=499, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Puts exactly these bytes under a tag, or under their digest.
    pub fn put_manifest(
        &self,
        target: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        let name = self.checked_name(target)?;
        if let Ok(expected) = target.parse::<Digest>()
            && expected != digest
        {
            return Err(Error::WrongDigest {
                what: "the manifest to put".to_owned(),
                host: self.host_name().to_owned(),
                got: digest.to_string(),
                expected,
            });
        }
        let action = format!("put the manifest `{name}`");
        let url = self.url(&format!("manifests/{target}"))?;
        let payload = Payload::Bytes(Some(media_type), bytes);
        let request = Request::with(&action, Method::PUT, url, payload);
        let response =
            self.host.retry.run(|| self.host.call(&request, &self.access(Right::Push), &[201]))?;
        self.check_digest(&response, &digest, &name)?;
        Ok(digest)
    }

    /// How the manifest is called in messages, if `target` can name one.
    pub(crate) fn checked_name(&self, target: &str) -> Result<String, Error> {
        let repository = self.reference().name();
        if target.parse::<Digest>().is_ok() {
            return Ok(format!("{repository}@{target}"));
        }
        check_tag(target)
            .map_err(|reason| Reference::invalid(&format!("{repository}:{target}"), reason))?;
        Ok(format!("{repository}:{target}"))
    }
}

/// The header's type, or that in the text where a plain file server gives something general in the header.
pub(crate) fn media_type(header: &str, bytes: &[u8]) -> Option<String> {
    let header = header.split(';').next().unwrap_or_default().trim();
    let inner = || serde_json::from_slice::<Typed>(bytes).ok().map(|typed| typed.media_type);
    let known = |kind: &String| TYPES.contains(&kind.as_str());
    Some(header.to_owned()).filter(known).or_else(|| inner().filter(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_found_in_either_place() {
        let text = format!(r#"{{"mediaType":"{}"}}"#, TYPES[0]);
        assert_eq!(
            media_type(&format!("{}; charset=utf-8", TYPES[1]), b"{}").as_deref(),
            Some(TYPES[1])
        );
        assert_eq!(media_type("application/json", text.as_bytes()).as_deref(), Some(TYPES[0]));
        assert_eq!(media_type("text/html", b"<html>"), None);
    }
}
