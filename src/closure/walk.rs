//! One store path, file by file, in the order of its NAR.
//!
//! Names are sorted by their bytes within each directory, as Nix sorts them, whatever order the
//! file system lists them in. This is the hot loop of a scan, which reads each byte of a closure:
//! files are opened relative to their directory, and their bytes go through one buffer that is
//! allocated and zeroed once.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};

/// Large enough to make system calls rare, small enough to stay in a core's cache.
const BUFFER: usize = 256 * 1024;

/// Room for several hundred directory entries, and so for any one of them.
const DIR_BUFFER: usize = 32 * 1024;

/// Why a path cannot be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum WalkError {
    #[error("failed to read `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}` is a {kind}; a store holds only files, directories and links", path.display())]
    Kind { path: PathBuf, kind: &'static str },
    #[error("`{}` changed while it was read: got {got} bytes, expected {expected}", path.display())]
    Changed { path: PathBuf, expected: u64, got: u64 },
}

/// What a walk calls for each thing that it meets.
///
/// A node is a `file` with its content and `end`, a `symlink`, or a `directory` with an `entry`,
/// a node and an `end` for each name in it, and an `end` of its own.
pub(crate) trait Visitor {
    fn file(&mut self, executable: bool, size: u64);
    /// The next bytes of the file; together they are as many as it announced.
    fn content(&mut self, bytes: &[u8]);
    fn end_file(&mut self, size: u64);
    fn symlink(&mut self, target: &[u8]);
    fn directory(&mut self);
    fn entry(&mut self, name: &[u8]);
    fn end_entry(&mut self);
    fn end_directory(&mut self);
}

/// The buffers of a walk, to be used for one path after the other.
pub(crate) struct Walker {
    content: Vec<u8>,
    dir: Vec<MaybeUninit<u8>>,
}

/// A directory being walked: its descriptor, and its entries with the next one last.
struct Directory {
    fd: OwnedFd,
    entries: Vec<(CString, FileType)>,
}

impl Walker {
    pub(crate) fn new() -> Self {
        Self { content: vec![0; BUFFER], dir: vec![MaybeUninit::uninit(); DIR_BUFFER] }
    }

    /// Shows `visitor` all that is at `path`.
    pub(crate) fn walk(
        &mut self,
        path: &Path,
        visitor: &mut impl Visitor,
    ) -> Result<(), WalkError> {
        let mut at = path.to_owned();
        let name = CString::new(path.as_os_str().as_bytes())
            .map_err(|error| WalkError::Io { path: at.clone(), source: error.into() })?;
        // A list instead of recursion: no depth of directories overflows the stack.
        let mut open: Vec<Directory> = Vec::new();
        open.extend(self.node(CWD, &name, FileType::Unknown, &at, visitor)?);
        while let Some(directory) = open.last_mut() {
            let Some((name, kind)) = directory.entries.pop() else {
                visitor.end_directory();
                open.pop();
                // The walk ends with the directory that it began with.
                if !open.is_empty() {
                    visitor.end_entry();
                    at.pop();
                }
                continue;
            };
            at.push(OsStr::from_bytes(name.to_bytes()));
            visitor.entry(name.to_bytes());
            if let Some(inner) = self.node(directory.fd.as_fd(), &name, kind, &at, visitor)? {
                open.push(inner);
            } else {
                visitor.end_entry();
                at.pop();
            }
        }
        Ok(())
    }

    /// Shows a file or link whole; a directory is opened and returned.
    fn node(
        &mut self,
        parent: impl AsFd + Copy,
        name: &CStr,
        kind: FileType,
        at: &Path,
        visitor: &mut impl Visitor,
    ) -> Result<Option<Directory>, WalkError> {
        let failed =
            |error: rustix::io::Errno| WalkError::Io { path: at.into(), source: error.into() };
        let kind = match kind {
            // Not every file system fills in `d_type`.
            FileType::Unknown => {
                let stat =
                    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match kind {
            FileType::RegularFile => {
                let fd = rustix::fs::openat(parent, name, flags, Mode::empty()).map_err(failed)?;
                self.file(&fd, at, visitor)?;
                Ok(None)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(parent, name, Vec::new()).map_err(failed)?;
                visitor.symlink(target.to_bytes());
                Ok(None)
            }
            FileType::Directory => {
                let fd = rustix::fs::openat(parent, name, flags | OFlags::DIRECTORY, Mode::empty())
                    .map_err(failed)?;
                let entries = self.entries(&fd).map_err(failed)?;
                visitor.directory();
                Ok(Some(Directory { fd, entries }))
            }
            other => Err(WalkError::Kind { path: at.into(), kind: describe(other) }),
        }
    }

    fn file(
        &mut self,
        fd: &OwnedFd,
        at: &Path,
        visitor: &mut impl Visitor,
    ) -> Result<(), WalkError> {
        let failed =
            |error: rustix::io::Errno| WalkError::Io { path: at.into(), source: error.into() };
        let stat = rustix::fs::fstat(fd).map_err(failed)?;
        let expected = u64::try_from(stat.st_size).unwrap_or(0);
        // Nix looks at the owner's bit alone.
        visitor.file(stat.st_mode & Mode::XUSR.as_raw_mode() != 0, expected);
        let mut got = 0;
        loop {
            let count = rustix::io::retry_on_intr(|| rustix::io::read(fd, &mut self.content[..]))
                .map_err(failed)?;
            got += count as u64;
            if got > expected || (count == 0 && got < expected) {
                return Err(WalkError::Changed { path: at.into(), expected, got });
            }
            visitor.content(&self.content[..count]);
            // A short read at the expected end is the end: there is no need to ask once more.
            if got == expected && count < self.content.len() {
                visitor.end_file(expected);
                return Ok(());
            }
        }
    }

    /// The entries of a directory, last name first.
    fn entries(&mut self, fd: &OwnedFd) -> rustix::io::Result<Vec<(CString, FileType)>> {
        let mut entries = Vec::new();
        let mut dir = RawDir::new(fd, &mut self.dir);
        while let Some(entry) = dir.next() {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                entries.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        entries.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        Ok(entries)
    }
}

fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "named pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "file of unknown kind",
    }
}
