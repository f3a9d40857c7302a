//! What is attached to a manifest: signatures, lists of parts (distribution-spec, "Listing Referrers" and "Unavailable
//! Referrers API").
//!
//! A registry that has the API keeps the list itself and says so (`OCI-Subject`). At others it is an index under a tag
//! made from the digest, which every client reads, adds to and writes back. Writers who do that at the same time would
//! lose each other's entries, so `If-Match` goes along (the registries that were tried ignore it), and the list is
//! read back after random waits until the entry has stayed in it. What remains: a writer that takes longer than those
//! waits between its reading and its writing can still undo an entry, as the protocol has no lock.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread;
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::Right;
use crate::pages::List;
use crate::wire::answer;
use crate::wire::message::{Payload, Request};
use crate::{Client, Descriptor, Digest, Error, Manifest};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// Answers of registries without the API: the specification's, and those of what stands before them.
const NO_API: [u16; 4] = [400, 404, 405, 501];
/// More of them are not read.
const MAX_REFERRERS: usize = 100_000;
/// How often an entry is added before it is given up.
const TRIES: u32 = 30;
/// The wait before an entry is looked for, in milliseconds for each try; up to as much again comes on top.
const BACK_OFF: u64 = 5;
/// The waits after which an entry must still be there, in milliseconds; up to as much again comes on top.
const SETTLE: [u64; 3] = [40, 120, 240];

#[derive(Deserialize)]
struct Subject {
    subject: Option<Descriptor>,
}

/// Entries as they are written, known fields or not.
#[derive(Deserialize)]
struct Entries {
    manifests: Vec<Value>,
}

impl Client {
    /// The manifests that have the manifest `digest` as their subject, if wanted only those of one type.
    ///
    /// Entries whose digest is not SHA-256 are left out.
    pub fn referrers(
        &self,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, Error> {
        let entries = match self.listed(digest, artifact_type)? {
            Some(entries) => entries,
            None => match self.get_manifest(&fallback_tag(digest))? {
                Some(index) => entries(&index.bytes).unwrap_or_default(),
                None => Vec::new(),
            },
        };
        let known = entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok());
        // A registry may filter or not.
        let wanted = |entry: &Descriptor| {
            artifact_type.is_none_or(|wanted| entry.artifact_type.as_deref() == Some(wanted))
        };
        Ok(known.filter(wanted).collect())
    }

    /// What the registry's own list has; `None` if it keeps none.
    fn listed(
        &self,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Value>>, Error> {
        let what = format!("the list of what refers to `{digest}`");
        let action = format!("list what refers to `{digest}`");
        let mut url = self.url(&format!("referrers/{digest}"))?;
        if let Some(wanted) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", wanted);
        }
        let list =
            List { what: &what, action: &action, url, accept: Some(INDEX_TYPE), absent: &NO_API };
        let mut all = Vec::new();
        let mut is_list = true;
        let there = self.pages(&list, |_, bytes| {
            // A page for browsers with status 200 is what a web front end gives for any address.
            let Some(page) = entries(bytes) else {
                is_list = false;
                return Ok(false);
            };
            all.extend(page);
            if all.len() > MAX_REFERRERS {
                return Err(Error::Endless {
                    what: what.clone(),
                    host: self.host_name().to_owned(),
                    reason: format!("it has more than {MAX_REFERRERS} entries"),
                });
            }
            Ok(true)
        })?;
        Ok((there && is_list).then_some(all))
    }

    /// Puts a manifest that has a `subject`, under its digest, and sees to it that it is listed there.
    ///
    /// The manifest's blobs must be in place. A manifest without subject is only put.
    pub fn put_referrer(&self, manifest: &Manifest) -> Result<Digest, Error> {
        let target = manifest.digest.to_string();
        let listed =
            self.put_listed(&target, Payload::Bytes(Some(&manifest.media_type), &manifest.bytes))?;
        let subject: Option<Subject> = serde_json::from_slice(&manifest.bytes).ok();
        if let Some(subject) = subject.and_then(|it| it.subject)
            && !listed
        {
            self.list(&fallback_tag(&subject.digest), &entry(manifest), &target)?;
        }
        Ok(manifest.digest)
    }

    /// Adds `entry` to the index under `tag`, and sees that it stays there.
    fn list(&self, tag: &str, entry: &Value, digest: &str) -> Result<(), Error> {
        let is_ours = |other: &Value| other["digest"] == digest;
        let (mut tries, mut settled) = (0, 0);
        loop {
            let before = self.get_tagged_manifest(tag, Right::Push)?;
            let (index, etag) = before.map_or((None, None), |(index, etag)| (Some(index), etag));
            let mut listed =
                index.as_ref().and_then(|index| entries(&index.bytes)).unwrap_or_default();
            if listed.iter().any(is_ours) {
                match SETTLE.get(settled) {
                    Some(wait) if tries > 0 => pause(*wait),
                    // It has stayed, or was there before us.
                    _ => return Ok(()),
                }
                settled += 1;
                continue;
            }
            if tries == TRIES {
                let what = format!("{}:{tag}", self.reference().name());
                return Err(Error::Contended { what, host: self.host_name().to_owned(), tries });
            }
            // Nothing is waited for between reading and writing: others can write only then.
            listed.push(entry.clone());
            let text = json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": listed});
            let new = Manifest::new(INDEX_TYPE, text.to_string());
            let payload = match (&index, &etag) {
                // Without the tag of what was read there is no saying that only this may be replaced.
                (Some(_), None) => Payload::Bytes(Some(INDEX_TYPE), &new.bytes),
                (_, etag) => Payload::InPlaceOf(etag.as_deref(), INDEX_TYPE, &new.bytes),
            };
            self.put_listed(tag, payload)?;
            (tries, settled) = (tries + 1, 0);
            pause(u64::from(tries.min(10)) * BACK_OFF);
        }
    }

    /// Puts a manifest, unless a condition that goes along does not hold. Answers whether the registry has listed it
    /// by its subject.
    fn put_listed(&self, target: &str, payload: Payload<'_>) -> Result<bool, Error> {
        let name = self.checked_name(target)?;
        let action = format!("put the manifest `{name}`");
        let url = self.url(&format!("manifests/{target}"))?;
        let request = Request { payload, ..Request::bare(&action, Method::PUT, url) };
        // 412: the condition does not hold. Nobody answers it who was given none.
        let access = self.access(Right::Push);
        let response = self.host.retry.run(|| self.host.call(&request, &access, &[201, 412]))?;
        let listed = answer::text(response.headers(), "oci-subject").is_some();
        answer::discard(response);
        Ok(listed)
    }
}

/// The tag under which the list is, at registries that keep none.
fn fallback_tag(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

fn entries(bytes: &[u8]) -> Option<Vec<Value>> {
    serde_json::from_slice::<Entries>(bytes).ok().map(|index| index.manifests)
}

/// What a list says of a manifest: its artifact type, or else the type of its config, and its annotations.
fn entry(manifest: &Manifest) -> Value {
    let document: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    let mut entry = json!(manifest.descriptor());
    let kind = [&document["artifactType"], &document["config"]["mediaType"]];
    if let Some(kind) = kind.into_iter().find(|kind| kind.as_str().is_some_and(|it| !it.is_empty()))
    {
        entry["artifactType"] = kind.clone();
    }
    if document["annotations"].is_object() {
        entry["annotations"] = document["annotations"].clone();
    }
    entry
}

/// Waits so many milliseconds and up to as many again, so that writers do not stay in step.
fn pause(milliseconds: u64) {
    let more = RandomState::new().build_hasher().finish() % (milliseconds + 1);
    thread::sleep(Duration::from_millis(milliseconds + more));
}
