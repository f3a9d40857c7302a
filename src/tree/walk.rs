//! Walks a store path in NAR order: byte order of names within each directory, a directory before
//! what is in it.
//!
//! This is the loop that touches every file of a closure. Files are opened relative to their
//! directory, which spares the kernel long names and leaves no moment in which a directory could be
//! swapped for a link; directories are listed without a `stat` for each entry.

use std::ffi::{CStr, CString, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use super::{Content, Error};

/// Room for several hundred directory entries, and so for any one of them.
const DIR_BUFFER: usize = 32 * 1024;

/// What a walk tells, entry by entry. `path` is relative to the store path, empty for itself.
pub trait Visitor {
    /// What ends the walk early.
    type Error: From<Error>;

    /// A directory; what it holds follows, then [`leave`](Self::leave).
    fn directory(&mut self, path: &[u8]) -> Result<(), Self::Error>;

    /// The end of the directory entered last and not left yet.
    fn leave(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// A symbolic link; the target is any bytes.
    fn symlink(&mut self, path: &[u8], target: &[u8]) -> Result<(), Self::Error>;

    /// A regular file, to be opened or measured.
    fn file(&mut self, path: &[u8], file: RegularFile<'_>) -> Result<(), Self::Error>;
}

/// A regular file that the walk has come to.
#[derive(Debug)]
pub struct RegularFile<'a> {
    parent: BorrowedFd<'a>,
    name: &'a CStr,
    at: &'a Path,
}

/// What can be said of a regular file without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Whether its owner may execute it, the only permission that a NAR keeps.
    pub executable: bool,
    /// Its length in bytes.
    pub size: u64,
    /// When it was written to last, in seconds and nanoseconds.
    pub written: (i64, u64),
    /// Which file it is, if it has several names.
    pub inode: Option<Inode>,
}

/// Two names with the same inode have the same content, which spares reading it twice. Nothing else
/// may follow from it: a store path means the same with hard links and without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode {
    device: u64,
    number: u64,
    /// Some file systems put several others under one device number, so that inode numbers meet;
    /// the time of the last change, to the nanosecond, tells those apart.
    changed: (i64, u64),
}

impl<'a> RegularFile<'a> {
    /// Opens it for reading.
    pub fn open(self) -> Result<Content<'a>, Error> {
        open_file(self.parent, self.name, self.at)
    }

    /// Looks at it without opening it.
    pub fn measure(self) -> Result<Measured, Error> {
        let stat = rustix::fs::statat(self.parent, self.name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::io("look at", self.at))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::Replaced { path: self.at.into() });
        }
        Ok(Measured::of(&stat))
    }
}

impl Measured {
    /// What the system says of a regular file.
    pub(crate) fn of(stat: &Stat) -> Self {
        let inode = Inode {
            device: stat.st_dev,
            number: stat.st_ino,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        };
        Self {
            executable: executable(stat.st_mode),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            written: (stat.st_mtime, stat.st_mtime_nsec),
            inode: (stat.st_nlink > 1).then_some(inode),
        }
    }
}

/// Opens the regular file `name` in `parent`; `at` is what to call it in a message.
fn open_file<'a>(parent: BorrowedFd<'_>, name: &CStr, at: &'a Path) -> Result<Content<'a>, Error> {
    match rustix::fs::openat(parent, name, READING, Mode::empty()) {
        Ok(fd) => Content::new(at, fd),
        Err(Errno::LOOP) => Err(Error::Replaced { path: at.into() }),
        Err(errno) => Err(Error::io("open", at)(errno)),
    }
}

/// How a regular file is opened. A pipe that took its place must not block us.
pub(super) const READING: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Nix looks at the owner's bit alone.
pub(super) fn executable(mode: u32) -> bool {
    Mode::from_raw_mode(mode).contains(Mode::XUSR)
}

/// Walks one store path after the other with the same buffer.
#[derive(Debug)]
pub struct Walker {
    dir: Vec<MaybeUninit<u8>>,
}

impl Default for Walker {
    fn default() -> Self {
        Self { dir: vec![MaybeUninit::uninit(); DIR_BUFFER] }
    }
}

/// A directory being walked: its descriptor, and its entries with the next one last.
struct Directory {
    fd: OwnedFd,
    entries: Vec<(CString, FileType)>,
}

impl Walker {
    /// Visits everything from `root`, the real place of a store path, downwards.
    pub fn walk<V: Visitor>(&mut self, root: &Path, visitor: &mut V) -> Result<(), V::Error> {
        let name = CString::new(root.as_os_str().as_bytes())
            .map_err(|_| Error::io("open", root)(Errno::INVAL))?;
        let prefix = root.as_os_str().len() + 1;
        let mut at = root.to_owned();
        // A list instead of recursion: no depth of directories overflows the stack.
        let mut open: Vec<Directory> = Vec::new();
        open.extend(self.node(CWD, &name, FileType::Unknown, &at, prefix, visitor)?);
        while let Some(directory) = open.last_mut() {
            let Some((name, kind)) = directory.entries.pop() else {
                visitor.leave()?;
                open.pop();
                // The walk ends with the directory that it began with.
                if !open.is_empty() {
                    at.pop();
                }
                continue;
            };
            at.push(OsStr::from_bytes(name.to_bytes()));
            match self.node(directory.fd.as_fd(), &name, kind, &at, prefix, visitor)? {
                Some(inner) => open.push(inner),
                None => {
                    at.pop();
                }
            }
        }
        Ok(())
    }

    /// Tells of a file or link; a directory is opened and returned.
    fn node<V: Visitor>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        at: &Path,
        prefix: usize,
        visitor: &mut V,
    ) -> Result<Option<Directory>, V::Error> {
        let relative = at.as_os_str().as_bytes().get(prefix..).unwrap_or_default();
        let kind = match kind {
            // Not every file system fills in `d_type`.
            FileType::Unknown => {
                let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(Error::io("look at", at))?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        match kind {
            FileType::RegularFile => visitor.file(relative, RegularFile { parent, name, at })?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(parent, name, Vec::new())
                    .map_err(Error::io("read the link", at))?;
                visitor.symlink(relative, target.to_bytes())?;
            }
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::DIRECTORY;
                let fd = rustix::fs::openat(parent, name, flags, Mode::empty())
                    .map_err(Error::io("open", at))?;
                let entries = self.entries(&fd).map_err(Error::io("list", at))?;
                visitor.directory(relative)?;
                return Ok(Some(Directory { fd, entries }));
            }
            other => return Err(Error::Kind { path: at.into(), kind: describe(other) }.into()),
        }
        Ok(None)
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
