//! The entries of an archive as a tree: each once, in its directory, links to what is there.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::fields::Findings;
use crate::untar::Raw;

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

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    /// Devices and pipes.
    Special,
    /// What only some readers know, by its letter.
    Other(u8),
}

/// An entry, as far as it counts.
pub(super) struct Entry<'a> {
    name: &'a [u8],
    kind: Kind,
    /// What a link leads to.
    target: &'a [u8],
}

impl<'a> Entry<'a> {
    pub(super) fn of(raw: &'a Raw) -> Self {
        let (name, target) = (&raw.header.name[..], &raw.header.link[..]);
        let kind = match raw.header.kind {
            // As old tars write directories.
            b'0' | 0 if name.ends_with(b"/") => Kind::Directory,
            b'0' | b'7' | 0 if raw.sparse => Kind::Other(b'S'),
            b'0' | b'7' | 0 => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' | b'4' | b'6' => Kind::Special,
            b'5' => Kind::Directory,
            other => Kind::Other(other),
        };
        Self { name, kind, target }
    }
}

/// Where an entry belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Manifest,
    Elsewhere,
}

/// What was seen of the entries.
#[derive(Default)]
pub(super) struct Tree {
    kinds: HashMap<Key, Kind>,
    manifest: bool,
    rootfs: bool,
    /// The last name, for messages.
    last: Option<String>,
}

impl Tree {
    /// Takes the next entry, and says where it belongs.
    pub(super) fn add(&mut self, entry: &Entry<'_>, findings: &mut Findings) -> Place {
        let shown = shown(entry.name);
        self.last = Some(format!("`{shown}`"));
        if let Kind::Other(letter) = entry.kind {
            let got = format!("an entry of type `{}`", letter.escape_ascii());
            findings.wrong(&*shown, got, "a file, directory, link, device or pipe");
        }
        let Some(name) = normal(entry.name, &shown, findings) else {
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

    /// Where it ended, for messages.
    pub(super) fn end(&self) -> String {
        match &self.last {
            None => "archive".into(),
            Some(name) => format!("archive, after {name}"),
        }
    }

    fn below_rootfs(&self, name: &[u8], entry: &Entry<'_>, shown: &str, findings: &mut Findings) {
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

    fn hard_link(&self, entry: &Entry<'_>, place: &str, findings: &mut Findings) {
        let target = entry.target.strip_prefix(b"./").unwrap_or(entry.target);
        let found = self.kinds.get(&key(target));
        if !target.starts_with(b"rootfs/") || !matches!(found, Some(Kind::File | Kind::HardLink)) {
            let got = format!("a hard link to `{}`, which is no file before it", shown(target));
            findings.wrong(place, got, "a link to an earlier file, by its name from `rootfs/` on");
        }
    }

    /// What had to be there, and was not.
    pub(super) fn finish(&self, findings: &mut Findings) {
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
