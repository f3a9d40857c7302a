//! All files of an image, directories before what is in them.
//!
//! A damaged or hostile image can have directories within themselves, or the same ones in many places, which would make
//! a walk long or endless. Here each directory is visited once, and listings together may not be longer than the
//! directories' table could hold at best.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::directory::Listing;
use super::{Decompress, Error, Inode, InodeRef, Kind, MetadataCache, ReadAt, Reader};
use crate::format::METADATA_LEN;

/// The longest path in bytes. Linux takes 4095 at once.
const LONGEST_PATH: usize = 8192;

/// A file on the way.
#[derive(Debug)]
pub struct Visit<'w> {
    /// From the root, without leading or trailing slashes; empty for the root itself. No part is `.` or `..`.
    pub path: &'w [u8],
    /// The file.
    pub inode: Inode,
}

/// A walk over an image.
#[derive(Debug)]
pub struct Walk {
    /// The directories that we are in, and how long the path to each is.
    open: Vec<(Listing, usize)>,
    path: Vec<u8>,
    seen: BTreeSet<InodeRef>,
    /// How many bytes of listings may still come.
    budget: u64,
    begun: bool,
}

impl Walk {
    /// From the root.
    pub fn new<S: ReadAt, C: MetadataCache, D: Decompress>(reader: &Reader<'_, S, C, D>) -> Self {
        let superblock = reader.image().superblock();
        // A block takes three bytes at least.
        let blocks = (superblock.bytes_used - superblock.directory_table) / 3;
        Self {
            open: Vec::new(),
            path: Vec::new(),
            seen: BTreeSet::new(),
            budget: blocks.saturating_mul(METADATA_LEN as u64),
            begun: false,
        }
    }

    /// The next file, if there is one.
    pub fn next<S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
    ) -> Result<Option<Visit<'_>>, Error> {
        if !self.begun {
            self.begun = true;
            let inode = reader.root()?;
            self.enter(reader, &inode)?;
            return Ok(Some(Visit { path: &self.path, inode }));
        }
        loop {
            let Some((listing, parent)) = self.open.last_mut() else { return Ok(None) };
            self.path.truncate(*parent);
            let Some(entry) = listing.next(reader)? else {
                self.open.pop();
                continue;
            };
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(entry.name);
            if self.path.len() > LONGEST_PATH {
                let position = reader.image().superblock().directory_table;
                return Err(Error::corrupt("directories lie too deep in each other", position));
            }
            let (reference, file_type) = (entry.inode, entry.file_type);
            let inode = reader.inode(reference)?;
            if inode.file_type() != file_type {
                let position = reader.image().superblock().directory_table;
                let what = "a directory says otherwise what a file is than its inode";
                return Err(Error::corrupt(what, position));
            }
            if let Kind::Directory(_) = inode.kind {
                self.enter(reader, &inode)?;
            }
            return Ok(Some(Visit { path: &self.path, inode }));
        }
    }

    fn enter<S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
        inode: &Inode,
    ) -> Result<(), Error> {
        let position = reader.image().superblock().directory_table;
        let Kind::Directory(directory) = inode.kind else { return Err(Error::NotADirectory) };
        let listing = reader.list(inode, 0)?;
        if !self.seen.insert(inode.reference) {
            return Err(Error::corrupt("a directory is in two places", position));
        }
        let long = Error::corrupt("the directories are longer than their table", position);
        self.budget = self.budget.checked_sub(directory.len.into()).ok_or(long)?;
        self.open.push((listing, self.path.len()));
        Ok(())
    }
}
