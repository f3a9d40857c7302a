//! One layer on top of those below: orders to remove, then what is new.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;

use super::super::contents::What;
use super::super::whiteout::{is_reserved, whiteout};
use super::meta::Meta;
use super::tree::{Tree, shown};
use super::{ExtractError, ExtractOptions, Extracted};
use crate::untar::{Entry, Kind, Visitor};

/// Writes the entries of a layer to a tree.
pub(super) struct Apply<'a> {
    tree: &'a mut Tree,
    extracted: &'a mut Extracted,
    options: ExtractOptions,
    whiteouts: bool,
    /// What this layer has brought: orders are about what is below, wherever in the layer they stand.
    own: HashSet<Vec<u8>>,
    /// The file whose content is coming.
    file: Option<(File, Vec<u8>, Meta)>,
}

impl<'a> Apply<'a> {
    pub(super) fn new(
        tree: &'a mut Tree,
        extracted: &'a mut Extracted,
        options: ExtractOptions,
        whiteouts: bool,
    ) -> Self {
        Self { tree, extracted, options, whiteouts, own: HashSet::new(), file: None }
    }

    fn order(&mut self, path: &[u8], what: &What) -> Result<(), ExtractError> {
        let own = &self.own;
        let keep = |path: &[u8]| own.contains(path);
        match what {
            What::Opaque => self.tree.clear(path, &keep),
            _ if keep(path) => Ok(()),
            _ => self.tree.remove(path),
        }
    }

    fn make(&mut self, entry: &Entry) -> Result<(), ExtractError> {
        let path = &entry.path[..];
        if entry.kind == Kind::Directory {
            self.tree.directory(path, Meta::of(entry))?;
        } else {
            if self.own.contains(path) {
                return Err(ExtractError::Twice { path: shown(path) });
            }
            match &entry.kind {
                Kind::File { size } => {
                    let bytes = self.extracted.bytes.saturating_add(*size);
                    if let Some(limit) = self.options.max_size.filter(|&limit| bytes > limit) {
                        return Err(ExtractError::TooLarge { limit });
                    }
                    self.extracted.bytes = bytes;
                    let file = self.tree.file(path)?;
                    self.file = Some((file, path.to_vec(), Meta::of(entry)));
                }
                Kind::Symlink { target } => {
                    self.tree.symlink(path, target, &Meta::of(entry), self.extracted)?;
                }
                Kind::HardLink { target } => self.tree.hard_link(path, target)?,
                Kind::Fifo => self.tree.fifo(path, &Meta::of(entry), self.extracted)?,
                Kind::CharacterDevice { .. } | Kind::BlockDevice { .. } | Kind::Socket => {
                    if !self.options.skip_devices {
                        let (path, got) = (shown(path), entry.kind.name());
                        return Err(ExtractError::Device { path, got });
                    }
                    self.extracted.devices += 1;
                    return Ok(());
                }
                Kind::Directory => {}
            }
        }
        self.extracted.entries += 1;
        // Directories above it belong to this layer as well, named or not.
        let mut above = path;
        while self.own.insert(above.to_vec()) {
            let slash = above.iter().rposition(|&byte| byte == b'/');
            above = slash.map_or(&above[..0], |slash| &above[..slash]);
        }
        Ok(())
    }
}

impl Visitor for Apply<'_> {
    type Error = ExtractError;

    fn entry(&mut self, entry: &Entry) -> Result<(), ExtractError> {
        if self.whiteouts {
            if let Some((path, what)) = whiteout(&entry.path) {
                return self.order(&path, &what);
            }
            if is_reserved(&entry.path) {
                return Ok(());
            }
        }
        self.make(entry)
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), ExtractError> {
        match &mut self.file {
            Some((file, path, _)) => file
                .write_all(bytes)
                .map_err(|source| ExtractError::Write { path: shown(path), source }),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), ExtractError> {
        match self.file.take() {
            Some((file, path, meta)) => self.tree.seal(&file, &path, &meta, self.extracted),
            None => Ok(()),
        }
    }
}
