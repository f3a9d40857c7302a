//! The process that takes away a mount that others can see, once nobody uses it any more.
//!
//! It waits for the application's process to end, and then for the mount to be left by all the processes that live on. It
//! holds nothing of the application's.

use alloc::vec::Vec;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{AtFlags, CWD, Timespec};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::process::{PidfdFlags, WaitOptions};
use rustix::thread::nanosleep;

use super::server::detach;
use crate::failure::{Doing, Failure};
use crate::fusermount::{self, Fusermount};
use crate::process::{Forked, exit_group, fork};

/// What is to be removed.
#[derive(Clone, Debug)]
pub(super) struct Left {
    /// Where it is mounted.
    pub(super) directory: Vec<u8>,
    /// The link to the store in it.
    pub(super) link: Option<Vec<u8>>,
    /// Who unmounts, if not we.
    pub(super) unmount: Option<Fusermount>,
}

/// Starts the process, for as long as the calling one lives.
pub(super) fn start(left: &Left) -> Result<(), Failure> {
    let application = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
        .doing("watch this process")?;
    // SAFETY: this program has one thread until its server starts others.
    match unsafe { fork() }.doing("start a process")? {
        Forked::Parent(child) => {
            let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
            Ok(())
        }
        Forked::Child => {
            // SAFETY: as above.
            let Ok(Forked::Child) = (unsafe { fork() }) else { exit_group(0) };
            let Some([application]) = detach([application.as_raw_fd()]) else { exit_group(1) };
            let mut wanted = [PollFd::from_borrowed_fd(application.as_fd(), PollFlags::IN)];
            while let Err(Errno::INTR) = poll(&mut wanted, None) {}
            let mut milliseconds = 10;
            while !left.unmounted() {
                let pause = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
                let _ = nanosleep(&pause);
                milliseconds = (milliseconds * 2).min(900);
            }
            left.remove();
            exit_group(0)
        }
    }
}

impl Left {
    /// Unmounts, unless somebody still uses it; says whether it is.
    fn unmounted(&self) -> bool {
        let done = match &self.unmount {
            None => rustix::mount::unmount(&self.directory[..], UnmountFlags::NOFOLLOW).is_ok(),
            Some(program) => fusermount::unmount(program, &self.directory),
        };
        done || !self.is_mounted()
    }

    /// Whether something is mounted there: its device is another than its parent's. Of a mount whose server died, the
    /// kernel says nothing at all.
    fn is_mounted(&self) -> bool {
        let device = |path: &[u8]| {
            rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map(|status| status.st_dev)
        };
        match (device(&self.directory), device(&[&self.directory[..], b"/.."].concat())) {
            (Err(Errno::NOENT), _) => false,
            (Ok(here), Ok(above)) => here != above,
            _ => true,
        }
    }

    /// Removes directory and link.
    pub(super) fn remove(&self) {
        let _ = rustix::fs::rmdir(&self.directory[..]);
        if let Some(link) = &self.link {
            let _ = rustix::fs::unlink(&link[..]);
        }
    }
}
