//! What is attached to an image: signatures, attestations, lists of parts.
//!
//! There are four ways to say to which one: a `subject` in the manifest (OCI distribution-spec, "Listing Referrers"),
//! cosign's tags made from the digest, its annotations in layouts, and `BuildKit`'s in an index.

use std::collections::BTreeMap;

use registry::{Client, Descriptor, Digest, Manifest};
use serde::Deserialize;

use super::Error;
use super::source::REF_NAME;

/// What cosign's tags end in, with what they are of.
const TAGS: [(&str, &str); 3] = [("sig", "signature"), ("att", "attestation"), ("sbom", "SBOM")];
/// By which annotation cosign says in a layout what a manifest is, and what those of images say.
const KIND: &str = "kind";
const OF_COSIGN: &str = "dev.cosignproject.cosign/";
const IMAGES: [&str; 2] = ["image", "imageIndex"];
/// By which annotations `BuildKit` says it in an index.
const TYPE: &str = "vnd.docker.reference.type";
const OF: &str = "vnd.docker.reference.digest";

/// A manifest that says something of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attached {
    /// Its digest.
    pub digest: Digest,
    /// What it is: its artifact type, or a word for it.
    pub kind: String,
    /// How it says of which image it speaks.
    pub by: String,
}

#[derive(Deserialize)]
struct Referrer {
    subject: Option<Descriptor>,
    #[serde(rename = "artifactType")]
    artifact_type: Option<String>,
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "mediaType", default)]
    media_type: String,
}

/// What is attached to the manifest `digest` of a repository.
pub(super) fn in_registry(client: &Client, digest: &Digest) -> Result<Vec<Attached>, Error> {
    let mut all = Vec::new();
    for found in client.referrers(digest, None)? {
        let kind = found.artifact_type.filter(|kind| !kind.is_empty());
        let kind = kind.unwrap_or(found.media_type);
        all.push(Attached { digest: found.digest, kind, by: "subject".into() });
    }
    for (end, kind) in TAGS {
        let tag = format!("sha256-{}.{end}", digest.hex());
        if let Some(found) = client.get_manifest(&tag)? {
            all.push(Attached {
                digest: found.digest,
                kind: kind.into(),
                by: format!("tag {tag}"),
            });
        }
    }
    Ok(all)
}

/// What an entry of a layout's index is attached to; `None` of the digest if to whatever image is there.
pub(super) fn of_entry(
    entry: &Descriptor,
    manifest: impl FnOnce() -> Result<Manifest, Error>,
) -> Result<Option<(Option<Digest>, Attached)>, Error> {
    let attached =
        |kind: &str, by: String| Attached { digest: entry.digest, kind: kind.into(), by };
    if let Some((digest, kind, tag)) = entry.annotations.get(REF_NAME).and_then(|tag| of_tag(tag)) {
        return Ok(Some((Some(digest), attached(kind, format!("tag {tag}")))));
    }
    let said = entry.annotations.get(KIND).and_then(|kind| kind.strip_prefix(OF_COSIGN));
    if let Some(kind) = said.filter(|kind| !IMAGES.contains(kind)) {
        let what =
            TAGS.iter().find(|(end, _)| kind.starts_with(end)).map_or(kind, |(_, what)| what);
        return Ok(Some((None, attached(what, format!("annotation {OF_COSIGN}{kind}")))));
    }
    if entry.is_index() {
        return Ok(None);
    }
    let read: Option<Referrer> = serde_json::from_slice(&manifest()?.bytes).ok();
    let Some(Referrer { subject: Some(subject), artifact_type, config }) = read else {
        return Ok(None);
    };
    let kind = artifact_type.or(config.map(|config| config.media_type));
    let kind = kind.filter(|kind| !kind.is_empty()).unwrap_or_else(|| entry.media_type.clone());
    Ok(Some((Some(subject.digest), attached(&kind, "subject".into()))))
}

/// Entries of an index that speak of its image `digest`.
pub(crate) fn in_index(manifests: &[Descriptor], digest: &Digest) -> Vec<Attached> {
    let of = digest.to_string();
    let speaks = |annotations: &BTreeMap<String, String>| annotations.get(OF) == Some(&of);
    let entries = manifests.iter().filter(|entry| speaks(&entry.annotations));
    entries
        .map(|entry| Attached {
            digest: entry.digest,
            kind: entry.annotations.get(TYPE).cloned().unwrap_or_else(|| entry.media_type.clone()),
            by: "index".into(),
        })
        .collect()
}

/// What one of cosign's tags is of, and what it stands for.
fn of_tag(tag: &str) -> Option<(Digest, &'static str, &str)> {
    let (hex, end) = tag.strip_prefix("sha256-")?.split_once('.')?;
    let (_, kind) = TAGS.into_iter().find(|(known, _)| *known == end)?;
    Some((format!("sha256:{hex}").parse().ok()?, kind, tag))
}
