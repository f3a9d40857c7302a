//! The root directory as the application sees it: the host's, with the image's store at its place.
//!
//! A small file system in memory becomes the root. It has the host's directories bound into it, the host's links, and
//! the image. It is not seen by any other process, goes when the last one in its namespace does, and cannot be written
//! to: a file made there would vanish with it.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::mem::MaybeUninit;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{chdir, chroot, fchdir, pivot_root};

use super::server::Started;
use super::{Job, Ready};
use crate::failure::{Doing, Failure, shown};

/// The name, in the root, under which the image's root is seen: `APPDIR`.
const IMAGE: &[u8] = b".appimage";

/// Where the image's files come from.
pub(super) enum Source<'a> {
    /// A server that waits to be let go.
    Fuse {
        /// Its device.
        device: &'a OwnedFd,
        /// Itself.
        server: Started,
    },
    /// A folder of the host.
    Folder(&'a [u8]),
}

/// What to run once the view is built.
pub(super) fn ready() -> Ready {
    Ready { directory: [b"/", IMAGE].concat(), ..Ready::default() }
}

/// Makes the view this process's root, in a mount namespace that is its own already. A failure leaves the root as it
/// was.
pub(super) fn build(job: &Job<'_>, source: Source<'_>) -> Result<(), Failure> {
    // Directories of the view are for all users, whatever the caller's files are.
    let umask = rustix::process::umask(Mode::empty());
    let built = replace_root(job, source);
    rustix::process::umask(umask);
    built
}

fn replace_root(job: &Job<'_>, source: Source<'_>) -> Result<(), Failure> {
    separate()?;
    // It is mounted on the root itself. This process does not notice: its paths begin below, so that those from the root
    // are the host's, and those from the working directory the view's.
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount(c"appimage", c"/", c"tmpfs", flags, c"mode=0755")
        .doing("mount a file system in memory")?;
    let entered = climb().doing("go to the new root directory");
    let built = entered.and_then(|()| fill(job, source)).and_then(|()| {
        become_root().doing("change the root directory")?;
        let locked = MountFlags::BIND | MountFlags::RDONLY | flags;
        rustix::mount::mount_remount(c"/", locked, c"").doing("make the root read-only")
    });
    if built.is_err() {
        let back = climb().and_then(|()| rustix::mount::unmount(c".", UnmountFlags::DETACH));
        back.and_then(|()| chdir(c"/")).doing("change back the root directory")?;
    }
    built
}

/// Goes to what is mounted on the root: `..` leads there.
fn climb() -> Result<(), Errno> {
    chdir(c"/..")
}

/// The working directory becomes the root. The former one stays below, out of sight.
fn become_root() -> Result<(), Errno> {
    match chroot(c".") {
        // Whoever may mount may exchange roots at least.
        Err(Errno::PERM) => {
            pivot_root(c".", c".")?;
            rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
            chdir(c"/")
        }
        done => done,
    }
}

/// Sees to it that nothing mounted here is seen elsewhere; what the host mounts later is still seen here.
fn separate() -> Result<(), Failure> {
    let slave = || {
        rustix::mount::mount_change(
            c"/",
            MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
        )
    };
    match slave() {
        Err(Errno::INVAL) => {}
        done => return done.doing("make the mounts private"),
    }
    // The root is no mount: this is a chroot. Only the namespace's own root can be changed, and only a mount can be
    // replaced by another; so go there and come back, and mount the root on itself.
    let inside = || {
        let here = rustix::fs::open(
            c"/",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let me = rustix::process::pidfd_open(
            rustix::process::getpid(),
            rustix::process::PidfdFlags::empty(),
        )?;
        rustix::thread::move_into_thread_name_spaces(
            rustix::fd::AsFd::as_fd(&me),
            rustix::thread::ThreadNameSpaceType::MOUNT,
        )?;
        slave()?;
        fchdir(&here)?;
        chroot(c".")?;
        rustix::mount::mount_bind_recursive(c"/", c"/")?;
        // From the root, `..` leads to what is mounted on it.
        chdir(c"/..")?;
        chroot(c".")
    };
    inside().doing("make the mounts private within a changed root")
}

fn fill(job: &Job<'_>, source: Source<'_>) -> Result<(), Failure> {
    let store = job.metadata.store;
    let merged = store.is_some_and(is_directory);
    let names: Vec<&[u8]> = match store {
        Some(store) if !merged => store.split(|byte| *byte == b'/').skip(1).collect(),
        _ => Vec::new(),
    };
    make(IMAGE).doing("make the image's mount point")?;
    bind_all(job, b"", b"", &names)?;
    match source {
        Source::Fuse { device, server } => {
            super::mount_point::mount(device, IMAGE, job, true)?;
            server.go()?;
        }
        Source::Folder(path) => {
            rustix::mount::mount_bind_recursive(path, IMAGE).doing("bind the unpacked image")?;
        }
    }
    if let Some(store) = store {
        let inner = [IMAGE, store].concat();
        let bound = match merged && merge(job, &inner, store) {
            true => Ok(()),
            false => rustix::mount::mount_bind_recursive(&inner[..], &store[1..]),
        };
        bound.doing(format_args!("bind the image's store to `{}`", shown(store)))?;
    }
    Ok(())
}

/// Both stores at once, the image's first. Kernels without overlays for users show the image's alone.
fn merge(job: &Job<'_>, image: &[u8], store: &[u8]) -> bool {
    // These mean something in the list of directories.
    if store.iter().any(|byte| b":,\\".contains(byte)) {
        return false;
    }
    let Ok(options) = CString::new([b"lowerdir=", image, b":", store].concat()) else {
        return false;
    };
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    match rustix::mount::mount(c"appimage", &store[1..], c"overlay", flags, options.as_c_str()) {
        Ok(()) => true,
        Err(error) => {
            job.tell(format_args!(
                "the host's store is hidden, since they cannot be merged: {}",
                crate::failure::Reason(error)
            ));
            false
        }
    }
}

/// Binds what is in a directory of the host to the same names in the view: `host` begins with a slash or is empty, `view`
/// ends with one or is. Where the store is to appear but the host has no such directory (`names` leads there), directories
/// are made instead.
fn bind_all(job: &Job<'_>, host: &[u8], view: &[u8], names: &[&[u8]]) -> Result<(), Failure> {
    let mut descended = false;
    let directory = [host, b"/"].concat();
    for (name, kind) in entries(&directory).doing(format_args!("list `{}`", shown(&directory)))? {
        let name = name.as_bytes();
        if view.is_empty() && name == IMAGE {
            continue;
        }
        let (from, to) = ([&directory[..], name].concat(), [view, name].concat());
        if names.first() == Some(&name) && kind == FileType::Directory {
            descended = true;
            make(&to[..]).doing(format_args!("make `/{}`", shown(&to)))?;
            bind_all(job, &from, &[&to[..], b"/"].concat(), &names[1..])?;
        } else if let Err(error) = bind(&from, &to, kind) {
            // Something that is gone by now, or a mount that denies itself even to root.
            job.tell(format_args!(
                "`{}` is left out: {}",
                shown(&from),
                crate::failure::Reason(error)
            ));
        }
    }
    if descended {
        return Ok(());
    }
    let mut path = view.to_vec();
    for name in names {
        path.extend_from_slice(name);
        make(&path[..]).doing(format_args!("make `/{}`", shown(&path)))?;
        path.push(b'/');
    }
    Ok(())
}

fn make<P: rustix::path::Arg>(path: P) -> Result<(), Errno> {
    rustix::fs::mkdir(path, Mode::from_raw_mode(0o755))
}

fn bind(from: &[u8], to: &[u8], kind: FileType) -> Result<(), Errno> {
    match kind {
        FileType::Symlink => {
            let target = rustix::fs::readlink(from, Vec::new())?;
            rustix::fs::symlink(&target, to)
        }
        FileType::Directory => {
            make(to)?;
            rustix::mount::mount_bind_recursive(from, to)
        }
        _ => {
            drop(rustix::fs::open(
                to,
                OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC,
                Mode::from_raw_mode(0o644),
            )?);
            rustix::mount::mount_bind(from, to)
        }
    }
}

/// Names and kinds of what is in a directory.
fn entries(path: &[u8]) -> Result<Vec<(CString, FileType)>, Errno> {
    let fd = rustix::fs::open(
        path,
        OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut listing = RawDir::new(&fd, &mut buffer);
    let mut all = Vec::new();
    while let Some(entry) = listing.next() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not say.
            FileType::Unknown => {
                let status = rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(status.st_mode)
            }
            kind => kind,
        };
        all.push((name.into(), kind));
    }
    Ok(all)
}

fn is_directory(path: &[u8]) -> bool {
    rustix::fs::statat(CWD, path, AtFlags::empty())
        .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}
