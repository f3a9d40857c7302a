//! Whether an archive is an App Container Image, and what is wrong with it if not.
//!
//! Stricter than appc's own `actool validate`, which passes names that the specification forbids, entries without their
//! directories, links to nothing, and two mount points of one name. Nothing that passes here fails there. What is read may
//! be hostile: everything is bounded, and nothing is written anywhere.

mod app;
mod archive;
mod fields;
mod isolators;
mod manifest;
mod tree;

use std::fmt;
use std::io::{self, Read};

use serde_json::Value;

use super::image_id::ImageId;
use crate::untar::Packing;

pub(crate) use archive::{Checker, Proof};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Readers take it, but it is hardly meant so.
    Warning,
    /// It is against the specification, or readers refuse it.
    Error,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where: a field of the manifest, such as `app.ports[0].name`, or an entry of the archive.
    pub place: String,
    /// What is there.
    pub got: String,
    /// What may be there.
    pub expected: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, got, expected, .. } = self;
        write!(f, "`{place}` is {got}, expected {expected}")
    }
}

/// What was found out about an archive.
#[derive(Clone, Debug)]
pub struct Report {
    /// How the archive is compressed.
    pub packed: Packing,
    /// Its image ID, if it could be read to its end.
    pub id: Option<ImageId>,
    /// Its manifest, if it is JSON.
    pub manifest: Option<Value>,
    /// How many entries it has, `manifest` and `rootfs` among them.
    pub entries: u64,
    /// Bytes in its regular files, `manifest` among them.
    pub bytes: u64,
    /// What is wrong with it, in the order in which it was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong with it.
    pub fn is_valid(&self) -> bool {
        self.errors().next().is_none()
    }

    /// What is wrong, without warnings.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }
}

/// Checks an archive, compressed or not, to its end.
///
/// # Errors
/// Only if `archive` itself cannot be read. Whatever is wrong with what it has is in the report.
pub fn check(archive: impl Read + Send) -> io::Result<Report> {
    archive::check(archive)
}

/// Checks an image manifest that is JSON already; says what is wrong with it.
pub fn check_manifest(manifest: &Value) -> Vec<Finding> {
    manifest::check(manifest)
}
