//! The superblock: an image's first 96 bytes (`struct squashfs_super_block` of the kernel).

use super::{Error, InodeRef};
use crate::format::{Compressor, MAGIC, MAX_BLOCK, MIN_BLOCK, NO_TABLE, SUPERBLOCK_LEN};

/// What the image's first 96 bytes say. Positions are bytes from the image's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// How many inodes there are.
    pub inodes: u32,
    /// When the image was made, in seconds since 1970.
    pub made: u32,
    /// Bytes in a data block: a power of two from 4 KiB to 1 MiB.
    pub block_size: u32,
    /// How many fragment blocks there are.
    pub fragments: u32,
    /// How blocks are compressed.
    pub compressor: Compressor,
    /// How the image was made: [`flags`](crate::format::flags), none of which matters for reading.
    pub flags: u16,
    /// How many owners and groups there are.
    pub ids: u16,
    /// The root directory's inode.
    pub root: InodeRef,
    /// The image's length in bytes, without padding after it.
    pub bytes_used: u64,
    /// The owners' table.
    pub id_table: u64,
    /// The extended attributes' table.
    pub xattr_table: Option<u64>,
    /// The inodes.
    pub inode_table: u64,
    /// The directories' listings.
    pub directory_table: u64,
    /// The fragments' table; there is one if `fragments` is not 0.
    pub fragment_table: u64,
    /// From inode numbers to inodes, in images that can be exported by NFS.
    pub export_table: Option<u64>,
}

impl Superblock {
    /// Of an image's first bytes.
    pub fn parse(bytes: &[u8; SUPERBLOCK_LEN]) -> Result<Self, Error> {
        let mut fields = Fields(bytes);
        let found = fields.u32();
        if found != MAGIC {
            return Err(Error::NotSquashfs { found });
        }
        let (inodes, made, block_size, fragments) =
            (fields.u32(), fields.u32(), fields.u32(), fields.u32());
        let (compressor, block_log, flags) = (fields.u16(), fields.u16(), fields.u16());
        let (ids, major, minor) = (fields.u16(), fields.u16(), fields.u16());
        if (major, minor) != (4, 0) {
            return Err(Error::Version { major, minor });
        }
        let compressor = match compressor {
            1 => Compressor::Gzip,
            6 => Compressor::Zstd,
            other => return Err(Error::Compressor(other)),
        };
        if !(MIN_BLOCK..=MAX_BLOCK).contains(&block_size) || block_size != 1 << block_log.min(31) {
            return Err(Error::corrupt(
                "the block size is no power of two from 4 KiB to 1 MiB",
                12,
            ));
        }
        let (root, bytes_used) = (InodeRef(fields.u64()), fields.u64());
        let (id_table, xattr_table) = (fields.u64(), fields.u64());
        let (inode_table, directory_table) = (fields.u64(), fields.u64());
        let (fragment_table, export_table) = (fields.u64(), fields.u64());
        let superblock = Self {
            inodes,
            made,
            block_size,
            fragments,
            compressor,
            flags,
            ids,
            root,
            bytes_used,
            id_table,
            xattr_table: (xattr_table != NO_TABLE).then_some(xattr_table),
            inode_table,
            directory_table,
            fragment_table,
            export_table: (export_table != NO_TABLE).then_some(export_table),
        };
        superblock.check()?;
        Ok(superblock)
    }

    /// That tables are within the image, and inodes before directories.
    fn check(&self) -> Result<(), Error> {
        let within = |table: u64| table >= SUPERBLOCK_LEN as u64 && table < self.bytes_used;
        if self.bytes_used < SUPERBLOCK_LEN as u64 || i64::try_from(self.bytes_used).is_err() {
            return Err(Error::corrupt("the image's length makes no sense", 40));
        }
        if self.ids == 0 || !within(self.id_table) {
            return Err(Error::corrupt("the owners' table is outside of the image", 48));
        }
        if !within(self.inode_table) || self.inode_table >= self.directory_table {
            return Err(Error::corrupt("the inode table is outside of its place", 64));
        }
        // A listing of an empty root needs no byte, so that the table may be as long as nothing.
        if self.directory_table > self.bytes_used {
            return Err(Error::corrupt("the directory table is outside of the image", 72));
        }
        if self.fragments > 0 && !within(self.fragment_table) {
            return Err(Error::corrupt("the fragment table is outside of the image", 80));
        }
        if self.xattr_table.is_some_and(|table| !within(table)) {
            return Err(Error::corrupt("the xattr table is outside of the image", 56));
        }
        if self.export_table.is_some_and(|table| !within(table)) {
            return Err(Error::corrupt("the export table is outside of the image", 88));
        }
        Ok(())
    }
}

/// Little-endian numbers, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (first, rest) = self.0.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *first
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }
}
