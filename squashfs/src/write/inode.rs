//! Inodes: what a node is, as it is stored. The extended form is taken where the basic one has no
//! room.

use super::Device;
use super::data::Stored;
use super::directory::Listing;
use crate::format::{DIRECTORY_EXTRA, NO_XATTRS, inode};

/// What all inodes have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) mode: u16,
    /// Indices in the table of owners and groups.
    pub(super) uid: u16,
    pub(super) gid: u16,
    pub(super) mtime: u32,
    pub(super) number: u32,
    /// The index of its set of extended attributes.
    pub(super) xattrs: u32,
}

/// What makes a kind of node.
pub(super) enum Body<'a> {
    Directory { listing: Listing, links: u32, above: u32 },
    File { size: u64, stored: &'a Stored, sizes: &'a [u32] },
    Symlink(&'a [u8]),
    BlockDevice(Device),
    CharacterDevice(Device),
    Fifo,
    Socket,
}

impl Body<'_> {
    /// Its type in directories.
    fn kind(&self) -> u16 {
        match self {
            Self::Directory { .. } => inode::DIRECTORY,
            Self::File { .. } => inode::FILE,
            Self::Symlink(_) => inode::SYMLINK,
            Self::BlockDevice(_) => inode::BLOCK_DEVICE,
            Self::CharacterDevice(_) => inode::CHARACTER_DEVICE,
            Self::Fifo => inode::FIFO,
            Self::Socket => inode::SOCKET,
        }
    }

    /// Whether it needs the extended form, attributes aside.
    fn is_large(&self) -> bool {
        match self {
            Self::Directory { listing, .. } => {
                listing.indexed > 0 || u16::try_from(listing.size + DIRECTORY_EXTRA).is_err()
            }
            Self::File { size, stored, .. } => {
                u32::try_from(*size).is_err()
                    || u32::try_from(stored.start).is_err()
                    || stored.sparse > 0
            }
            _ => false,
        }
    }
}

/// Appends an inode; answers its type in directories.
pub(super) fn encode(head: Head, body: &Body<'_>, bytes: &mut Vec<u8>) -> u16 {
    let extended = head.xattrs != NO_XATTRS || body.is_large();
    let kind = body.kind();
    let stored_kind = if extended { kind + inode::EXTENDED } else { kind };
    for field in [stored_kind, head.mode, head.uid, head.gid] {
        bytes.extend(field.to_le_bytes());
    }
    words(&[head.mtime, head.number], bytes);
    match body {
        Body::Directory { listing, links, above } => {
            let Listing { place, size, indexed, index } = listing;
            let size = size + DIRECTORY_EXTRA;
            match (extended, u16::try_from(size)) {
                (false, Ok(size)) => {
                    words(&[place.block, *links], bytes);
                    bytes.extend(size.to_le_bytes());
                    bytes.extend(place.offset.to_le_bytes());
                    words(&[*above], bytes);
                }
                _ => {
                    words(&[*links, size, place.block, *above], bytes);
                    bytes.extend(indexed.to_le_bytes());
                    bytes.extend(place.offset.to_le_bytes());
                    words(&[head.xattrs], bytes);
                    bytes.extend_from_slice(index);
                }
            }
        }
        Body::File { size, stored, sizes } => {
            let Stored { start, sparse, fragment, offset, .. } = **stored;
            match (extended, u32::try_from(start), u32::try_from(*size)) {
                (false, Ok(start), Ok(size)) => words(&[start, fragment, offset, size], bytes),
                _ => {
                    for field in [start, *size, sparse] {
                        bytes.extend(field.to_le_bytes());
                    }
                    words(&[1, fragment, offset, head.xattrs], bytes);
                }
            }
            words(sizes, bytes);
        }
        Body::Symlink(target) => {
            words(&[1, u32::try_from(target.len()).unwrap_or_default()], bytes);
            bytes.extend_from_slice(target);
            attributes(extended, head, bytes);
        }
        Body::BlockDevice(device) | Body::CharacterDevice(device) => {
            words(&[1, device.encode().unwrap_or_default()], bytes);
            attributes(extended, head, bytes);
        }
        Body::Fifo | Body::Socket => {
            words(&[1], bytes);
            attributes(extended, head, bytes);
        }
    }
    kind
}

fn attributes(extended: bool, head: Head, bytes: &mut Vec<u8>) {
    if extended {
        words(&[head.xattrs], bytes);
    }
}

fn words(words: &[u32], bytes: &mut Vec<u8>) {
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}
