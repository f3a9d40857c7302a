//! Directory listings: headers that say where inodes are, each followed by up to 256 entries, and for
//! large directories an index of headers, so that not all must be read to find a name.

use super::Error;
use super::metadata::{Metadata, Place};
use crate::format::{HEADER_ENTRIES, METADATA_LEN};

/// A name with the inode that it leads to.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    /// Where the inode is.
    pub(super) place: Place,
    pub(super) number: u32,
    /// Its type, never an extended one.
    pub(super) kind: u16,
}

/// A directory that was written.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) place: Place,
    /// Its length.
    pub(super) size: u32,
    /// How many headers the index has.
    pub(super) indexed: u16,
    /// The index, as it is stored in the inode.
    pub(super) index: Vec<u8>,
}

/// Writes a listing of `entries`, which are sorted by name.
pub(super) fn write(table: &mut Metadata, entries: &[Entry<'_>]) -> Result<Listing, Error> {
    let mut listing = Listing { place: table.place()?, size: 0, indexed: 0, index: Vec::new() };
    let too_large = || Error::too_many("bytes of names in a directory", i32::MAX.unsigned_abs());
    let mut rest = entries;
    let mut bytes = Vec::new();
    // How far into the listing the header is that was indexed last.
    let mut indexed = 0;
    while let Some(first) = rest.first() {
        if size(first) + HEADER_LEN + listing.size as usize - indexed > METADATA_LEN {
            indexed = listing.size as usize;
            let block = table.place()?.block;
            listing.index.extend(listing.size.to_le_bytes());
            listing.index.extend(block.to_le_bytes());
            listing.index.extend(u32::from(name_len(first)).to_le_bytes());
            listing.index.extend_from_slice(first.name);
            listing.indexed = listing.indexed.checked_add(1).ok_or_else(too_large)?;
        }
        let room = METADATA_LEN - HEADER_LEN - (listing.size as usize - indexed);
        let (now, later) = rest.split_at(together(rest, room));
        rest = later;
        bytes.clear();
        header(now, first, &mut bytes);
        table.write(&bytes)?;
        let length = u32::try_from(bytes.len()).map_err(|_| too_large())?;
        listing.size = listing
            .size
            .checked_add(length)
            .filter(|size| i32::try_from(*size).is_ok())
            .ok_or_else(too_large)?;
    }
    Ok(listing)
}

const HEADER_LEN: usize = 12;

/// Bytes of an entry.
fn size(entry: &Entry<'_>) -> usize {
    8 + entry.name.len()
}

/// Lengths are stored less one, as there are no empty names.
fn name_len(entry: &Entry<'_>) -> u16 {
    u16::try_from(entry.name.len().saturating_sub(1)).unwrap_or_default()
}

/// How far the number of an entry's inode is from that of the first.
fn delta(entry: &Entry<'_>, first: &Entry<'_>) -> Option<i16> {
    i16::try_from(i64::from(entry.number) - i64::from(first.number)).ok()
}

/// How many entries can share a header and are no more than `room` bytes: at least one.
fn together(entries: &[Entry<'_>], mut room: usize) -> usize {
    let first = &entries[0];
    let fits = |entry: &&Entry<'_>| {
        let left = room.checked_sub(size(entry));
        room = left.unwrap_or(0);
        left.is_some() && entry.place.block == first.place.block && delta(entry, first).is_some()
    };
    entries.iter().take(HEADER_ENTRIES).take_while(fits).count().max(1)
}

fn header(entries: &[Entry<'_>], first: &Entry<'_>, bytes: &mut Vec<u8>) {
    let more = u32::try_from(entries.len().saturating_sub(1)).unwrap_or_default();
    for field in [more, first.place.block, first.number] {
        bytes.extend(field.to_le_bytes());
    }
    for entry in entries {
        bytes.extend(entry.place.offset.to_le_bytes());
        bytes.extend(delta(entry, first).unwrap_or_default().to_le_bytes());
        bytes.extend(entry.kind.to_le_bytes());
        bytes.extend(name_len(entry).to_le_bytes());
        bytes.extend_from_slice(entry.name);
    }
}
