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

/// How blocks are compressed; the numbers are those of the superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Compressor {
    /// zlib streams (RFC 1950).
    Gzip = 1,
    /// Zstandard frames (RFC 8878).
    Zstd = 6,
}
