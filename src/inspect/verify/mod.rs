//! Whether an image is what it says, and whole.
//!
//! Each byte is read once: digest, diff ID, NAR hashes and names of store paths come from the same pass,
//! layers side by side. What is wrong is told, all of it, and not just the first.

mod closure;
mod documents;
mod layer;
mod tree;

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;

use super::contents::Contents;
use super::image::{Format, Image};
use super::{Error, parallel};
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
    /// Names of store paths that are not in the image, where that is no fault.
    pub dangling: Vec<String>,
}

/// Reads all of an image and tells what is wrong with it.
pub fn verify(image: &Image, options: &VerifyOptions) -> Result<Verified, Error> {
    let mut verified = Verified::default();
    if let Some(oci) = &image.oci {
        verified.problems.extend(documents::check(image, oci));
    }
    if let Format::Aci { file } = &image.format {
        verified.problems.extend(aci(file));
    }
    if let Format::AppImage { file, .. } = &image.format
        && let Some(wrong) = super::facts::wrong_signature(file)
    {
        let place = file.display().to_string();
        verified.problems.push(Problem::new(
            "signature",
            place,
            format!("its signature is {wrong}"),
        ));
    }
    // What cannot be read is a finding, so that this never fails.
    let read = parallel(image, options.threads, |at| Ok(layer::check(image, at)))?;
    let mut layers: Vec<Contents> = Vec::new();
    let mut is_whole = true;
    for checked in read {
        verified.problems.extend(checked.problems);
        verified.packed += checked.packed;
        verified.unpacked += checked.unpacked;
        verified.entries += checked.contents.items.len();
        is_whole &= checked.is_whole;
        layers.push(checked.contents);
    }
    let (problems, merged) = tree::check(image, &layers);
    verified.problems.extend(problems);
    // Of layers that could not be read to their end, nobody knows what is missing.
    closure::check(image, &layers, &merged, options, is_whole, &mut verified);
    Ok(verified)
}

/// What is wrong with an App Container Image apart from its files.
fn aci(file: &Path) -> Vec<Problem> {
    let place = || file.display().to_string();
    match File::open(file).and_then(crate::aci::check) {
        Ok(report) => {
            report.errors().map(|it| Problem::new("aci", place(), it.to_string())).collect()
        }
        Err(error) => vec![Problem::new("aci", place(), chain(&error))],
    }
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
