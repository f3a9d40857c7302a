//! The files of an image that are below a directory of its archive, and an App Container Image as such, in one reading.

use std::io::{self, Read};

use super::stream::{Streamed, Wanted, stream};
use crate::aci::check::Checker;
use crate::untar::{Entry, Fault, Kind, Raw, RawVisitor, Visitor};

/// As [`stream`], for an App Container Image, of which all is told that is wrong with it as one.
pub(super) fn checked<V: RawVisitor>(
    blob: Box<dyn Read + Send>,
    wanted: Wanted,
    visitor: &mut V,
) -> io::Result<Streamed<V::Error>> {
    let mut both = Both { checker: Checker::default(), visitor, refused: None };
    let streamed = stream(blob, wanted, &mut both)?;
    let Streamed { packing, packed, unpacked, diff_id, image_id, read, entries, .. } = streamed;
    let Both { checker, refused, .. } = both;
    let id = image_id.filter(|_| entries.is_ok());
    // What is damaged is not to be judged.
    let aci = read.is_ok().then(|| checker.finish(packing, id, None));
    let entries = refused.map_or(entries.map_err(V::Error::from), Err);
    Ok(Streamed { packing, packed, unpacked, diff_id, image_id, read, entries, aci })
}

/// Shows an App Container Image to a visitor, until that one has enough, and to the checker of such images.
struct Both<'a, V: RawVisitor> {
    checker: Checker,
    visitor: &'a mut V,
    /// Why the visitor wants no more.
    refused: Option<V::Error>,
}

impl<V: RawVisitor> Both<'_, V> {
    fn show(&mut self, show: impl FnOnce(&mut V) -> Result<(), V::Error>) {
        if self.refused.is_none() {
            self.refused = show(self.visitor).err();
        }
    }
}

impl<V: RawVisitor> RawVisitor for Both<'_, V> {
    type Error = Fault;

    fn entry(&mut self, entry: Raw) -> Result<(), Fault> {
        self.show(|visitor| visitor.entry(entry.clone()));
        self.checker.entry(entry)
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.show(|visitor| visitor.content(bytes));
        self.checker.content(bytes)
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.show(V::end);
        self.checker.end()
    }

    fn behind(&mut self, at: u64) -> Result<(), Fault> {
        self.checker.behind(at)
    }
}

/// Passes on what is below a directory, by its path from there.
pub(super) struct Within<'a, V> {
    prefix: &'static [u8],
    inside: bool,
    visitor: &'a mut V,
}

impl<'a, V> Within<'a, V> {
    pub(super) fn new(prefix: &'static [u8], visitor: &'a mut V) -> Self {
        Self { prefix, inside: true, visitor }
    }

    fn strip<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        match path.strip_prefix(self.prefix)? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            rest if self.prefix.is_empty() => Some(rest),
            _ => None,
        }
    }
}

impl<V: Visitor> Visitor for Within<'_, V> {
    type Error = V::Error;

    fn entry(&mut self, entry: &Entry) -> Result<(), V::Error> {
        if self.prefix.is_empty() {
            return self.visitor.entry(entry);
        }
        let path = self.strip(&entry.path);
        self.inside = path.is_some();
        let Some(path) = path else { return Ok(()) };
        let mut entry = Entry { path: path.to_vec(), ..entry.clone() };
        if let Kind::HardLink { target } = &mut entry.kind {
            *target = self.strip(target).unwrap_or_default().to_vec();
        }
        self.visitor.entry(&entry)
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), V::Error> {
        if self.inside { self.visitor.content(bytes) } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), V::Error> {
        if self.inside { self.visitor.end() } else { Ok(()) }
    }
}
