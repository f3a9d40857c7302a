//! The archive: one `manifest`, one `rootfs/`, and what is in that (appc spec, "App Container Image", "Image Layout").

use std::io::{self, BufReader, Cursor, ErrorKind, Read};

use serde_json::Value;
use sha2::{Digest, Sha512};

use super::fields::Findings;
use super::tree::{Entry, Place, Tree};
use super::{Report, Severity, manifest};
use crate::aci::ImageId;
use crate::untar::{Fault, Packing, Parser, Raw, RawVisitor, pieces, unpacked};

/// As many bytes as registries let a whole manifest have.
const MAX_MANIFEST: u64 = 4 << 20;
/// More than a hundred times what a large desktop has.
const MAX_ENTRIES: u64 = 8_000_000;
/// Reads an archive to its end, packed or not.
pub(super) fn check(archive: impl Read + Send) -> io::Result<Report> {
    let mut source = Noting { inner: archive, failed: None };
    let (packing, head) = Packing::sniff(&mut source)?;
    let mut proof = Proof::default();
    let read = {
        let tar = unpacked(packing, Cursor::new(head).chain(&mut source))?;
        pieces(&mut BufReader::with_capacity(1 << 16, tar), |piece| {
            proof.update(piece);
            Ok(())
        })
    };
    match read {
        Err(Fault::Read(error)) if source.failed.is_some() => Err(error),
        Err(Fault::Read(error)) => Ok(proof.cut(packing, &error)),
        _ => Ok(proof.finish(packing).1),
    }
}

/// A tar on its way, hashed and checked as it comes.
#[derive(Default)]
pub(crate) struct Proof {
    hash: Sha512,
    parser: Parser,
    checker: Checker,
    /// Why the rest is not looked at any more.
    fault: Option<Fault>,
}

impl Proof {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        if self.fault.is_none() {
            self.fault = self.parser.feed(bytes, &mut self.checker).err();
        }
    }

    /// What it is known by, and what is wrong with it.
    pub(crate) fn finish(self, packing: Packing) -> (ImageId, Report) {
        let id = ImageId::from(<[u8; 64]>::from(self.hash.finalize()));
        let fault = self.fault.or_else(|| self.parser.finish().err());
        let whole = fault.is_none().then_some(id);
        (id, self.checker.finish(packing, whole, fault))
    }

    /// What is wrong with it apart from that there is no more.
    fn cut(self, packing: Packing, error: &io::Error) -> Report {
        let mut checker = self.checker;
        let place = checker.tree.end();
        checker.findings.wrong(place, format!("damaged: {error}"), "the rest of it");
        checker.finish(packing, None, self.fault)
    }
}

/// Entries as they stand, and what is wrong with them.
#[derive(Default)]
pub(crate) struct Checker {
    tree: Tree,
    findings: Findings,
    entries: u64,
    bytes: u64,
    /// The manifest's text, as far as it has come.
    text: Option<Vec<u8>>,
    manifest: Option<Value>,
    /// Whether its first header says that it is one, by which readers know a tar that is not packed.
    has_magic: bool,
}

impl RawVisitor for Checker {
    type Error = Fault;

    fn entry(&mut self, entry: Raw) -> Result<(), Fault> {
        if self.entries == 0 {
            self.has_magic = entry.header.has_magic;
        }
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            let (at, got) = (entry.at, "one more entry".into());
            return Err(Fault::Unexpected { at, got, expected: "8000000 at most" });
        }
        let size = entry.content().unwrap_or(0);
        self.bytes = self.bytes.saturating_add(size);
        if self.tree.add(&Entry::of(&entry), &mut self.findings) == Place::Manifest {
            if size > MAX_MANIFEST {
                self.findings.wrong("manifest", format!("{size} bytes"), "4 MiB at most");
            } else {
                self.text = Some(Vec::new());
            }
        }
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if let Some(text) = &mut self.text {
            text.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(text) = self.text.take() else { return Ok(()) };
        match serde_json::from_slice(&text) {
            Ok(value) => self.manifest = Some(value),
            Err(error) => {
                self.findings.wrong("manifest", format!("not JSON: {error}"), "a JSON object");
            }
        }
        Ok(())
    }

    fn behind(&mut self, _at: u64) -> Result<(), Fault> {
        self.findings.odd("archive", "something behind the end of the tar", "nothing");
        Ok(())
    }
}

impl Checker {
    /// What is wrong with all that was seen, with how it is packed (appc `aci/file.go`, `DetectFileType`), and with where
    /// it ended.
    pub(crate) fn finish(
        mut self,
        packing: Packing,
        id: Option<ImageId>,
        fault: Option<Fault>,
    ) -> Report {
        let got = match packing {
            Packing::Zstd => Some("compressed with zstd"),
            Packing::None if !self.has_magic => Some("something else"),
            _ => None,
        };
        if let Some(got) = got {
            let expected = "a tar, plain or packed by gzip, bzip2 or xz";
            self.findings.wrong("archive", got, expected);
        }
        match fault {
            None => {}
            Some(Fault::Unexpected { got, expected, .. }) => {
                self.findings.wrong(self.tree.end(), got, expected);
            }
            Some(fault) => {
                let got = format!("damaged: {fault}");
                self.findings.wrong(self.tree.end(), got, "a tar to its end");
            }
        }
        self.tree.finish(&mut self.findings);
        let of_manifest = self.manifest.as_ref().map(manifest::check).unwrap_or_default();
        let mut findings = self.findings.into_inner();
        findings.extend(of_manifest);
        // The worst first, each kind in the order in which it was found.
        findings.sort_by_key(|finding| finding.severity != Severity::Error);
        let Self { entries, bytes, manifest, .. } = self;
        Report { packed: packing, id, manifest, entries, bytes, findings }
    }
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
