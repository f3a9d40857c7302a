//! One byte through a pipe: go on. Its end instead: whoever would have sent it has failed or is gone.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Timespec;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::message::write_all;

/// A pipe whose ends do not go to other programs.
pub(super) fn pipe() -> Result<(Wait, Go), Errno> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((Wait(read), Go(write)))
}

/// What is sent.
const GO: u8 = 1;

/// The end that waits.
#[derive(Debug)]
pub(super) struct Wait(pub(super) OwnedFd);

/// The end that lets go.
#[derive(Debug)]
pub(super) struct Go(OwnedFd);

impl Wait {
    /// Whether [`Self::wait`] would not wait.
    pub(super) fn is_over(&self) -> bool {
        let mut wanted = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut wanted, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Whether to go on.
    pub(super) fn wait(self) -> bool {
        let mut byte = [0];
        loop {
            match rustix::io::read(&self.0, &mut byte) {
                Err(Errno::INTR) => {}
                read => return matches!(read, Ok(1)),
            }
        }
    }

    /// Waits for the same, or for a message of a few hundred bytes that says why not.
    pub(super) fn report(self) -> Result<(), alloc::string::String> {
        let mut all = alloc::vec::Vec::new();
        let mut buffer = [0; 512];
        loop {
            match rustix::io::read(&self.0, &mut buffer) {
                Err(Errno::INTR) => {}
                Ok(1) if all.is_empty() && buffer.first() == Some(&GO) => return Ok(()),
                Ok(read) if read > 0 => {
                    all.extend_from_slice(buffer.get(..read).unwrap_or_default());
                }
                _ => return Err(crate::failure::shown(&all)),
            }
        }
    }
}

impl Go {
    /// Lets the other side go on.
    pub(super) fn go(self) -> Result<(), Errno> {
        self.send(&[GO])
    }

    /// Sends a message; `self` closes with it.
    pub(super) fn send(self, bytes: &[u8]) -> Result<(), Errno> {
        write_all(self.0.as_fd(), bytes)
    }
}
