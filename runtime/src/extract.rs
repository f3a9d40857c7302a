//! The image unpacked into a directory.
//!
//! Whatever is in the image or was in the directory before: nothing is written outside of it, since no link is followed
//! on the way.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use squashfs::read::{Inode, Kind, Stored, Walk};

use crate::failure::{Doing, Failure, shown};
use crate::image::{AppImage, AppImageReader, Codecs};
use crate::message::write_all;
use crate::pattern;
use crate::rewrite::{Rewrite, Stream};

/// What is done on the way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Only what fits.
    pub pattern: Option<&'a [u8]>,
    /// Written before each path on standard output; nothing is if there is none.
    pub told: Option<&'a [u8]>,
    /// Replaced in files and links.
    pub rewrite: Option<&'a Rewrite>,
    /// Whether the owner may remove everything with ease: no directory is without write permission.
    pub removable: bool,
}

/// Unpacks into a directory that is there.
pub fn extract(
    image: &AppImage,
    into: BorrowedFd<'_>,
    options: &Options<'_>,
) -> Result<(), Failure> {
    let root = rustix::fs::openat(into, c".", DIRECTORY, Mode::empty())
        .doing("open the directory to unpack into")?;
    let mut out = Extraction {
        options,
        reader: image.reader(Codecs::default()),
        linked: BTreeMap::new(),
        open: vec![Open { name: Vec::new(), fd: Some(root), status: None }],
        buffer: Vec::new(),
    };
    let mut walk = Walk::new(&out.reader);
    while let Some(visit) = walk.next(&mut out.reader).doing("read the image")? {
        let path = visit.path.to_vec();
        out.visit(&path, &visit.inode)?;
    }
    out.leave(0)
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory on the way to the present file.
struct Open {
    name: Vec<u8>,
    /// Missing until something in it is wanted.
    fd: Option<OwnedFd>,
    /// Mode and time, set when it is left: later files would change the one and need the other.
    status: Option<(Mode, u32)>,
}

struct Extraction<'a, 'i> {
    options: &'a Options<'a>,
    reader: AppImageReader<'i>,
    /// Paths of files that have several names, by number of inode.
    linked: BTreeMap<u32, Vec<u8>>,
    open: Vec<Open>,
    buffer: Vec<u8>,
}

impl Extraction<'_, '_> {
    fn visit(&mut self, path: &[u8], inode: &Inode) -> Result<(), Failure> {
        let depth = if path.is_empty() { 0 } else { path.split(|byte| *byte == b'/').count() };
        self.leave(depth.max(1))?;
        let wanted = self.options.pattern.is_none_or(|pattern| pattern::fits(pattern, path));
        if wanted {
            self.tell(path)?;
        }
        if let Kind::Directory(_) = inode.kind {
            if depth > 0 {
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
                self.open.push(Open { name, fd: None, status: None });
            }
            if wanted {
                self.enter(depth).doing(format_args!("make the directory `{}`", shown(path)))?;
                self.open[depth].status = Some((self.mode(inode, true), inode.mtime));
            }
            return Ok(());
        }
        if !wanted {
            return Ok(());
        }
        self.enter(depth - 1).doing(format_args!("make the directory of `{}`", shown(path)))?;
        self.file(path, inode)
    }

    fn tell(&self, path: &[u8]) -> Result<(), Failure> {
        let Some(prefix) = self.options.told.filter(|_| !path.is_empty()) else { return Ok(()) };
        // SAFETY: writing to a descriptor that may be closed harms no memory.
        let stdout = unsafe { BorrowedFd::borrow_raw(1) };
        write_all(stdout, &[prefix, path, b"\n"].concat()).doing("write to standard output")
    }

    fn mode(&self, inode: &Inode, directory: bool) -> Mode {
        // Owners are not kept, so that neither are rights that come with them.
        let bits = u32::from(inode.mode) & 0o777;
        Mode::from_raw_mode(if directory && self.options.removable { bits | 0o700 } else { bits })
    }

    /// Makes and opens the directories down to the one at `depth`.
    fn enter(&mut self, depth: usize) -> Result<(), Errno> {
        for at in 1..=depth {
            let (before, rest) = self.open.split_at_mut(at);
            let (Some(Open { fd: Some(parent), .. }), Some(now)) =
                (before.last(), rest.first_mut())
            else {
                continue;
            };
            if now.fd.is_none() {
                match rustix::fs::mkdirat(parent, &now.name[..], Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                now.fd = Some(rustix::fs::openat(parent, &now.name[..], DIRECTORY, Mode::empty())?);
            }
        }
        Ok(())
    }

    /// Leaves the directories that are as deep as `depth` and deeper.
    fn leave(&mut self, depth: usize) -> Result<(), Failure> {
        while self.open.len() > depth {
            if let Some(Open { name, fd: Some(fd), status: Some((mode, mtime)) }) = self.open.pop()
            {
                rustix::fs::fchmod(&fd, mode)
                    .and_then(|()| rustix::fs::futimens(&fd, &times(mtime)))
                    .doing(format_args!("set mode and time of the directory `{}`", shown(&name)))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &[u8], inode: &Inode) -> Result<(), Failure> {
        let Some(Open { fd: Some(parent), .. }) = self.open.last() else { return Ok(()) };
        let parent = rustix::io::fcntl_dupfd_cloexec(parent, 3).doing("keep a directory open")?;
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let what = format_args!("unpack `{}`", shown(path));
        // What an earlier unpacking left, or somebody's link, gives way.
        match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error).doing(what),
        }
        match inode.kind {
            Kind::File(_) => {
                if let Some(first) = self.linked.get(&inode.number) {
                    let root = self.open.first().and_then(|root| root.fd.as_ref());
                    let root = root.map_or(CWD, |fd| fd.as_fd());
                    return rustix::fs::linkat(root, &first[..], &parent, name, AtFlags::empty())
                        .doing(what);
                }
                if inode.links > 1 {
                    self.linked.insert(inode.number, path.to_vec());
                }
                let flags = OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::WRONLY
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&parent, name, flags, Mode::RUSR | Mode::WUSR)
                    .doing(what)?;
                self.content(&fd, path, inode)?;
                rustix::fs::fchmod(&fd, self.mode(inode, false))
                    .and_then(|()| rustix::fs::futimens(&fd, &times(inode.mtime)))
                    .doing(what)
            }
            Kind::Symlink(_) => {
                let mut target = self.reader.read_link(inode).doing(what)?;
                if let Some(rewrite) = self.options.rewrite {
                    rewrite.apply_to_link(&mut target);
                }
                rustix::fs::symlinkat(&target[..], &parent, name)
                    .and_then(|()| {
                        rustix::fs::utimensat(
                            &parent,
                            name,
                            &times(inode.mtime),
                            AtFlags::SYMLINK_NOFOLLOW,
                        )
                    })
                    .doing(what)
            }
            Kind::Fifo => {
                rustix::fs::mknodat(&parent, name, FileType::Fifo, self.mode(inode, false), 0)
                    .doing(what)
            }
            // Devices need rights that unpacking should not have; sockets mean nothing without who listens.
            Kind::BlockDevice(_) | Kind::CharacterDevice(_) | Kind::Socket | Kind::Directory(_) => {
                Ok(())
            }
        }
    }

    fn content(&mut self, fd: &OwnedFd, path: &[u8], inode: &Inode) -> Result<(), Failure> {
        let what = format_args!("unpack `{}`", shown(path));
        let mut content = self.reader.content(inode).doing(what)?;
        let mut stream = self.options.rewrite.map(Stream::new);
        while let Some(piece) = content.next(&mut self.reader).doing(what)? {
            if piece.stored == Stored::Hole && stream.is_none() {
                rustix::fs::seek(fd, rustix::fs::SeekFrom::Current(i64::from(piece.len)))
                    .doing(what)?;
                continue;
            }
            self.buffer.resize(piece.len as usize, 0);
            self.reader.read_piece(&piece, &mut self.buffer).doing(what)?;
            match &mut stream {
                Some(stream) => write_all(fd.as_fd(), &stream.next(&self.buffer)).doing(what)?,
                None => write_all(fd.as_fd(), &self.buffer).doing(what)?,
            }
        }
        if let Some(stream) = stream {
            return write_all(fd.as_fd(), &stream.end()).doing(what);
        }
        // A hole at the end was only sought over.
        rustix::fs::ftruncate(fd, inode.size()).doing(what)
    }
}

fn times(mtime: u32) -> Timestamps {
    let time = Timespec { tv_sec: i64::from(mtime), tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
