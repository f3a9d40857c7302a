//! What reader and writer agree on: the numbers of SquashFS 4.0 and its superblock.
//!
//! All numbers are little-endian. The layout is described in the kernel's
//! `Documentation/filesystems/squashfs.rst` and `fs/squashfs/squashfs_fs.h`.

/// The first four bytes of an image, `hsqs`.
pub const MAGIC: u32 = 0x7371_7368;

/// Length of the superblock.
pub const SUPERBLOCK_LEN: usize = 96;

/// What a metadata block holds before compression, at most.
pub const METADATA_LEN: usize = 8192;

/// In the header of a metadata block, whose other bits are its length: it is stored as it is.
pub const METADATA_PLAIN: u16 = 1 << 15;

/// In the size of a data block or fragment, whose lower bits are its length: it is stored as it is.
pub const BLOCK_PLAIN: u32 = 1 << 24;

/// The number of a fragment, for a file that has no part in any.
pub const NO_FRAGMENT: u32 = u32::MAX;

/// The index of a set of extended attributes, for a node that has none.
pub const NO_XATTRS: u32 = u32::MAX;

/// Where a table starts that is not there.
pub const NO_TABLE: u64 = u64::MAX;

/// Data blocks are this large at least.
pub const MIN_BLOCK: u32 = 4096;

/// Data blocks are this large at most.
pub const MAX_BLOCK: u32 = 1 << 20;

/// A name in a directory has at most so many bytes.
pub const MAX_NAME: usize = 256;

/// Entries that can follow one directory header.
pub const HEADER_ENTRIES: usize = 256;

/// What a directory's size is larger than its listing: room for `.` and `..`, which are not stored.
pub const DIRECTORY_EXTRA: u32 = 3;

/// An image's length is a multiple of this, for the sake of loop devices.
pub const PADDING: u64 = 4096;

/// Bits in the superblock's flags.
pub mod flags {
    /// Inodes (and directories) are not compressed.
    pub const PLAIN_INODES: u16 = 0x1;
    /// Data blocks are not compressed.
    pub const PLAIN_DATA: u16 = 0x2;
    /// Fragments are not compressed.
    pub const PLAIN_FRAGMENTS: u16 = 0x8;
    /// There are no fragments.
    pub const NO_FRAGMENTS: u16 = 0x10;
    /// Ends of files go to fragments even if the file is larger than a block.
    pub const ALWAYS_FRAGMENTS: u16 = 0x20;
    /// Files that are the same were stored once.
    pub const DUPLICATES: u16 = 0x40;
    /// There is a table from inode numbers to inodes, as NFS needs it.
    pub const EXPORTABLE: u16 = 0x80;
    /// Extended attributes are not compressed.
    pub const PLAIN_XATTRS: u16 = 0x100;
    /// There are no extended attributes.
    pub const NO_XATTRS: u16 = 0x200;
    /// A metadata block with the compressor's options follows the superblock.
    pub const COMPRESSOR_OPTIONS: u16 = 0x400;
    /// The table of owners is not compressed.
    pub const PLAIN_IDS: u16 = 0x800;
}

/// Types of inodes, as directories name them. An extended inode has [`EXTENDED`](inode::EXTENDED)
/// added.
pub mod inode {
    /// A directory.
    pub const DIRECTORY: u16 = 1;
    /// A regular file.
    pub const FILE: u16 = 2;
    /// A symbolic link.
    pub const SYMLINK: u16 = 3;
    /// A block device.
    pub const BLOCK_DEVICE: u16 = 4;
    /// A character device.
    pub const CHARACTER_DEVICE: u16 = 5;
    /// A named pipe.
    pub const FIFO: u16 = 6;
    /// A socket.
    pub const SOCKET: u16 = 7;
    /// What the type of an extended inode is larger than that of a basic one.
    pub const EXTENDED: u16 = 7;
}

/// Namespaces of extended attributes, which are stored as numbers.
pub mod xattr {
    /// Prefixes of names by their number.
    pub const PREFIXES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
    /// In the type of an attribute: its value is that of another one, to which a reference stands
    /// in its place.
    pub const ELSEWHERE: u16 = 0x100;
}

/// How blocks are compressed; the numbers are those of the superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Compressor {
    /// zlib streams (RFC 1950).
    Gzip = 1,
    /// Zstandard frames (RFC 8878).
    Zstd = 6,
}

/// The first bytes of an image. Places are counted from its first byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Superblock {
    /// How many inodes there are.
    pub inodes: u32,
    /// When the image was made, in seconds since 1970.
    pub made: u32,
    /// Bytes in a data block.
    pub block_size: u32,
    /// How many fragments there are.
    pub fragments: u32,
    /// The number of a [`Compressor`], or of one that we do not know.
    pub compressor: u16,
    /// See [`flags`].
    pub flags: u16,
    /// How many owners and groups there are.
    pub ids: u16,
    /// Where the root's inode is: its metadata block in the inode table, and its place in that.
    pub root: u64,
    /// The length of the image without padding.
    pub bytes_used: u64,
    /// Where the table of owners and groups is.
    pub id_table: u64,
    /// Where the table of extended attributes is, or [`NO_TABLE`].
    pub xattr_table: u64,
    /// Where inodes start.
    pub inode_table: u64,
    /// Where directories start.
    pub directory_table: u64,
    /// Where the table of fragments is, or [`NO_TABLE`].
    pub fragment_table: u64,
    /// Where the table of inode numbers is, or [`NO_TABLE`].
    pub export_table: u64,
}

impl Superblock {
    /// As it is stored: magic, version 4.0 and the rest.
    pub fn encode(&self) -> [u8; SUPERBLOCK_LEN] {
        let block_log = u16::try_from(self.block_size.trailing_zeros()).unwrap_or_default();
        let mut bytes = [0; SUPERBLOCK_LEN];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        for field in [MAGIC, self.inodes, self.made, self.block_size, self.fragments] {
            put(&field.to_le_bytes());
        }
        for field in [self.compressor, block_log, self.flags, self.ids, 4, 0] {
            put(&field.to_le_bytes());
        }
        for field in [
            self.root,
            self.bytes_used,
            self.id_table,
            self.xattr_table,
            self.inode_table,
            self.directory_table,
            self.fragment_table,
            self.export_table,
        ] {
            put(&field.to_le_bytes());
        }
        bytes
    }
}
