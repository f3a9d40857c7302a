//! What an entry is apart from its content.

use rustix::fs::{Gid, Timespec, Timestamps, Uid};

use crate::untar::Entry;

/// Of a directory that no entry names.
pub(super) const UNNAMED: Meta = Meta { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: Vec::new() };
/// Bits that let a program run as its owner or group.
pub(super) const SET_ID: u32 = 0o6000;

/// What an entry is apart from its content.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime: u64,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Meta {
    pub(super) fn of(entry: &Entry) -> Self {
        let Entry { mode, uid, gid, mtime, xattrs, .. } = entry.clone();
        Self { mode, uid, gid, mtime, xattrs }
    }

    /// When it was written, for the kernel.
    pub(super) fn times(&self) -> Timestamps {
        let seconds = i64::try_from(self.mtime).unwrap_or(0);
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        Timestamps { last_access: time, last_modification: time }
    }

    /// Whose it is, if the kernel knows such numbers.
    pub(super) fn owner(&self) -> Option<(Uid, Gid)> {
        let id = |id: u64| u32::try_from(id).ok().filter(|&id| id != u32::MAX);
        Some((Uid::from_raw(id(self.uid)?), Gid::from_raw(id(self.gid)?)))
    }
}
