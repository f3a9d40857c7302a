//! What is in a layer: its entries, and what can be found out about each store path on the way.

use std::collections::{BTreeMap, HashMap};

use layering::{StoreDir, StorePath};
use sha2::{Digest as _, Sha256};

use super::Error;
use super::image::{Image, Layer};
use super::mentions::{Hash, Mentions, Stores};
use super::nars::PathNar;
use super::places::in_store;
use super::spool::{Spool, Stored};
use super::stream::{Streamed, Wanted};
use super::whiteout::whiteout;
use crate::closure::NarHash;
use crate::untar::{Entry, Fault, Kind, Visitor};

/// The most entries of a layer that are kept in memory.
pub(super) const MAX_ENTRIES: usize = 5_000_000;
/// Files that are at least so large are compared with each other.
const COMPARED: u64 = 4096;
/// What to find out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Questions {
    /// Hashes of the store paths' NARs.
    pub(super) nars: bool,
    /// Which store paths are named in which.
    pub(super) mentions: bool,
    /// Hashes of files that are worth comparing.
    pub(super) files: bool,
}

/// What is in a layer.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Entries in their order.
    pub(super) items: Vec<Item>,
    /// What was found out about each store path.
    pub(super) paths: BTreeMap<StorePath, Found>,
    /// Store paths that the files outside the store name.
    pub(super) outside: BTreeMap<Hash, String>,
    /// The directory in which the store paths are.
    pub(super) store: Option<Vec<u8>>,
}

/// An entry, as far as it counts.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) path: Box<[u8]>,
    pub(super) what: What,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Directory,
    File {
        size: u64,
        executable: bool,
        hash: Option<[u8; 32]>,
    },
    Symlink(Box<[u8]>),
    HardLink(Box<[u8]>),
    Special(&'static str),
    /// The file or directory of this path in a layer below is gone.
    Whiteout,
    /// All that layers below have in the directory of this path is gone.
    Opaque,
}

/// What was found out about a store path.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Size and hash of its NAR; `None` if its files came in another order, or not whole.
    pub(super) nar: Option<(u64, NarHash)>,
    /// Store paths that it names, itself among them if it does.
    pub(super) mentions: BTreeMap<Hash, String>,
}

/// Reads a layer to its end. What is wrong with it is in the result's `read` and `entries`.
pub(super) fn read(
    image: &Image,
    layer: &Layer,
    questions: Questions,
    wanted: Wanted,
) -> Result<(Streamed<Error>, Contents), Error> {
    let stores = Stores::new(image.store_dir());
    // Files may turn out later to have other names in the same layer, whose NARs need the content.
    let spool = match questions.nars {
        true => Some(Spool::new().map_err(|source| Error::Blob { layer: layer.name(), source })?),
        false => None,
    };
    let mut reader = Reading {
        layer,
        questions,
        told: image.store_dir(),
        whiteouts: image.has_whiteouts(),
        stores: &stores,
        contents: Contents::default(),
        current: None,
        outside: Mentions::new(&stores),
        file: None,
        spool,
        files: HashMap::new(),
    };
    let streamed = image.stream(layer, wanted, &mut reader)?;
    reader.leave();
    reader.contents.outside = reader.outside.into_found();
    Ok((streamed, reader.contents))
}

struct Reading<'a> {
    layer: &'a Layer,
    questions: Questions,
    told: Option<&'a StoreDir>,
    whiteouts: bool,
    stores: &'a Stores,
    contents: Contents,
    current: Option<Current<'a>>,
    outside: Mentions<'a>,
    /// The file whose content is coming.
    file: Option<Coming>,
    spool: Option<Spool>,
    /// Where the content of each file is, for links to it.
    files: HashMap<Vec<u8>, Stored>,
}

/// The store path whose files are coming.
struct Current<'a> {
    path: StorePath,
    nar: Option<PathNar>,
    mentions: Mentions<'a>,
}

struct Coming {
    in_store: bool,
    size: u64,
    hasher: Option<Sha256>,
}

impl Reading<'_> {
    /// Ends the current store path.
    fn leave(&mut self) {
        let Some(Current { path, nar, mentions }) = self.current.take() else { return };
        let nar = nar.and_then(PathNar::finish);
        let nar = nar.map(|(size, hash)| (size, NarHash::from_bytes(hash)));
        let found = Found { nar, mentions: mentions.into_found() };
        match self.contents.paths.get_mut(&path) {
            None => drop(self.contents.paths.insert(path, found)),
            // It came in several pieces.
            Some(before) => {
                before.nar = None;
                before.mentions.extend(found.mentions);
            }
        }
    }

    /// Makes the store path the current one.
    fn enter(&mut self, store: &[u8], path: &[u8]) {
        if self.current.as_ref().is_some_and(|it| it.path.as_str().as_bytes() == path) {
            return;
        }
        self.leave();
        let parsed = std::str::from_utf8(path).ok().and_then(|text| text.parse().ok());
        let Some(parsed) = parsed else { return };
        self.contents.store.get_or_insert_with(|| store.to_vec());
        self.current = Some(Current {
            path: parsed,
            nar: self.questions.nars.then(PathNar::new),
            mentions: Mentions::new(self.stores),
        });
    }

    /// The current store path's NAR gets the next node, unless that cannot be.
    fn node(&mut self, inner: &[u8], entry: &Entry) -> Result<(), Error> {
        let Some(Current { nar: slot, .. }) = &mut self.current else { return Ok(()) };
        let Some(nar) = slot else { return Ok(()) };
        let executable = entry.mode & 0o100 != 0;
        let told = match &entry.kind {
            Kind::Directory => nar.directory(inner),
            Kind::File { size } => nar.file(inner, executable, *size),
            Kind::Symlink { target } => nar.symlink(inner, target),
            Kind::HardLink { target } => {
                let link = self.files.get(target).copied();
                match (link, &mut self.spool) {
                    (Some(stored), Some(spool)) => {
                        let failed = |source| Error::Blob { layer: self.layer.name(), source };
                        let told = nar.file(inner, stored.executable, stored.size);
                        self.files.insert(entry.path.clone(), stored);
                        if told.is_ok() {
                            let tell = |bytes: &[u8]| nar.content(bytes);
                            spool.read(stored, tell).map_err(failed)?;
                            nar.end_file(stored.size);
                        }
                        told
                    }
                    _ => Err(super::nars::NoNar),
                }
            }
            _ => Err(super::nars::NoNar),
        };
        if told.is_err() {
            *slot = None;
        }
        Ok(())
    }

    fn mention(&mut self, in_store: bool, bytes: &[u8]) {
        if !self.questions.mentions {
            return;
        }
        match &mut self.current {
            Some(current) if in_store => current.mentions.feed(bytes),
            _ => self.outside.feed(bytes),
        }
    }

    fn cut(&mut self, in_store: bool) {
        match &mut self.current {
            Some(current) if in_store => current.mentions.cut(),
            _ => self.outside.cut(),
        }
    }
}

impl Visitor for Reading<'_> {
    type Error = Error;

    fn entry(&mut self, entry: &Entry) -> Result<(), Error> {
        if self.contents.items.len() >= MAX_ENTRIES {
            return Err(Error::TooMany { layer: self.layer.name(), limit: MAX_ENTRIES });
        }
        let order = if self.whiteouts { whiteout(&entry.path) } else { None };
        let is_order = order.is_some();
        let place = if is_order { None } else { in_store(&entry.path, self.told) };
        match &place {
            Some(place) => {
                self.enter(place.store, place.path);
                self.node(place.inner, entry)?;
            }
            None => self.leave(),
        }
        let in_store = place.is_some();
        let executable = entry.mode & 0o100 != 0;
        let (path, what) = match order {
            Some(order) => order,
            None => (
                entry.path.clone(),
                match &entry.kind {
                    Kind::Directory => What::Directory,
                    Kind::File { size } => What::File { size: *size, executable, hash: None },
                    Kind::Symlink { target } => {
                        self.mention(in_store, target);
                        self.cut(in_store);
                        What::Symlink(target.clone().into())
                    }
                    Kind::HardLink { target } => What::HardLink(target.clone().into()),
                    other => What::Special(other.name()),
                },
            ),
        };
        if let Kind::File { size } = entry.kind {
            let compared = self.questions.files && size >= COMPARED;
            self.file = Some(Coming { in_store, size, hasher: compared.then(Sha256::new) });
            if let Some(spool) = &mut self.spool {
                let offset = spool.position();
                self.files.insert(entry.path.clone(), Stored { offset, size, executable });
            }
        }
        self.contents.items.push(Item { path: path.into(), what });
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Some(hasher) = &mut file.hasher {
            hasher.update(bytes);
        }
        let in_store = file.in_store;
        if let Some(spool) = &mut self.spool {
            let failed = |source| Error::Blob { layer: self.layer.name(), source };
            spool.write(bytes).map_err(failed)?;
        }
        if let Some(Current { nar: Some(nar), .. }) = self.current.as_mut().filter(|_| in_store) {
            nar.content(bytes);
        }
        self.mention(in_store, bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some(Coming { in_store, size, hasher }) = self.file.take() else { return Ok(()) };
        if let Some(Current { nar: Some(nar), .. }) = self.current.as_mut().filter(|_| in_store) {
            nar.end_file(size);
        }
        self.cut(in_store);
        if let (Some(hasher), Some(item)) = (hasher, self.contents.items.last_mut())
            && let What::File { hash, .. } = &mut item.what
        {
            *hash = Some(hasher.finalize().into());
        }
        Ok(())
    }
}

impl From<Fault> for Error {
    fn from(source: Fault) -> Self {
        Self::Layer { layer: String::new(), source }
    }
}
