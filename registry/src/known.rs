//! What is known of a repository's content without asking for each blob.
//!
//! A blob that a manifest in the repository names is in the repository: registries refuse manifests whose blobs they
//! lack, and collect no blob that is named. So one GET of the manifest that is now at a tag answers for all blobs of an
//! image, where other clients send a HEAD for each. A registry that is nevertheless without one says so when the new
//! manifest comes (`MANIFEST_BLOB_UNKNOWN`); then nothing counts as known any more.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::auth::{Right, lock};
use crate::{Client, Descriptor, Digest, Error, Manifest, Parts};

/// Manifests of one index that are asked for; platforms beyond these cost a HEAD for each blob.
const MAX_PLATFORMS: usize = 8;

/// What is known of a repository.
#[derive(Default)]
pub(crate) struct Known(Mutex<Facts>);

#[derive(Default)]
struct Facts {
    /// Blobs that manifests in the repository name. If there are any, what is not among them is likely absent.
    named: BTreeSet<Digest>,
    /// Whether the registry says that there is no such repository yet.
    new: bool,
}

/// What was found out about a repository.
#[derive(Debug, Default)]
pub struct Survey {
    /// Manifests that are in it.
    pub seen: Vec<Seen>,
    /// Why there was no use in asking.
    pub trouble: Option<Error>,
}

impl Survey {
    /// Whether `target`, a tag or digest, names the manifest `digest`.
    pub fn has(&self, target: &str, digest: Digest) -> bool {
        self.seen.iter().any(|seen| seen.target == target && seen.manifest.digest == digest)
    }
}

/// A manifest that is in the repository.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The tag or digest by which it was asked for.
    pub target: String,
    /// What was there.
    pub manifest: Manifest,
}

/// Where a blob probably is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    There,
    Absent,
    Unknown,
}

impl Client {
    /// Finds out what the repository has, as cheaply as can be, and gives the manifests that it has seen on the way.
    ///
    /// `known` are tags or digests of the repository; if there are none, the target of the client's reference is asked
    /// for. Without any of these, the repository's newest tag is asked. That no use can be made of what is there is no
    /// error: everything is asked for then. That the registry is not there, or lets nobody in, is one.
    pub fn survey(&self, known: &[String]) -> Result<Survey, Error> {
        let own = self.reference().target();
        let mut survey = Survey::default();
        let seen = &mut survey.seen;
        for target in if known.is_empty() { std::slice::from_ref(&own) } else { known } {
            match self.fetch_manifest(target, Right::Push) {
                Ok(Some(manifest)) => seen.push(Seen { target: target.clone(), manifest }),
                Ok(None) => {}
                // Artifactory says 403 of a tag that is not there.
                Err(
                    error @ (Error::Refused { status: 400 | 403..=499, .. }
                    | Error::NotARegistry { .. }
                    | Error::WrongDigest { .. }
                    | Error::TooLarge { .. }),
                ) => {
                    survey.trouble = Some(error);
                    return Ok(survey);
                }
                Err(error) => return Err(error),
            }
        }
        if seen.is_empty() {
            seen.extend(self.look_around());
        }
        for Seen { manifest, .. } in seen {
            self.learn_from(manifest);
        }
        Ok(survey)
    }

    /// Takes it that the repository has these blobs, since a manifest there names them.
    pub fn learn(&self, blobs: impl IntoIterator<Item = Digest>) {
        lock(&self.known.0).named.extend(blobs);
    }

    /// Takes it that the repository has what `manifest`, which is in it, names.
    fn learn_from(&self, manifest: &Manifest) {
        for image in self.learn_parts(manifest).iter().take(MAX_PLATFORMS) {
            // An index that lacks one of its images is somebody else's affair.
            if let Ok(Some(manifest)) = self.fetch_manifest(&image.digest.to_string(), Right::Push)
            {
                self.learn_parts(&manifest);
            }
        }
    }

    /// Answers the manifests that it names, if it is an index.
    fn learn_parts(&self, manifest: &Manifest) -> Vec<Descriptor> {
        match manifest.parts() {
            Ok(Parts::Image { config, layers }) => {
                self.learn(layers.iter().chain([&*config]).map(|blob| blob.digest));
                Vec::new()
            }
            Ok(Parts::Index(index)) => index.manifests,
            // Whatever it is, it answers for nothing.
            Err(_) => Vec::new(),
        }
    }

    /// Whether the repository surely has the blob: one of its manifests names it.
    pub fn has(&self, digest: &Digest) -> bool {
        self.guess(digest) == Guess::There
    }

    pub(crate) fn guess(&self, digest: &Digest) -> Guess {
        let facts = lock(&self.known.0);
        if facts.named.contains(digest) {
            Guess::There
        } else if facts.new || !facts.named.is_empty() {
            Guess::Absent
        } else {
            Guess::Unknown
        }
    }

    /// Whether the repository is yet to be made.
    pub(crate) fn is_new(&self) -> bool {
        lock(&self.known.0).new
    }

    /// The registry lacked what should have been there: every blob is asked for.
    pub(crate) fn distrust(&self) {
        *lock(&self.known.0) = Facts::default();
        lock(&self.placed).clear();
    }

    /// A repository that has no such tag may be new, or may have the last deployment under another tag. Everything
    /// here only saves requests, so nothing fails.
    fn look_around(&self) -> Option<Seen> {
        let Some(tags) = self.some_tags().ok()? else {
            lock(&self.known.0).new = true;
            return None;
        };
        // Names of deployments end in a time or a number.
        let target = tags.into_iter().max_by_key(|tag| natural(tag))?;
        let manifest = self.fetch_manifest(&target, Right::Push).ok()??;
        Some(Seen { target, manifest })
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
