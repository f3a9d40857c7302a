//! The process that answers the kernel's questions about the mounted image.
//!
//! It is a stranger to the application: not its child, in a session of its own, deaf to the signals that end it, holding
//! none of its descriptors. It ends by itself when the last mount of the image is gone, which it learns from the kernel.

use rustix::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions};

use super::Job;
use super::handshake::{Go, Wait, pipe};
use crate::failure::{Doing, Failure};
use crate::image::{Codecs, Source};
use crate::process::{Forked, close_from, exit_group, fork, ignore};
use crate::rewrite::Rewrite;
use crate::serve::{Serve, ServeOptions};

/// How the image is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Serving {
    /// Replaced in files and links as they are read.
    pub(super) rewrite: Option<Rewrite>,
}

/// A server that waits to be let go, or ends if it never is.
#[derive(Debug)]
pub(super) struct Started {
    go: Go,
    /// Waited for last: while the image is being mounted, nobody has to wait for a process to begin and to end.
    _parent: Option<Parent>,
}

/// The process that has started the server and ends at once.
#[derive(Debug)]
struct Parent(Pid);

impl Started {
    /// The image is mounted.
    pub(super) fn go(self) -> Result<(), Failure> {
        self.go.go().doing("let the server begin")
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        let _ = rustix::process::waitpid(Some(self.0), WaitOptions::empty());
    }
}

/// Opens the device; the kernel ties it to the user namespace that it is opened in.
pub(super) fn open_device() -> Result<OwnedFd, Failure> {
    rustix::fs::open(c"/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .doing("open `/dev/fuse`")
}

/// Starts the server as a child of nobody. It waits to be let go until the image is mounted: before, reading the device
/// is an error.
pub(super) fn start(job: &Job<'_>, device: &OwnedFd, serving: Serving) -> Result<Started, Failure> {
    let (wait, go) = pipe().doing("make a pipe")?;
    // SAFETY: this program has one thread until its server starts others.
    match unsafe { fork() }.doing("start the server")? {
        Forked::Parent(child) => {
            drop(wait);
            Ok(Started { go, _parent: Some(Parent(child)) })
        }
        Forked::Child => {
            // SAFETY: as above.
            match unsafe { fork() } {
                Ok(Forked::Child) => {
                    drop(go);
                    run(job, device, &wait, serving)
                }
                // The server is adopted by the system.
                _ => exit_group(0),
            }
        }
    }
}

/// Starts the server as a child of this process, which is about to end and so makes it an orphan as well.
pub(super) fn start_beside(
    job: &Job<'_>,
    device: &OwnedFd,
    serving: Serving,
) -> Result<Started, Failure> {
    let (wait, go) = pipe().doing("make a pipe")?;
    // SAFETY: as in `start`.
    match unsafe { fork() }.doing("start the server")? {
        Forked::Parent(_) => Ok(Started { go, _parent: None }),
        Forked::Child => {
            drop(go);
            run(job, device, &wait, serving)
        }
    }
}

fn run(job: &Job<'_>, device: &OwnedFd, wait: &Wait, serving: Serving) -> ! {
    let descriptors = [device.as_raw_fd(), job.file.source.0.as_raw_fd(), wait.0.as_raw_fd()];
    let Some([device, file, wait]) = detach(descriptors) else { exit_group(1) };
    let options = ServeOptions { rewrite: serving.rewrite, ..ServeOptions::default() };
    let wait = Wait(wait);
    let mut image = Serve::<_, Codecs>::open(device, Source(file), job.file.offset, options);
    if let Ok(image) = &mut image {
        image.read_ahead(job.program.unwrap_or(b"AppRun"), || wait.is_over());
    }
    if !wait.wait() {
        exit_group(0);
    }
    match image {
        Ok(image) => image.serve(),
        Err(error) => {
            crate::message::error(format_args!("the image cannot be served: {error}"));
            exit_group(1)
        }
    }
}

/// Lets go of everything that the starting process had but these descriptors, which get the numbers 3, 4 and 5.
pub(super) fn detach<const N: usize>(descriptors: [RawFd; N]) -> Option<[OwnedFd; N]> {
    /// The first number that is not a standard descriptor's.
    const FIRST: RawFd = 3;
    /// Numbers that none of those kept will have.
    const ASIDE: RawFd = 64;
    let _ = rustix::process::setsid();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::PIPE] {
        let _ = ignore(signal);
    }
    let _ = rustix::process::chdir(c"/");
    let mut kept = [0; N];
    for (kept, fd) in kept.iter_mut().zip(descriptors) {
        // SAFETY: the descriptors are open: their owners are on the stack of this process.
        let fd = unsafe { rustix::fd::BorrowedFd::borrow_raw(fd) };
        *kept = rustix::io::fcntl_dupfd_cloexec(fd, ASIDE)
            .ok()
            .map(rustix::fd::IntoRawFd::into_raw_fd)?;
    }
    let mut number = FIRST;
    let owned = kept.map(|fd| {
        // SAFETY: what had the number before is not used again: this process never returns to who opened it. The
        // number is owned once, here.
        unsafe {
            let mut target = OwnedFd::from_raw_fd(number);
            let _ = rustix::io::dup3(
                rustix::fd::BorrowedFd::borrow_raw(fd),
                &mut target,
                rustix::io::DupFlags::CLOEXEC,
            );
            number += 1;
            target
        }
    });
    // SAFETY: as above; those kept are below.
    unsafe { close_from(u32::try_from(number).unwrap_or(0)) };
    // Whoever reads the other end of the application's output must see it end with the application.
    for number in 0..FIRST {
        // SAFETY: the standard descriptors belong to nobody in particular.
        unsafe { rustix::io::close(number) };
    }
    if let Ok(null) = rustix::fs::open(c"/dev/null", OFlags::RDWR, Mode::empty()) {
        let zero = rustix::fd::IntoRawFd::into_raw_fd(null);
        for number in 1..FIRST {
            // SAFETY: both were closed just now, and become standard descriptors that are never closed again.
            unsafe {
                let mut target = OwnedFd::from_raw_fd(number);
                let _ = rustix::io::dup2(rustix::fd::BorrowedFd::borrow_raw(zero), &mut target);
                core::mem::forget(target);
            }
        }
    }
    Some(owned)
}
