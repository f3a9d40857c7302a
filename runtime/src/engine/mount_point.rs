//! FUSE in a directory of its own, which everybody on the machine can see: no namespaces, so that set-user-ID programs
//! work and what the application mounts is mounted.
//!
//! An image with a store is looked for at the store's place all the same. So each `/nix/store/` in its files is read as
//! the path of a link to the mounted store, which is as long.

use alloc::ffi::CString;
use alloc::format;
use alloc::vec::Vec;

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::MountFlags;

use super::server::{self, Serving};
use super::watcher::{self, Left};
use super::{Job, Ready, rights, user};
use crate::failure::{Doing, Failure, Reason, shown};
use crate::fusermount;
use crate::message::write_all;
use crate::names::{Names, link_beside, temporary_folders};
use crate::rewrite::Rewrite;

/// Mounts the server's file system.
pub(super) fn mount(
    device: &OwnedFd,
    target: &[u8],
    job: &Job<'_>,
    others: bool,
) -> Result<(), Failure> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let others = if others { ",allow_other" } else { "" };
    let options = format!(
        "fd={},rootmode=40000,user_id={uid},group_id={gid},default_permissions{others}",
        device.as_raw_fd()
    );
    let options = CString::new(options).unwrap_or_default();
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount(job.file.name(), target, c"fuse.appimage", flags, options.as_c_str())
        .doing(format_args!("mount FUSE on `{}`", shown(target)))
}

/// The engine.
pub(super) fn prepare(job: &Job<'_>) -> Result<Ready, Failure> {
    place(job, job.metadata.store)
}

/// Mounts, says where on standard output, and waits for a signal.
pub fn mount_and_wait(job: &Job<'_>) -> Result<(), Failure> {
    let path = match place(job, None) {
        Ok(ready) => ready.directory,
        // Where nobody mounts for us: in a namespace, into which others of this user can look.
        Err(first) => match user::over_fuse(job) {
            Ok(ready) => {
                let me = rustix::process::getpid().as_raw_nonzero();
                [format!("/proc/{me}/root").as_bytes(), &ready.directory].concat()
            }
            Err(second) => return Err(Failure::new(format!("{first}; {second}"))),
        },
    };
    // SAFETY: writing to a descriptor that may be closed harms no memory.
    let stdout = unsafe { BorrowedFd::borrow_raw(1) };
    write_all(stdout, &[&path[..], b"\n"].concat()).doing("write to standard output")?;
    loop {
        rustix::event::pause();
    }
}

/// Mounts, with the path of the store rewritten if there is one.
fn place(job: &Job<'_>, store: Option<&[u8]>) -> Result<Ready, Failure> {
    let may_mount = rights::rights().mount;
    // Asked first, so that nothing is left of what cannot work.
    let program = if may_mount { None } else { Some(fusermount::find(job.start)?) };
    let device = if may_mount { Some(server::open_device()?) } else { None };
    let directory = make_directory(job)?;
    let mut left = Left { directory: directory.clone(), link: None, unmount: program.clone() };
    let mut rewrite = None;
    let mut mounted = || -> Result<(), Failure> {
        if let Some(store) = store {
            let mut names = Names::random()?;
            let link = link_beside(&[&directory[..], store].concat(), store.len() + 1, &mut names)?;
            rewrite = Rewrite::new(&[store, b"/"].concat(), &[&link[..], b"/"].concat());
            left.link = Some(link);
        }
        let serving = Serving { rewrite: rewrite.clone() };
        match (&device, &program) {
            (Some(device), _) => {
                let server = server::start(job, device, serving)?;
                mount(device, &directory, job, true)?;
                server.go()
            }
            (None, Some(program)) => {
                let device = fusermount::mount(program, &directory, job.file.name())?;
                server::start(job, &device, serving)?.go()
            }
            (None, None) => Ok(()),
        }
    };
    // From now on somebody sees to what is left behind, however this ends.
    match mounted().and_then(|()| watcher::start(&left)) {
        Ok(()) => Ok(Ready { directory, rewrite }),
        Err(failure) => {
            left.remove();
            Err(failure)
        }
    }
}

fn make_directory(job: &Job<'_>) -> Result<Vec<u8>, Failure> {
    let name: Vec<u8> = job.file.name().iter().copied().take(6).collect();
    let mut names = Names::random()?;
    let mut last = Errno::NOENT;
    for folder in temporary_folders(job.start) {
        for _ in 0..100 {
            let path = [&folder[..], b"/.mount_", &name, &names.next(6)].concat();
            match rustix::fs::mkdir(&path[..], Mode::RWXU) {
                Ok(()) => return Ok(path),
                Err(Errno::EXIST) => {}
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
    }
    Err(Failure::new(format!("cannot make a directory to mount in: {}", Reason(last))))
}
