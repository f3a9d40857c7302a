//! What is known of a repository's content without asking for each blob.
//!
//! A blob that a manifest in the repository names is in the repository: registries refuse manifests whose blobs they
//! lack, and collect no blob that is named. So one GET of the manifest that is now at a tag answers for all blobs of an
//! image, where other clients send a HEAD for each. A registry that is nevertheless without one says so when the new
//! manifest comes (`MANIFEST_BLOB_UNKNOWN`); then nothing counts as known any more.

use std::collections::BTreeSet;
use std::sync::Mutex;

use reqwest::Method as Verb;
use serde::Deserialize;

use crate::auth::{Right, lock};
use crate::wire::answer;
use crate::wire::transport::Request;
use crate::{Client, Digest, Error, Manifest};

/// Manifests of one index that are asked for; platforms beyond these cost a HEAD for each blob.
const MAX_PLATFORMS: usize = 8;
/// A list of tags is read up to here.
const MAX_TAGS: u64 = 4 << 20;

/// What is known of a repository.
#[derive(Default)]
pub(crate) struct Known(Mutex<Facts>);

#[derive(Default)]
struct Facts {
    /// Blobs that manifests in the repository name.
    named: BTreeSet<Digest>,
    /// Whether a manifest was seen, so that what it does not name is likely absent.
    seen: bool,
    /// Whether the registry says that there is no such repository yet.
    new: bool,
    /// The registry lacked what should have been there.
    distrusted: bool,
}

/// Where a blob probably is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    There,
    Absent,
    Unknown,
}

/// The parts of a manifest or an index that name others.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Names {
    config: Option<Name>,
    layers: Vec<Name>,
    manifests: Vec<Name>,
}

#[derive(Deserialize)]
struct Name {
    digest: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tags {
    tags: Option<Vec<String>>,
}

impl Client {
    /// Finds out what the repository has, as cheaply as can be, and gives the manifest at the target of the client's
    /// reference if that was asked for and is there.
    ///
    /// `known` are other tags or digests of the repository; if there are any, they are asked for instead of the target.
    /// Without any manifest to go by, the repository's newest tag is asked.
    pub fn survey(&self, known: &[String]) -> Result<Option<Manifest>, Error> {
        let own = self.reference().target();
        let mut at_target = None;
        let targets = if known.is_empty() { std::slice::from_ref(&own) } else { known };
        for target in targets {
            let Some(manifest) = self.fetch_manifest(target, Right::Push)? else { continue };
            self.learn_from(&manifest);
            if *target == own {
                at_target = Some(manifest);
            }
        }
        if !lock(&self.known.0).seen {
            self.look_around();
        }
        Ok(at_target)
    }

    /// Takes it that the repository has these blobs, since a manifest there names them.
    pub fn learn(&self, blobs: impl IntoIterator<Item = Digest>) {
        let mut facts = lock(&self.known.0);
        facts.named.extend(blobs);
        facts.seen = true;
    }

    /// Takes it that the repository has what `manifest`, which is in it, names.
    pub(crate) fn learn_from(&self, manifest: &Manifest) {
        for platform in self.learn_names(manifest).into_iter().take(MAX_PLATFORMS) {
            // An index that lacks one of its images is somebody else's affair.
            if let Ok(Some(manifest)) = self.fetch_manifest(&platform.digest, Right::Push) {
                self.learn_names(&manifest);
            }
        }
    }

    /// Answers the manifests that it names, if it is an index.
    fn learn_names(&self, manifest: &Manifest) -> Vec<Name> {
        let Ok(names) = serde_json::from_slice::<Names>(&manifest.bytes) else { return Vec::new() };
        if names.manifests.is_empty() {
            let blobs = names.config.iter().chain(&names.layers);
            self.learn(blobs.filter_map(|name| name.digest.parse().ok()));
        }
        names.manifests
    }

    pub(crate) fn guess(&self, digest: &Digest) -> Guess {
        let facts = lock(&self.known.0);
        if facts.distrusted {
            Guess::Unknown
        } else if facts.named.contains(digest) {
            Guess::There
        } else if facts.seen || facts.new {
            Guess::Absent
        } else {
            Guess::Unknown
        }
    }

    /// Whether the repository is yet to be made.
    pub(crate) fn is_new(&self) -> bool {
        lock(&self.known.0).new
    }

    /// From now on every blob is asked for.
    pub(crate) fn distrust(&self) {
        lock(&self.known.0).distrusted = true;
        lock(&self.placed).clear();
    }

    /// A repository that has no such tag may be new, or may have the last deployment under another tag. Everything
    /// here only saves requests, so nothing fails.
    fn look_around(&self) {
        let action = "list the tags";
        let Ok(mut url) = self.url("tags/list") else { return };
        url.query_pairs_mut().append_pair("n", "1000");
        let request = Request::bare(action, Verb::GET, url);
        match self.host.call(&request, &self.access(Right::Push), &[200, 404]) {
            Ok(response) if response.status() == 404 => {
                lock(&self.known.0).new = true;
                answer::discard(response);
            }
            Ok(response) => {
                let bytes = answer::bytes(response, MAX_TAGS, "tags", action, self.host_name());
                let tags: Tags =
                    serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default();
                // Names of deployments end in a time or a number.
                let newest =
                    tags.tags.unwrap_or_default().into_iter().max_by_key(|tag| natural(tag));
                if let Some(Ok(Some(manifest))) =
                    newest.map(|tag| self.fetch_manifest(&tag, Right::Push))
                {
                    self.learn_from(&manifest);
                }
            }
            Err(_) => {}
        }
    }
}

/// Orders `v9` before `v10`: numbers by their length first.
fn natural(tag: &str) -> Vec<(usize, String)> {
    let mut parts: Vec<(usize, String)> = Vec::new();
    let mut digits = false;
    for letter in tag.chars() {
        if letter.is_ascii_digit() != digits || parts.is_empty() {
            digits = letter.is_ascii_digit();
            parts.push((0, String::new()));
        }
        if let Some((length, part)) = parts.last_mut() {
            part.push(letter);
            *length = if digits { part.trim_start_matches('0').len() } else { 0 };
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_tag_is_the_one_with_the_highest_number() {
        let newest =
            |tags: &[&str]| tags.iter().max_by_key(|tag| natural(tag)).unwrap().to_string();
        assert_eq!(newest(&["v9", "v10", "v2"]), "v10");
        assert_eq!(newest(&["1.9.3", "1.10.0", "1.2"]), "1.10.0");
        assert_eq!(newest(&["deployment-01A", "deployment-01B"]), "deployment-01B");
        assert_eq!(newest(&["2024-01-31", "2023-12-31"]), "2024-01-31");
    }
}
