//! Whether an image is what it says, and whole.
//!
//! Each byte is read once: digest, diff ID, NAR hashes and names of store paths come from the same pass,
//! layers side by side. What is wrong is told, all of it, and not just the first.

mod closure;
mod documents;
mod layer;
mod tree;

use std::num::NonZeroUsize;

use super::contents::Contents;
use super::image::Image;
use super::signature::{Outcome, Signature, signature};
use super::{Error, parallel};
use crate::aci::check::Report;
use crate::closure::Store;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Of which kind, for machines.
    pub kind: &'static str,
    /// The blob, file or store path.
    pub place: String,
    /// What is wrong with it: got and expected.
    pub text: String,
}

impl Problem {
    pub(super) fn new(
        kind: &'static str,
        place: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self { kind, place: place.into(), text: text.into() }
    }
}

/// What to verify, and against what.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// How many layers are read at a time.
    pub threads: NonZeroUsize,
    /// A store whose database knows NAR hashes.
    pub store: Option<Store>,
    /// Whether it is asked about paths of which the image itself has the hash as well.
    pub insist: bool,
    /// Whether store paths may name others that are not in the image.
    pub allow_dangling: bool,
    /// Public keys, as `gpg --export` writes them: the image must be signed by one of them.
    pub keys: Option<Vec<u8>>,
}

/// What was verified, and with what result.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// What is wrong, in the order of the image's parts.
    pub problems: Vec<Problem>,
    /// Bytes of the blobs.
    pub packed: u64,
    /// Bytes of the tars.
    pub unpacked: u64,
    /// Files, links and directories.
    pub entries: usize,
    /// Store paths.
    pub paths: usize,
    /// Those whose NAR hash is the one that was expected.
    pub nars: usize,
    /// Those whose NAR hash nobody knows, or cannot be had in one pass.
    pub unknown: usize,
    /// What is no fault, and to be known all the same.
    pub notes: Vec<Problem>,
    /// The signature, if there is one.
    pub signature: Option<Signature>,
    /// Names of store paths that are not in the image, where that is no fault.
    pub dangling: Vec<String>,
}

/// Reads all of an image and tells what is wrong with it.
pub fn verify(image: &Image, options: &VerifyOptions) -> Result<Verified, Error> {
    let mut verified = Verified::default();
    if let Some(oci) = &image.oci {
        verified.problems.extend(documents::check(image, oci));
    }
    signed(image, options.keys.as_deref(), &mut verified);
    // What cannot be read is a finding, so that this never fails.
    let read = parallel(image, options.threads, |at| Ok(layer::check(image, at)))?;
    let mut layers: Vec<Contents> = Vec::new();
    let mut is_whole = true;
    for checked in read {
        verified.problems.extend(checked.problems);
        for finding in checked.aci.iter().flat_map(Report::errors) {
            verified.problems.push(Problem::new("aci", image.name.clone(), finding.to_string()));
        }
        verified.packed += checked.packed;
        verified.unpacked += checked.unpacked;
        verified.entries += checked.contents.items.len();
        is_whole &= checked.is_whole;
        layers.push(checked.contents);
    }
    let merged = tree::check(image, &layers, &mut verified);
    // Of layers that could not be read to their end, nobody knows what is missing.
    closure::check(image, &layers, &merged, options, is_whole, &mut verified);
    Ok(verified)
}

/// Checks the signature, if there is one or must be.
fn signed(image: &Image, keys: Option<&[u8]>, verified: &mut Verified) {
    let place = |found: &Signature| match &found.file {
        Some(file) => file.display().to_string(),
        None => image.name.clone(),
    };
    let found = signature(image, keys);
    let outcome = found.as_ref().map(Signature::outcome);
    let text = |found: &Signature| format!("its signature is {}", found.text());
    let problem = |found: &Signature| Problem::new("signature", place(found), text(found));
    match (&found, outcome) {
        (Some(found), Some(outcome)) if outcome.is_wrong() => {
            verified.problems.push(problem(found));
        }
        (_, Some(Outcome::Good)) => {}
        // Who named keys wants no less.
        (Some(found), Some(_)) if keys.is_some() => verified.problems.push(problem(found)),
        (Some(found), Some(_)) => verified.notes.push(problem(found)),
        (None, _) if keys.is_some() => {
            let text = "it has no signature that could be checked";
            verified.problems.push(Problem::new("signature", image.name.clone(), text));
        }
        _ => {}
    }
    verified.signature = found;
}

/// A file's name for a message.
fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
