//! FUSE's protocol as bytes, in the machine's order (`linux/fuse.h`).

use alloc::vec::Vec;

use rustix::ioctl::Opcode;

/// Operations that are answered; others are not implemented.
pub(super) mod operation {
    pub(in super::super) const LOOKUP: u32 = 1;
    pub(in super::super) const FORGET: u32 = 2;
    pub(in super::super) const GETATTR: u32 = 3;
    pub(in super::super) const READLINK: u32 = 5;
    pub(in super::super) const OPEN: u32 = 14;
    pub(in super::super) const READ: u32 = 15;
    pub(in super::super) const STATFS: u32 = 17;
    pub(in super::super) const GETXATTR: u32 = 22;
    pub(in super::super) const LISTXATTR: u32 = 23;
    pub(in super::super) const INIT: u32 = 26;
    pub(in super::super) const OPENDIR: u32 = 27;
    pub(in super::super) const READDIR: u32 = 28;
    pub(in super::super) const DESTROY: u32 = 38;
    pub(in super::super) const BATCH_FORGET: u32 = 42;
    pub(in super::super) const READDIRPLUS: u32 = 44;
}

/// What kernel and server can agree on.
pub(super) mod flag {
    /// Several reads of a file at once.
    pub(in super::super) const ASYNC_READ: u32 = 1 << 0;
    /// Listings with attributes.
    pub(in super::super) const READDIRPLUS: u32 = 1 << 13;
    /// Only where attributes are asked for too.
    pub(in super::super) const READDIRPLUS_AUTO: u32 = 1 << 14;
    /// Lookups and listings of a directory at once.
    pub(in super::super) const PARALLEL_DIROPS: u32 = 1 << 18;
    /// Requests of more than 128 KiB.
    pub(in super::super) const MAX_PAGES: u32 = 1 << 22;
    /// Targets of links stay in the kernel's cache.
    pub(in super::super) const CACHE_SYMLINKS: u32 = 1 << 23;
    /// Directories need not be opened.
    pub(in super::super) const NO_OPENDIR: u32 = 1 << 24;
    /// Data stays in the kernel's cache until we say otherwise.
    pub(in super::super) const EXPLICIT_INVALIDATION: u32 = 1 << 25;

    /// What we want of it.
    pub(in super::super) const WANTED: u32 = ASYNC_READ
        | READDIRPLUS
        | READDIRPLUS_AUTO
        | PARALLEL_DIROPS
        | MAX_PAGES
        | CACHE_SYMLINKS
        | NO_OPENDIR
        | EXPLICIT_INVALIDATION;
}

/// `FUSE_DEV_IOC_CLONE`: another descriptor with a queue of its own.
pub(super) const CLONE: Opcode = rustix::ioctl::opcode::read::<u32>(229, 0);

/// Not implemented (`ENOSYS`, `asm-generic/errno.h`); the kernel does not ask again.
pub(super) const NO_SYSTEM_CALL: i32 = 38;

/// The node of the root; the kernel knows it without asking.
pub(super) const ROOT: u64 = 1;

/// The longest read that is asked for, in bytes.
pub(super) const MAX_READ: usize = 1 << 20;

/// Room for a request. Nothing is written here, so that a name and its frame are the longest; the kernel insists on
/// twice 4 KiB.
pub(super) const REQUEST: usize = 16 << 10;

/// How long names and attributes are valid, in seconds: a year.
const VALID: u64 = 365 * 24 * 60 * 60;

/// What the kernel asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) operation: u32,
    /// Its number, which the answer must have.
    pub(super) unique: u64,
    /// What it is about.
    pub(super) node: u64,
    /// What depends on the operation.
    pub(super) body: &'a [u8],
}

impl<'a> Request<'a> {
    const HEADER: usize = 40;

    /// `None` if there is no whole header.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, body) = bytes.split_at_checked(Self::HEADER)?;
        let header = Self { operation: 0, unique: 0, node: 0, body: header };
        Some(Self { operation: header.u32(4), unique: header.u64(8), node: header.u64(16), body })
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.body.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    /// The number at a place of the body; 0 if it is too short, as it would be for an older kernel.
    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.array(at))
    }

    /// As [`Self::u32`].
    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.array(at))
    }

    /// The name that begins at a place of the body and ends with a zero byte.
    pub(super) fn name(&self, at: usize) -> &'a [u8] {
        let rest = self.body.get(at..).unwrap_or(&[]);
        rest.split(|&byte| byte == 0).next().unwrap_or(rest)
    }
}

/// `FUSE_NOTIFY_STORE`, in the place of an answer's error number and with no request's number: content that the kernel
/// has not asked for.
pub(super) const STORE: i32 = 4;

/// The header of an answer: its length with the header, an error number below zero, and the request's number.
pub(super) fn header(unique: u64, error: i32, body: usize) -> [u8; 16] {
    let mut header = [0; 16];
    let len = u32::try_from(16 + body).unwrap_or(u32::MAX);
    header[..4].copy_from_slice(&len.to_ne_bytes());
    header[4..8].copy_from_slice(&error.to_ne_bytes());
    header[8..].copy_from_slice(&unique.to_ne_bytes());
    header
}

/// What `stat` tells of a file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes {
    pub(super) number: u64,
    pub(super) size: u64,
    pub(super) mtime: u64,
    /// With the kind of the file.
    pub(super) mode: u32,
    pub(super) links: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) device: u32,
    pub(super) block_size: u32,
}

/// Appends numbers to an answer.
pub(super) trait Put {
    fn put_u16(&mut self, value: u16);
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);

    /// `struct fuse_attr`.
    fn put_attributes(&mut self, file: &Attributes) {
        for value in [file.number, file.size, file.size.div_ceil(512)] {
            self.put_u64(value);
        }
        // Read, changed, and changed in its attributes at the same time; then the same in nanoseconds.
        for value in [file.mtime; 3] {
            self.put_u64(value);
        }
        for value in [0, 0, 0, file.mode, file.links, file.uid, file.gid, file.device] {
            self.put_u32(value);
        }
        self.put_u32(file.block_size);
        self.put_u32(0);
    }

    /// `struct fuse_attr_out`.
    fn put_attributes_answer(&mut self, file: &Attributes) {
        self.put_u64(VALID);
        self.put_u64(0);
        self.put_attributes(file);
    }

    /// `struct fuse_entry_out`. Node 0 means that there is nothing of that name.
    fn put_entry(&mut self, node: u64, file: &Attributes) {
        for value in [node, 0, VALID, VALID, 0] {
            self.put_u64(value);
        }
        self.put_attributes(file);
    }

    /// `struct fuse_init_out`, for what the kernel has offered.
    fn put_init(&mut self, minor: u32, readahead: u32, offered: u32) {
        /// What we speak; whoever speaks less is spoken to so.
        const MINOR: u32 = 31;
        self.put_u32(7);
        self.put_u32(minor.min(MINOR));
        self.put_u32(readahead);
        self.put_u32(offered & flag::WANTED);
        // Requests that nobody waits for: so many at once, and so many before the device is said to be busy.
        self.put_u16(64);
        self.put_u16(48);
        // The longest write, the precision of times, the longest read in pages, and what has no meaning here.
        self.put_u32(4096);
        self.put_u32(1);
        self.put_u16(256);
        self.put_u16(0);
        for _ in 0..8 {
            self.put_u32(0);
        }
    }
}

impl Put for Vec<u8> {
    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_ne_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_ne_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_ne_bytes());
    }
}
