//! Without rights: a user namespace, in which one may mount. It is made by a helper process and joined when all has worked,
//! since there is no way out of one.

use alloc::format;
use alloc::string::ToString;

use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitOptions};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, UnshareFlags, move_into_link_name_space,
    move_into_thread_name_spaces, unshare_unsafe,
};

use super::handshake::pipe;
use super::server::{self, Serving};
use super::view::{self, Source};
use super::working_directory::WorkingDirectory;
use super::{Job, Ready, rights, unpacked};
use crate::failure::{Doing, Failure};
use crate::message::write_all;
use crate::process::{Forked, exit_group, fork};

/// FUSE, mounted without help of any other program.
pub(super) fn over_fuse(job: &Job<'_>) -> Result<Ready, Failure> {
    enter(job, None)
}

/// An unpacked image.
pub(super) fn over_unpacked(job: &Job<'_>) -> Result<Ready, Failure> {
    allowed()?;
    let folder = unpacked::folder(job)?;
    over_folder(job, &folder)
}

/// An image unpacked there.
pub(super) fn over_folder(job: &Job<'_>, folder: &[u8]) -> Result<Ready, Failure> {
    enter(job, Some(folder))
}

fn allowed() -> Result<(), Failure> {
    match rights::rights().any {
        false => Ok(()),
        true => Err(Failure::new(
            "a user namespace would take away the capabilities that this process has",
        )),
    }
}

fn enter(job: &Job<'_>, folder: Option<&[u8]>) -> Result<Ready, Failure> {
    allowed()?;
    let directory = WorkingDirectory::remember();
    let (report, reporter) = pipe().doing("make a pipe")?;
    let (joined, join) = pipe().doing("make a pipe")?;
    // SAFETY: this program has one thread until its server starts others.
    match unsafe { fork() }.doing("start a process")? {
        Forked::Child => {
            drop((report, join));
            match help(job, folder) {
                Ok(()) => {
                    let _ = reporter.go();
                    // The namespaces live on with whoever has joined them, or end with this process.
                    joined.wait();
                    exit_group(0)
                }
                Err(failure) => {
                    let _ = reporter.send(failure.to_string().as_bytes());
                    exit_group(1)
                }
            }
        }
        Forked::Parent(helper) => {
            drop((reporter, joined));
            let outcome = report
                .report()
                .map_err(Failure::new)
                .and_then(|()| join_namespaces(helper).doing("join the user namespace"));
            drop(join);
            let _ = rustix::process::waitpid(Some(helper), WaitOptions::empty());
            outcome?;
            directory.restore(job.metadata.store);
            Ok(view::ready())
        }
    }
}

/// Makes the namespaces, and in them the view.
fn help(job: &Job<'_>, folder: Option<&[u8]>) -> Result<(), Failure> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    // SAFETY: the flag concerns rights, not descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }.doing("make a user namespace")?;
    // Groups may not be dropped where one's own are mapped without rights; before Linux 3.19 nobody asks.
    let _ = write(b"/proc/self/setgroups", b"deny");
    write(b"/proc/self/uid_map", format!("{uid} {uid} 1").as_bytes())
        .doing("write `/proc/self/uid_map`")?;
    write(b"/proc/self/gid_map", format!("{gid} {gid} 1").as_bytes())
        .doing("write `/proc/self/gid_map`")?;
    let fuse = match folder {
        Some(_) => None,
        None => {
            let device = server::open_device()?;
            let server = server::start_beside(job, &device, Serving::default())?;
            Some((device, server))
        }
    };
    // SAFETY: the flag concerns mounts, not descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.doing("make a mount namespace")?;
    match (folder, fuse) {
        (None, Some((device, server))) => {
            view::build(job, Source::Fuse { device: &device, server })
        }
        (folder, _) => view::build(job, Source::Folder(folder.unwrap_or_default())),
    }
}

fn write(path: &[u8], text: &[u8]) -> Result<(), Errno> {
    let fd = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write_all(fd.as_fd(), text)
}

fn join_namespaces(helper: Pid) -> Result<(), Errno> {
    let process = rustix::process::pidfd_open(helper, PidfdFlags::empty());
    let both = ThreadNameSpaceType::USER | ThreadNameSpaceType::MOUNT;
    match process.and_then(|process| move_into_thread_name_spaces(process.as_fd(), both)) {
        // Before Linux 5.8.
        Err(Errno::NOSYS | Errno::INVAL) => {
            for (name, kind) in
                [("user", LinkNameSpaceType::User), ("mnt", LinkNameSpaceType::Mount)]
            {
                let link = format!("/proc/{}/ns/{name}", helper.as_raw_nonzero());
                let fd =
                    rustix::fs::open(&link[..], OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
                move_into_link_name_space(fd.as_fd(), Some(kind))?;
            }
            Ok(())
        }
        done => done,
    }
}
