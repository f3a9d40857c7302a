//! The archive: one `manifest`, one `rootfs/`, and what is in that (appc spec, "App Container Image", "Image Layout").

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read};

use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};

use super::fields::Findings;
use super::packed::Opened;
use super::tar_reader::{Entry, Fault, Kind, TarReader};
use super::{Report, Severity, manifest};

/// As many bytes as registries let a whole manifest have.
const MAX_MANIFEST: u64 = 4 << 20;
/// More than a hundred times what a large desktop has.
const MAX_ENTRIES: u64 = 8_000_000;
/// Letters of a name that are shown.
const SHOWN: usize = 200;

/// Names, shortened to what tells them apart: the names themselves may be as many and as long as somebody likes.
type Key = [u8; 16];

fn key(name: &[u8]) -> Key {
    let hash = Sha256::digest(name);
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    key
}

pub(super) fn check(archive: impl Read) -> io::Result<Report> {
    let mut report = Report {
        packed: None,
        id: None,
        manifest: None,
        entries: 0,
        bytes: 0,
        findings: Vec::new(),
    };
    let mut findings = Findings::default();
    let mut source = Noting { inner: archive, failed: None };
    match Opened::open(&mut source)? {
        Err(got) => findings.wrong("archive", got, "a tar, plain or packed by gzip, bzip2 or xz"),
        Ok((packed, opened)) => {
            report.packed = Some(packed);
            let mut hash = Sha512::new();
            let hashing = Hashing { inner: opened, hash: &mut hash };
            let mut tree = Tree::default();
            let end = entries(hashing, &mut tree, &mut report, &mut findings);
            match end {
                Ok(()) => report.id = Some(<[u8; 64]>::from(hash.finalize()).into()),
                Err(Fault::Wrong { got, expected }) => {
                    findings.wrong(after(&tree), got, expected);
                }
                Err(Fault::Read(error)) if source.failed.is_none() => {
                    findings.wrong(after(&tree), format!("damaged: {error}"), "the rest of it");
                }
                Err(Fault::Read(error)) => return Err(error),
            }
            tree.finish(&mut findings);
        }
    }
    let of_manifest = report.manifest.as_ref().map(manifest::check).unwrap_or_default();
    report.findings = findings.into_inner();
    report.findings.extend(of_manifest);
    // The worst first, each kind in the order in which it was found.
    report.findings.sort_by_key(|finding| finding.severity != Severity::Error);
    Ok(report)
}

fn after(tree: &Tree) -> String {
    match &tree.last {
        None => "archive".into(),
        Some(name) => format!("archive, after {name}"),
    }
}

fn entries(
    archive: impl Read,
    tree: &mut Tree,
    report: &mut Report,
    findings: &mut Findings,
) -> Result<(), Fault> {
    let mut tar = TarReader::new(archive);
    while let Some(entry) = tar.next()? {
        report.entries += 1;
        if report.entries > MAX_ENTRIES {
            let expected = "8000000 at most";
            return Err(Fault::Wrong { got: "of more entries".into(), expected });
        }
        report.bytes = report.bytes.saturating_add(entry.size);
        if tree.add(&entry, findings) == Place::Manifest {
            report.manifest = read_manifest(&entry, &mut tar, findings)?;
        }
    }
    if tar.finish()? {
        findings.odd("archive", "something behind the end of the tar", "nothing");
    }
    Ok(())
}

fn read_manifest(
    entry: &Entry,
    tar: &mut TarReader<impl Read>,
    findings: &mut Findings,
) -> Result<Option<Value>, Fault> {
    if entry.size > MAX_MANIFEST {
        findings.wrong("manifest", format!("{} bytes", entry.size), "4 MiB at most");
        return Ok(None);
    }
    match serde_json::from_slice(&tar.read()?) {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            findings.wrong("manifest", format!("not JSON: {error}"), "a JSON object");
            Ok(None)
        }
    }
}

/// Where an entry belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Manifest,
    Elsewhere,
}

/// What was seen of the entries.
#[derive(Default)]
struct Tree {
    kinds: HashMap<Key, Kind>,
    manifest: bool,
    rootfs: bool,
    /// The last name, for messages.
    last: Option<String>,
}

impl Tree {
    fn add(&mut self, entry: &Entry, findings: &mut Findings) -> Place {
        let shown = shown(&entry.name);
        self.last = Some(format!("`{shown}`"));
        if let Kind::Other(letter) = entry.kind {
            let got = format!("an entry of type `{}`", letter.escape_ascii());
            findings.wrong(&*shown, got, "a file, directory, link, device or pipe");
        }
        let Some(name) = normal(&entry.name, &shown, findings) else {
            return Place::Elsewhere;
        };
        // The archive's own directory.
        if name.is_empty() {
            if entry.kind != Kind::Directory {
                findings.wrong(shown, "no directory", "a directory");
            }
            return Place::Elsewhere;
        }
        if self.kinds.insert(key(&name), entry.kind).is_some() {
            findings.wrong(&*shown, "there already", "each entry once");
            return Place::Elsewhere;
        }
        match &name[..] {
            b"manifest" if entry.kind == Kind::File => {
                self.manifest = true;
                return Place::Manifest;
            }
            b"manifest" => findings.wrong(shown, "no regular file", "a regular file"),
            b"rootfs" if entry.kind == Kind::Directory => self.rootfs = true,
            b"rootfs" => findings.wrong(shown, "no directory", "a directory"),
            _ if !name.starts_with(b"rootfs/") => {
                findings.wrong(shown, "beside `manifest` and `rootfs`", "nothing beside these");
            }
            _ => self.below_rootfs(&name, entry, &shown, findings),
        }
        Place::Elsewhere
    }

    fn below_rootfs(&self, name: &[u8], entry: &Entry, shown: &str, findings: &mut Findings) {
        let end = name.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        match self.kinds.get(&key(&name[..end])) {
            Some(Kind::Directory) => {}
            Some(_) => findings.wrong(shown, "within what is no directory", "within a directory"),
            None => {
                let expected = "an entry of its directory before it";
                findings.wrong(shown, "without its directory", expected);
            }
        }
        match entry.kind {
            Kind::HardLink => self.hard_link(entry, shown, findings),
            Kind::Symlink if entry.target.is_empty() => {
                findings.wrong(shown, "a link to nothing", "a link with a target");
            }
            Kind::Special => {
                findings.odd(shown, "a device or pipe", "files, directories and links");
            }
            _ => {}
        }
    }

    fn hard_link(&self, entry: &Entry, place: &str, findings: &mut Findings) {
        let target = entry.target.strip_prefix(b"./").unwrap_or(&entry.target);
        let found = self.kinds.get(&key(target));
        if !target.starts_with(b"rootfs/") || !matches!(found, Some(Kind::File | Kind::HardLink)) {
            let got = format!("a hard link to `{}`, which is no file before it", shown(target));
            findings.wrong(place, got, "a link to an earlier file, by its name from `rootfs/` on");
        }
    }

    fn finish(&self, findings: &mut Findings) {
        if !self.manifest && !self.kinds.contains_key(&key(b"manifest")) {
            findings.wrong("manifest", "not there", "an entry of this name");
        }
        if !self.rootfs && !self.kinds.contains_key(&key(b"rootfs")) {
            findings.wrong("rootfs", "not there", "a directory of this name");
        }
    }
}

/// The name without `./` in front and a slash behind; `None` if it leads elsewhere.
fn normal(name: &[u8], shown: &str, findings: &mut Findings) -> Option<Vec<u8>> {
    if name.starts_with(b"/") {
        findings.wrong(shown, "an absolute name", "a name within the archive");
        return None;
    }
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let mut parts = name.split(|&byte| byte == b'/').collect::<Vec<_>>();
    if parts.first() == Some(&&b"."[..]) {
        parts.remove(0);
    }
    if parts.iter().any(|part| part.is_empty() || *part == b"." || *part == b"..")
        || name.contains(&0)
    {
        findings.wrong(shown, "no plain name", "one without `.`, `..` and empty parts");
        return None;
    }
    Some(parts.join(&b'/'))
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(SHOWN)]).into_owned()
}

/// Remembers whether it was the source that failed, and not the unpacking of what it gave.
struct Noting<R> {
    inner: R,
    failed: Option<ErrorKind>,
}

impl<R: Read> Read for Noting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        if let Err(error) = &result
            && error.kind() != ErrorKind::Interrupted
        {
            self.failed = Some(error.kind());
        }
        result
    }
}

/// Hashes what is read.
struct Hashing<'a, R> {
    inner: R,
    hash: &'a mut Sha512,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
