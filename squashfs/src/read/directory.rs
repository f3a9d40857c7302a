//! Directories: their listings, from any place of them, and looking a name up.
//!
//! A listing is a run of headers, each followed by up to 256 entries whose inodes are in the same metadata block. Long
//! listings have an index behind their inode: for some of the headers its first name and where it is.

use super::inode::{Directory, Type};
use super::metadata::{Cursor, Place};
use super::{Decompress, Error, Inode, InodeRef, Kind, MetadataCache, ReadAt, Reader};
use crate::format::{HEADER_ENTRIES, MAX_NAME, METADATA_LEN};

/// Room for how many of a header's entries were read, in a cookie.
const COOKIE_BITS: u32 = 9;

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The name: 1 to 256 bytes, neither `.` nor `..`, without slashes and zero bytes.
    pub name: &'a [u8],
    /// Where its inode is.
    pub inode: InodeRef,
    /// Its inode's number.
    pub number: u32,
    /// What it is.
    pub file_type: Type,
    /// From where [`Reader::list`] goes on with what follows.
    pub next: u64,
}

/// A directory's entries, one after the other.
#[derive(Debug)]
pub struct Listing {
    /// Nothing for an empty directory.
    cursor: Option<Cursor>,
    len: u32,
    /// How much of the listing was read.
    at: u32,
    header: Header,
    name: [u8; MAX_NAME],
}

/// What the entries behind it have in common.
#[derive(Debug, Default)]
struct Header {
    /// Where it is in the listing.
    at: u32,
    entries: u32,
    /// How many of its entries were read.
    read: u32,
    block: u32,
    number: u32,
}

/// What an entry has beside its name.
struct Parts {
    offset: u16,
    number: u32,
    file_type: Type,
    /// One less than it is.
    name_len: u16,
}

impl<S: ReadAt, C: MetadataCache, D: Decompress> Reader<'_, S, C, D> {
    /// A directory's entries from a cookie on, which is 0 or was said by an entry of it. `.` and `..` are not listed.
    pub fn list(&mut self, inode: &Inode, cookie: u64) -> Result<Listing, Error> {
        let Kind::Directory(directory) = &inode.kind else { return Err(Error::NotADirectory) };
        let header = u32::try_from(cookie >> COOKIE_BITS).unwrap_or(u32::MAX).min(directory.len);
        let read = cookie & ((1 << COOKIE_BITS) - 1);
        let mut listing = self.listing_near(directory, |_, at| at <= header)?;
        if let Some(cursor) = &mut listing.cursor {
            cursor.skip(self, u64::from(header - listing.at))?;
            listing.at = header;
        }
        for _ in 0..read {
            if listing.next(self)?.is_none() {
                break;
            }
        }
        Ok(listing)
    }

    /// The entry of this name.
    pub fn lookup(
        &mut self,
        inode: &Inode,
        name: &[u8],
    ) -> Result<Option<(InodeRef, Type)>, Error> {
        let Kind::Directory(directory) = &inode.kind else { return Err(Error::NotADirectory) };
        if name.len() > MAX_NAME {
            return Ok(None);
        }
        let mut listing = self.listing_near(directory, |first, _| first <= name)?;
        while let Some(entry) = listing.next(self)? {
            // Listings are sorted by bytes.
            if entry.name >= name {
                return Ok((entry.name == name).then_some((entry.inode, entry.file_type)));
            }
        }
        Ok(None)
    }

    /// The listing from the last header in the index of which `before` says so of name and place; else from its
    /// beginning.
    fn listing_near(
        &mut self,
        directory: &Directory,
        before: impl Fn(&[u8], u32) -> bool,
    ) -> Result<Listing, Error> {
        let mut listing = Listing {
            cursor: None,
            len: directory.len,
            at: 0,
            header: Header::default(),
            name: [0; MAX_NAME],
        };
        if directory.len == 0 {
            return Ok(listing);
        }
        let mut place = directory.place;
        if let Some((entries, index)) = directory.index {
            let mut index = self.cursor(index)?;
            for _ in 0..entries {
                let damaged = Error::corrupt("a directory's index is damaged", index.place().block);
                let at = u32::from_le_bytes(index.array(self)?);
                let block = u32::from_le_bytes(index.array(self)?);
                let len = u32::from_le_bytes(index.array(self)?);
                let len = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(1);
                let name = listing.name.get_mut(..len).ok_or(damaged)?;
                index.fill(self, name)?;
                if !before(name, at) {
                    break;
                }
                if at > directory.len {
                    return Err(damaged);
                }
                // All blocks but a table's last are full, so that this is the header's place in its block.
                let offset = (directory.place.offset + at as usize) % METADATA_LEN;
                place = Place {
                    block: self.image.superblock.directory_table + u64::from(block),
                    offset,
                };
                listing.at = at;
            }
        }
        listing.cursor = Some(self.cursor(place)?);
        Ok(listing)
    }
}

impl Listing {
    /// The next entry, if there is one.
    pub fn next<S: ReadAt, C: MetadataCache, D: Decompress>(
        &mut self,
        reader: &mut Reader<'_, S, C, D>,
    ) -> Result<Option<Entry<'_>>, Error> {
        let Some(cursor) = &mut self.cursor else { return Ok(None) };
        if self.header.read == self.header.entries {
            if self.at >= self.len {
                return Ok(None);
            }
            self.header = Header::read(cursor, reader, self.at)?;
            self.at = self.at.saturating_add(12);
        }
        let position = cursor.place().block;
        let parts = Parts::read(cursor, reader, self.header.number)?;
        let damaged = Error::corrupt("a directory has a name that cannot be one", position);
        let name = self.name.get_mut(..=usize::from(parts.name_len)).ok_or(damaged)?;
        cursor.fill(reader, name)?;
        // Whoever extracts an image relies on this: no name leads out of its directory.
        if name == b"." || name == b".." || name.iter().any(|&byte| byte == b'/' || byte == 0) {
            return Err(damaged);
        }
        self.header.read += 1;
        self.at = self.at.saturating_add(8 + u32::from(parts.name_len) + 1);
        if self.at > self.len {
            return Err(Error::corrupt("a directory's listing is longer than it says", position));
        }
        Ok(Some(Entry {
            name,
            inode: InodeRef(u64::from(self.header.block) << 16 | u64::from(parts.offset)),
            number: parts.number,
            file_type: parts.file_type,
            next: u64::from(self.header.at) << COOKIE_BITS | u64::from(self.header.read),
        }))
    }
}

impl Header {
    fn read<S: ReadAt, C: MetadataCache, D: Decompress>(
        cursor: &mut Cursor,
        reader: &mut Reader<'_, S, C, D>,
        at: u32,
    ) -> Result<Self, Error> {
        let position = cursor.place().block;
        let entries = u32::from_le_bytes(cursor.array(reader)?).saturating_add(1);
        if entries as usize > HEADER_ENTRIES {
            let what = "a directory has a header of more than 256 entries";
            return Err(Error::corrupt(what, position));
        }
        let block = u32::from_le_bytes(cursor.array(reader)?);
        let number = u32::from_le_bytes(cursor.array(reader)?);
        Ok(Self { at, entries, read: 0, block, number })
    }
}

impl Parts {
    fn read<S: ReadAt, C: MetadataCache, D: Decompress>(
        cursor: &mut Cursor,
        reader: &mut Reader<'_, S, C, D>,
        number: u32,
    ) -> Result<Self, Error> {
        let position = cursor.place().block;
        let [o0, o1, n0, n1, t0, t1, l0, l1] = cursor.array(reader)?;
        let kind = u16::from_le_bytes([t0, t1]);
        let unknown = Error::corrupt("a directory has an entry of no kind that there is", position);
        Ok(Self {
            offset: u16::from_le_bytes([o0, o1]),
            number: number.wrapping_add_signed(i16::from_le_bytes([n0, n1]).into()),
            file_type: Type::from_number(kind).ok_or(unknown)?,
            name_len: u16::from_le_bytes([l0, l1]),
        })
    }
}
