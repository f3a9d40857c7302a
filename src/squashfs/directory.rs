//! Any directory as nodes: all that it has of modes, owners, times, attributes and devices, as far as
//! it is asked for.
//!
//! As in a walk through a store path, everything is opened relative to its directory, so that nobody
//! can lead the walk elsewhere by a link.

use std::ffi::{CString, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use ::squashfs::write::{Device, Kind, Node, Xattr};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat};

use super::Error;
use super::disk::DiskFile;
use crate::tree::{self, Measured};

/// What is kept of files beside their contents and permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Owners and groups, rather than 0 for both.
    pub owners: bool,
    /// Times of the last change.
    pub time: Time,
    /// Extended attributes.
    pub xattrs: bool,
}

/// Times in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Those of the files.
    Kept,
    /// The same for all, in seconds since 1970.
    Fixed(u32),
}

/// What is in a directory.
#[derive(Debug)]
pub struct Found {
    /// The directory and everything in it.
    pub nodes: Vec<Node>,
    /// What was left out, a sentence for each.
    pub notes: Vec<String>,
}

/// The nodes of `root`, which becomes the directory `name` of the image: its root if that is empty.
pub fn directory_nodes(root: &Path, name: &[u8], policy: Policy) -> Result<Found, Error> {
    let found = Found { nodes: Vec::new(), notes: Vec::new() };
    let entries = vec![MaybeUninit::uninit(); DIR_BUFFER];
    let mut walk = Walk { root: root.into(), name, policy, found, entries };
    walk.run().map_err(Error::Directory)?;
    Ok(walk.found)
}

const DIR_BUFFER: usize = 32 * 1024;

struct Walk<'a> {
    root: Arc<Path>,
    name: &'a [u8],
    policy: Policy,
    found: Found,
    /// What the kernel says of a directory.
    entries: Vec<MaybeUninit<u8>>,
}

/// A directory being walked: its descriptor, its path in `root`, and its entries, the next one last.
struct Open {
    fd: OwnedFd,
    path: Vec<u8>,
    names: Vec<CString>,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), tree::Error> {
        // The directory itself may be named by a link.
        let root = Arc::clone(&self.root);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let fd = rustix::fs::openat(CWD, &*root, flags, Mode::empty());
        let fd = fd.map_err(tree::Error::io("open", &root))?;
        let stat = rustix::fs::fstat(&fd).map_err(tree::Error::io("look at", &root))?;
        self.push(&[], &stat, Kind::Directory)?;
        // A list instead of recursion: no depth of directories overflows the stack.
        let mut open = vec![self.open(fd, Vec::new())?];
        while let Some(directory) = open.last_mut() {
            let Some(name) = directory.names.pop() else {
                open.pop();
                continue;
            };
            let mut path = directory.path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            let inner = self.entry(directory.fd.as_fd(), &name, &path)?;
            if let Some(fd) = inner {
                open.push(self.open(fd, path)?);
            }
        }
        Ok(())
    }

    /// Takes an entry; answers a directory, opened.
    fn entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CString,
        path: &[u8],
    ) -> Result<Option<OwnedFd>, tree::Error> {
        let at = self.at(path);
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(tree::Error::io("look at", &at))?;
        let device = || Device {
            major: rustix::fs::major(stat.st_rdev),
            minor: rustix::fs::minor(stat.st_rdev),
        };
        let mut inner = None;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::DIRECTORY;
                let fd = rustix::fs::openat(parent, name, flags, Mode::empty())
                    .map_err(tree::Error::io("open", &at))?;
                inner = Some(fd);
                Kind::Directory
            }
            FileType::RegularFile => {
                let measured = Measured::of(&stat);
                let root = Arc::clone(&self.root);
                let failed = Error::Directory;
                Kind::File(Box::new(DiskFile { root, path: path.into(), measured, failed }))
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(parent, name, Vec::new())
                    .map_err(tree::Error::io("read the link", &at))?;
                Kind::Symlink(target.into_bytes())
            }
            FileType::BlockDevice => Kind::BlockDevice(device()),
            FileType::CharacterDevice => Kind::CharacterDevice(device()),
            FileType::Fifo => Kind::Fifo,
            _ => Kind::Socket,
        };
        self.push(path, &stat, kind)?;
        Ok(inner)
    }

    fn at(&self, path: &[u8]) -> std::path::PathBuf {
        match path {
            [] => self.root.to_path_buf(),
            path => self.root.join(OsStr::from_bytes(path)),
        }
    }

    fn push(&mut self, path: &[u8], stat: &Stat, kind: Kind) -> Result<(), tree::Error> {
        let separator: &[u8] = if self.name.is_empty() || path.is_empty() { b"" } else { b"/" };
        let mtime = match self.policy.time {
            // What is before 1970 or after 2106 has no other time that it could have.
            Time::Kept => u32::try_from(stat.st_mtime.max(0)).unwrap_or(u32::MAX),
            Time::Fixed(time) => time,
        };
        let (uid, gid) = if self.policy.owners { (stat.st_uid, stat.st_gid) } else { (0, 0) };
        let mode = u16::try_from(stat.st_mode & 0o7777).unwrap_or_default();
        let xattrs = if self.policy.xattrs { self.xattrs(path)? } else { Vec::new() };
        let path = [self.name, separator, path].concat();
        self.found.nodes.push(Node { path, mode, uid, gid, mtime, xattrs, kind });
        Ok(())
    }

    /// The attributes that an image can hold.
    fn xattrs(&mut self, path: &[u8]) -> Result<Vec<Xattr>, tree::Error> {
        const NAMESPACES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
        let at = self.at(path);
        let failed = |errno| tree::Error::io("read the extended attributes of", &at)(errno);
        let names = match all(|room| rustix::fs::llistxattr(&at, room)) {
            // Not every file system has any.
            Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
            names => names.map_err(failed)?,
        };
        let mut xattrs = Vec::new();
        for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
            if NAMESPACES.iter().any(|namespace| name.starts_with(namespace)) {
                let value = all(|room| rustix::fs::lgetxattr(&at, name, room)).map_err(failed)?;
                xattrs.push((name.to_vec(), value));
            } else {
                let (name, at) = (String::from_utf8_lossy(name), at.display());
                let note = format!("left out `{name}` of `{at}`, which no image can hold");
                self.found.notes.push(note);
            }
        }
        Ok(xattrs)
    }

    fn open(&mut self, fd: OwnedFd, path: Vec<u8>) -> Result<Open, tree::Error> {
        let mut names = Vec::new();
        let mut dir = RawDir::new(&fd, &mut self.entries);
        while let Some(entry) = dir.next() {
            match entry {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => names.push(entry.file_name().to_owned()),
                Err(errno) => return Err(tree::Error::io("list", &self.at(&path))(errno)),
            }
        }
        // So that of several faults the same one is told.
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Open { fd, path, names })
    }
}

/// What a call gives that is told how much room there is; more is made until it is enough.
fn all(get: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut room = vec![0; 4096];
    loop {
        match get(&mut room[..]) {
            Ok(length) => {
                room.truncate(length);
                return Ok(room);
            }
            // The kernel has no more than 64 KiB of either.
            Err(rustix::io::Errno::RANGE) if room.len() <= 64 << 10 => {
                room.resize(room.len() * 4, 0);
            }
            Err(errno) => return Err(errno),
        }
    }
}
