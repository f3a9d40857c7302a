//! A directory that is filled, name by name from its own descriptor on.
//!
//! Every directory on the way is opened by itself and not through a link (`O_NOFOLLOW`), whatever was
//! made there before. Directories are open to their owner until all is written: those of a store are
//! read-only, and get their modes and times last, the innermost first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::meta::{Meta, SET_ID, UNNAMED};
use super::{ExtractError, Extracted};

/// Of a directory while it is filled.
const OPEN: Mode = Mode::RWXU;

/// The directory.
pub(super) struct Tree {
    root: OwnedFd,
    /// Whether files get the owners that they have in the image.
    is_root: bool,
    /// Directories that are there, with what they are to be in the end; the root is the empty name.
    pub(super) directories: BTreeMap<Vec<u8>, Meta>,
    /// The directory that was opened last: most entries are beside the one before.
    pub(super) last: Option<(Vec<u8>, OwnedFd)>,
}

/// A path as the image has it.
pub(super) fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

/// What could not be written.
pub(super) fn failed(path: &[u8]) -> impl FnOnce(Errno) -> ExtractError + use<'_> {
    |errno| ExtractError::Write { path: shown(path), source: errno.into() }
}

/// The directory in which a path is, and its name there.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&path[..0], path),
    }
}

impl Tree {
    pub(super) fn new(dir: &Path, is_root: bool) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(dir, flags, Mode::empty())?;
        let directories = BTreeMap::from([(Vec::new(), UNNAMED)]);
        Ok(Self { root, is_root, directories, last: None })
    }

    /// Makes a directory, or lets one that is there be this one.
    pub(super) fn directory(&mut self, path: &[u8], meta: Meta) -> Result<(), ExtractError> {
        if !self.directories.contains_key(path) {
            self.make_way(path)?;
            let (parent, name) = split(path);
            let parent = self.open(parent, path)?;
            rustix::fs::mkdirat(parent, name, OPEN).map_err(failed(path))?;
        }
        self.directories.insert(path.to_vec(), meta);
        Ok(())
    }

    /// Begins a file, in the place of whatever is there.
    pub(super) fn file(&mut self, path: &[u8]) -> Result<File, ExtractError> {
        self.make_way(path)?;
        let (parent, name) = split(path);
        let parent = self.open(parent, path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(rustix::fs::openat(parent, name, flags, mode).map_err(failed(path))?.into())
    }

    /// Ends a file.
    pub(super) fn seal(
        &self,
        file: &File,
        path: &[u8],
        meta: &Meta,
        extracted: &mut Extracted,
    ) -> Result<(), ExtractError> {
        self.set(file.as_fd(), path, meta, extracted)
    }

    pub(super) fn symlink(
        &mut self,
        path: &[u8],
        target: &[u8],
        meta: &Meta,
        extracted: &mut Extracted,
    ) -> Result<(), ExtractError> {
        self.make_way(path)?;
        let (parent, name) = split(path);
        let parent = self.open(parent, path)?;
        rustix::fs::symlinkat(target, parent, name).map_err(failed(path))?;
        self.set_by_name(path, meta, extracted)
    }

    /// Another name for a file of this tree.
    pub(super) fn hard_link(&mut self, path: &[u8], target: &[u8]) -> Result<(), ExtractError> {
        let wrong = || ExtractError::Link { path: shown(path), target: shown(target) };
        // Its way might lead through what is in the way of the link.
        if path == target {
            return Err(wrong());
        }
        self.make_way(path)?;
        let (above, base) = split(target);
        let from = match self.open(above, target) {
            Ok(from) => from.try_clone_to_owned(),
            Err(_) => return Err(wrong()),
        };
        let from = from.map_err(|source| ExtractError::Write { path: shown(path), source })?;
        let stat = rustix::fs::statat(&from, base, AtFlags::SYMLINK_NOFOLLOW);
        let kind = stat.map(|stat| FileType::from_raw_mode(stat.st_mode));
        if kind != Ok(FileType::RegularFile) {
            return Err(wrong());
        }
        let (parent, name) = split(path);
        let parent = self.open(parent, path)?;
        rustix::fs::linkat(&from, base, parent, name, AtFlags::empty()).map_err(failed(path))
    }

    pub(super) fn fifo(
        &mut self,
        path: &[u8],
        meta: &Meta,
        extracted: &mut Extracted,
    ) -> Result<(), ExtractError> {
        self.make_way(path)?;
        let (parent, name) = split(path);
        let parent = self.open(parent, path)?;
        let mode = Mode::from_raw_mode(meta.mode & 0o777);
        rustix::fs::mknodat(parent, name, FileType::Fifo, mode, 0).map_err(failed(path))?;
        self.set_by_name(path, meta, extracted)
    }

    /// Owner and times of what cannot be opened.
    fn set_by_name(
        &mut self,
        path: &[u8],
        meta: &Meta,
        extracted: &mut Extracted,
    ) -> Result<(), ExtractError> {
        let is_root = self.is_root;
        let (parent, name) = split(path);
        let parent = self.open(parent, path)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        match meta.owner().filter(|_| is_root) {
            Some((uid, gid)) => {
                rustix::fs::chownat(parent, name, Some(uid), Some(gid), flags)
                    .map_err(failed(path))?;
            }
            None => extracted.owned += 1,
        }
        rustix::fs::utimensat(parent, name, &meta.times(), flags).map_err(failed(path))
    }

    /// Gives directories what they are to be, the innermost first.
    pub(super) fn finish(&mut self, extracted: &mut Extracted) -> Result<(), ExtractError> {
        self.last = None;
        let directories = std::mem::take(&mut self.directories);
        self.directories = directories.clone();
        // In reverse, all that is below a directory comes before it.
        for (path, meta) in directories.iter().rev() {
            let opened = self.open(path, path)?.try_clone_to_owned();
            let opened =
                opened.map_err(|source| ExtractError::Write { path: shown(path), source })?;
            self.last = None;
            self.set(opened.as_fd(), path, meta, extracted)?;
        }
        Ok(())
    }

    /// Lets all directories be removed again.
    pub(super) fn unlock(&mut self) {
        self.last = None;
        let paths: Vec<Vec<u8>> = self.directories.keys().cloned().collect();
        for path in paths {
            let (above, name) = split(&path);
            if let Ok(parent) = self.open(above, &path) {
                let _ = rustix::fs::chmodat(parent, name, OPEN, AtFlags::empty());
            }
        }
    }

    /// Removes what is in the way of a new entry, and makes the directories above it.
    fn make_way(&mut self, path: &[u8]) -> Result<(), ExtractError> {
        let (above, _) = split(path);
        if !self.directories.contains_key(above) {
            let ends = above.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            let parents = ends.map(|(at, _)| &above[..at]).chain([above]);
            for parent in parents {
                if self.directories.contains_key(parent) {
                    continue;
                }
                let (outer, name) = split(parent);
                let outer = self.open(outer, path)?;
                match rustix::fs::mkdirat(outer, name, OPEN) {
                    Ok(()) => {}
                    Err(Errno::EXIST) => return Err(through(outer, name, path, parent)),
                    Err(errno) => return Err(failed(parent)(errno)),
                }
                self.directories.insert(parent.to_vec(), UNNAMED);
            }
        }
        self.remove(path)
    }

    /// The directory, which must be one that was made here.
    pub(super) fn open(&mut self, dir: &[u8], path: &[u8]) -> Result<BorrowedFd<'_>, ExtractError> {
        if dir.is_empty() {
            return Ok(self.root.as_fd());
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != dir) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut opened: Option<OwnedFd> = None;
            let mut at = 0;
            for name in dir.split(|&byte| byte == b'/') {
                let from = opened.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
                let next = rustix::fs::openat(from, name, flags, Mode::empty());
                let whole = &dir[..at + name.len()];
                let next = match next {
                    Err(Errno::NOTDIR | Errno::LOOP) => {
                        return Err(through(from, name, path, whole));
                    }
                    other => other.map_err(failed(whole))?,
                };
                opened = Some(next);
                at += name.len() + 1;
            }
            self.last = opened.map(|opened| (dir.to_vec(), opened));
        }
        Ok(self.last.as_ref().map_or(self.root.as_fd(), |(_, opened)| opened.as_fd()))
    }

    fn set(
        &self,
        file: BorrowedFd<'_>,
        path: &[u8],
        meta: &Meta,
        extracted: &mut Extracted,
    ) -> Result<(), ExtractError> {
        let mut mode = meta.mode;
        match meta.owner().filter(|_| self.is_root) {
            Some((uid, gid)) => {
                rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(failed(path))?;
            }
            None => {
                extracted.owned += 1;
                // It would run as whoever extracts it.
                extracted.without_setuid += u64::from(mode & SET_ID != 0);
                mode &= !SET_ID;
            }
        }
        for (name, value) in &meta.xattrs {
            if rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()).is_err() {
                extracted.xattrs += 1;
            }
        }
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(failed(path))?;
        rustix::fs::futimens(file, &meta.times()).map_err(failed(path))
    }
}

fn through(outer: BorrowedFd<'_>, name: &[u8], path: &[u8], parent: &[u8]) -> ExtractError {
    let stat = rustix::fs::statat(outer, name, AtFlags::SYMLINK_NOFOLLOW);
    let got = match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::Symlink) => "symbolic link",
        Ok(FileType::RegularFile) => "file",
        _ => "special file",
    };
    ExtractError::Through { path: shown(path), parent: shown(parent), got }
}
