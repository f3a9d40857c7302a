//! A regular file's bytes, read once and no more and no fewer than its size said.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::FileType;

use super::Error;
use super::walk::executable;
use crate::timings::{self, Stage, time};

/// How many of a file's first bytes [`Content::head`] keeps: enough for an ELF header's type and
/// machine.
pub const HEAD_LEN: usize = 20;

/// An open regular file on its way into an archive or a hash.
#[derive(Debug)]
pub struct Content<'a> {
    path: &'a Path,
    fd: OwnedFd,
    executable: bool,
    size: u64,
    left: u64,
    /// When it was written to last, in seconds and nanoseconds.
    written: (i64, u64),
    /// Whether the end was seen where it should be.
    ended: bool,
    head: [u8; HEAD_LEN],
}

impl<'a> Content<'a> {
    pub(super) fn new(path: &'a Path, fd: OwnedFd) -> Result<Self, Error> {
        let stat = rustix::fs::fstat(&fd).map_err(Error::io("look at", path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::Replaced { path: path.into() });
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let executable = executable(stat.st_mode);
        let written = (stat.st_mtime, stat.st_mtime_nsec);
        let (left, ended, head) = (size, false, [0; HEAD_LEN]);
        Ok(Self { path, fd, executable, size, left, written, ended, head })
    }

    /// Whether its owner may execute it, the only permission that a NAR keeps.
    pub fn executable(&self) -> bool {
        self.executable
    }

    /// Its length in bytes when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its first bytes, as far as they have been read; zeros behind.
    pub fn head(&self) -> &[u8; HEAD_LEN] {
        &self.head
    }

    /// Reads some of what is left into `buffer`, which must not be empty; 0 when all was read and
    /// the file has not grown.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.ended {
            return Ok(0);
        }
        // One byte more than is due, so that a short answer proves the end without asking again.
        let due = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = due.saturating_add(1).min(buffer.len());
        let read = || rustix::io::retry_on_intr(|| rustix::io::read(&self.fd, &mut buffer[..most]));
        let count = time(Stage::Read, read).map_err(Error::io("read", self.path))?;
        timings::count(Stage::Read, count);
        let before = self.size - self.left;
        if count > due || (count == 0 && due > 0) {
            let got = before + count as u64;
            return Err(Error::Size { path: self.path.into(), expected: self.size, got });
        }
        if let Some(room) = usize::try_from(before).ok().and_then(|at| self.head.get_mut(at..)) {
            let kept = room.len().min(count);
            room[..kept].copy_from_slice(&buffer[..kept]);
        }
        self.left -= count as u64;
        self.ended = self.left == 0 && (count < most || count == 0);
        // What came in one piece is what the file was at that moment.
        if self.ended && before > 0 {
            self.check_time()?;
        }
        Ok(count)
    }

    /// Against the time of the last write when it was opened. (Not that of the last change: making
    /// a hard link to it is one.)
    fn check_time(&self) -> Result<(), Error> {
        let stat = rustix::fs::fstat(&self.fd).map_err(Error::io("look at", self.path))?;
        match (stat.st_mtime, stat.st_mtime_nsec) == self.written {
            true => Ok(()),
            false => Err(Error::Written { path: self.path.into() }),
        }
    }
}
