//! The working directory, which is to be the same after the root has changed.

use alloc::vec::Vec;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// Where the process was.
#[derive(Debug)]
pub(super) struct WorkingDirectory {
    fd: Option<OwnedFd>,
    path: Vec<u8>,
}

impl WorkingDirectory {
    /// Remembers where the process is.
    pub(super) fn remember() -> Self {
        Self {
            fd: rustix::fs::open(
                c".",
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .ok(),
            path: rustix::process::getcwd(Vec::new())
                .map(alloc::ffi::CString::into_bytes)
                .unwrap_or_default(),
        }
    }

    /// Goes there again: by its path where that leads to the same directory or into the store, which is another on
    /// purpose; else by the descriptor, as a directory whose path is covered can still be used.
    pub(super) fn restore(self, store: Option<&[u8]>) {
        let Some(fd) = self.fd else { return };
        let within = store.is_some_and(|store| {
            self.path
                .strip_prefix(store)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        });
        let same = || {
            let (then, now) = (
                rustix::fs::fstat(&fd).ok()?,
                rustix::fs::statat(CWD, &self.path[..], AtFlags::empty()).ok()?,
            );
            (then.st_dev == now.st_dev && then.st_ino == now.st_ino).then_some(())
        };
        if (within || same().is_some()) && rustix::process::chdir(&self.path[..]).is_ok() {
            return;
        }
        let _ = rustix::process::fchdir(fd);
    }
}
