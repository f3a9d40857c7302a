//! Unpacked images: in the cache, for all who run them, or once, to be removed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;

use super::{Job, Ready, root, user};
use crate::cache::Cache;
use crate::extract::{Options, extract};
use crate::failure::{Doing, Failure, Reason, shown};
use crate::names::{Names, link_beside, temporary_folders};
use crate::rewrite::Rewrite;

/// The folder with the image as it is.
pub(super) fn folder(job: &Job<'_>) -> Result<Vec<u8>, Failure> {
    let cache = Cache::open(job.start)?;
    let digest = cache.digest(job.file)?;
    cache.folder(&digest, |fd| unpack(job, fd, None))
}

/// The engine: an image with a store has its path rewritten.
pub(super) fn prepare(job: &Job<'_>) -> Result<Ready, Failure> {
    let Some(store) = job.metadata.store else {
        return Ok(Ready { directory: folder(job)?, ..Ready::default() });
    };
    let cache = Cache::open(job.start)?;
    let digest = cache.digest(job.file)?;
    // The link's name is in the unpacked files, so that it must always be the same. It is told by user and image; where
    // somebody else has it, the next.
    let mut names = Names::of(&format!("{} {digest}", rustix::process::geteuid().as_raw()));
    let mut reason = Failure::new("no name for a link is free");
    for _ in 0..16 {
        let key = names.key();
        let name = format!("{digest}-{key}");
        let target = [cache.path(), b"/", name.as_bytes(), store].concat();
        match link_beside(&target, store.len() + 1, &mut names) {
            Ok(link) => {
                let rewrite = Rewrite::new(&[store, b"/"].concat(), &[&link[..], b"/"].concat());
                let directory = cache.folder(&name, |fd| unpack(job, fd, rewrite.as_ref()))?;
                return Ok(Ready { directory, rewrite });
            }
            Err(failure) => reason = failure,
        }
    }
    Err(reason)
}

fn unpack(job: &Job<'_>, into: &OwnedFd, rewrite: Option<&Rewrite>) -> Result<(), Failure> {
    job.tell(format_args!("unpacking the image"));
    extract(job.image, into.as_fd(), &Options { rewrite, removable: true, ..Options::default() })
}

/// A folder that is there for one run.
#[derive(Debug)]
pub struct Once {
    parent: OwnedFd,
    name: Vec<u8>,
    /// Its path.
    path: Vec<u8>,
    link: Option<Vec<u8>>,
    rewrite: Option<Rewrite>,
}

/// Unpacks the image into a new folder that is this user's alone.
pub fn unpack_once(job: &Job<'_>) -> Result<Once, Failure> {
    let mut names = Names::random()?;
    let mut reasons = String::new();
    for folder in temporary_folders(job.start) {
        let name = [&b"appimage_extracted_"[..], &names.next(12)].concat();
        match make(&folder, &name) {
            Ok((parent, fd)) => {
                let mut once = Once {
                    parent,
                    path: [&folder[..], b"/", &name].concat(),
                    name,
                    link: None,
                    rewrite: None,
                };
                if let Err(failure) =
                    unpack(job, &fd, None).and_then(|()| once.choose_link(job, &mut names))
                {
                    let _ = once.remove();
                    return Err(failure);
                }
                return Ok(once);
            }
            Err(reason) => drop(write!(reasons, "; `{}`: {reason}", shown(&folder))),
        }
    }
    Err(Failure::new(format!("no folder to unpack into{reasons}")))
}

fn make(folder: &[u8], name: &[u8]) -> Result<(OwnedFd, OwnedFd), String> {
    let words = |errno: Errno| format!("{}", Reason(errno));
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::open(folder, flags, Mode::empty()).map_err(words)?;
    let mount = rustix::fs::fstatvfs(&parent).map_err(words)?;
    if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Err(String::from("programs cannot be run from there (noexec)"));
    }
    rustix::fs::mkdirat(&parent, name, Mode::RWXU).map_err(words)?;
    let fd = rustix::fs::openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::empty())
        .map_err(words)?;
    Ok((parent, fd))
}

impl Once {
    /// The link that stands for the store, should that be needed: it is known to both processes, of which one uses it and
    /// the other removes it.
    fn choose_link(&mut self, job: &Job<'_>, names: &mut Names) -> Result<(), Failure> {
        let Some(store) = job.metadata.store else { return Ok(()) };
        let link = link_beside(&[&self.path[..], store].concat(), store.len() + 1, names)?;
        self.rewrite = Rewrite::new(&[store, b"/"].concat(), &[&link[..], b"/"].concat());
        self.link = Some(link);
        Ok(())
    }

    /// Makes it what programs can be run from: the store at its place if that can be, else with its path rewritten.
    pub fn prepare(&self, job: &Job<'_>) -> Result<Ready, Failure> {
        let ready = Ready { directory: self.path.clone(), ..Ready::default() };
        if job.metadata.store.is_none() {
            return Ok(ready);
        }
        let placed =
            root::over_folder(job, &self.path).or_else(|_| user::over_folder(job, &self.path));
        placed.or_else(|failure| {
            job.tell(format_args!("the store's path is rewritten: {failure}"));
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&self.parent, &self.name[..], flags, Mode::empty())
                .doing("open the unpacked image")?;
            unpack(job, &fd, self.rewrite.as_ref())?;
            Ok(Ready { rewrite: self.rewrite.clone(), ..ready })
        })
    }

    /// Removes all of it.
    pub fn remove(&self) -> Result<(), Failure> {
        if let Some(link) = &self.link {
            let _ = rustix::fs::unlink(&link[..]);
        }
        crate::removal::remove(self.parent.as_fd(), &self.name)
            .doing(format_args!("remove `{}`", shown(&self.path)))
    }
}
