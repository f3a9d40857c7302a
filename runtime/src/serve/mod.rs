//! Serves an image to the kernel: FUSE's protocol spoken over `/dev/fuse`, without a library.
//!
//! The process that calls [`Serve::serve`] is the server and nothing else. It asks nobody to unmount anything: when the last
//! process that uses the file system has ended, the kernel says so, and the server ends too.
//!
//! - [`protocol`]: requests and answers as bytes, and what is agreed on at the beginning (`linux/fuse.h`).
//! - [`Server`] has what all threads share, a [`Worker`] answers requests with it, one after the other.
//! - [`blocks`]: data that was decompressed, each block by one thread while the others wait for it.
//! - [`ahead`]: what is read before anybody asks.
//!
//! What takes no request takes no time: files and directories are not opened (the kernel learns that it need not ask),
//! names and attributes are valid for ever, also that there is no such name, and the data stays in the kernel's cache.

mod ahead;
mod blocks;
mod data;
mod metadata;
mod names;
mod protocol;
#[cfg(test)]
mod tests;
mod worker;

use alloc::boxed::Box;
use core::num::NonZeroUsize;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU32};

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use squashfs::read::{Decompress, Error, Image, ReadAt};

use crate::process::exit_group;
use crate::rewrite::Rewrite;
use crate::thread;
use ahead::{Ahead, Program};
use blocks::BlockCache;
use metadata::SharedMetadata;
use worker::Worker;

/// How an image is served.
#[derive(Debug, Default)]
pub struct ServeOptions {
    /// How many threads serve; by default one for each processor that the process may use, up to four.
    pub threads: Option<NonZeroUsize>,
    /// What is replaced in files and targets of links.
    pub rewrite: Option<Rewrite>,
}

/// Bytes of data that are kept decompressed, if the blocks are not so large that all threads together need more.
const CACHE: usize = 16 << 20;

/// What all threads share.
#[derive(Debug)]
struct Server<S> {
    image: Image<S, SharedMetadata>,
    blocks: BlockCache,
    rewrite: Option<Rewrite>,
    marks: data::Marks,
    ahead: Ahead,
    threads: usize,
    /// Whether a file was opened; all others are not asked for then.
    opened: AtomicBool,
    /// The bits of `FUSE_INIT` that the kernel knows.
    kernel: AtomicU32,
}

impl<S: ReadAt + Send + Sync + 'static> Server<S> {
    fn new<D: Decompress + Default>(
        source: S,
        offset: u64,
        threads: usize,
        rewrite: Option<Rewrite>,
    ) -> Result<Self, Error> {
        let image = Image::open(source, offset, SharedMetadata::default(), D::default())?;
        let block_size = image.superblock().block_size as usize;
        // A request pins the blocks of a megabyte that need not begin with one; rewriting looks at one more.
        let pinned = protocol::MAX_READ / block_size + 4;
        let slots = (CACHE / block_size).max(threads * pinned);
        Ok(Self {
            image,
            blocks: BlockCache::new(slots, block_size),
            rewrite,
            marks: data::Marks::default(),
            ahead: Ahead::default(),
            threads,
            opened: AtomicBool::new(false),
            kernel: AtomicU32::new(0),
        })
    }
}

/// An image that can be served.
#[derive(Debug)]
pub struct Serve<S: 'static, D> {
    /// Of the first thread.
    worker: Worker<S, D>,
}

impl<S, D> Serve<S, D>
where
    S: ReadAt + Send + Sync + 'static,
    D: Decompress + Default,
{
    /// Opens the image that begins at `offset` of the source, for the file system that is going to be mounted with `fuse`.
    pub fn open(
        fuse: OwnedFd,
        source: S,
        offset: u64,
        options: ServeOptions,
    ) -> Result<Self, Error> {
        let threads = options.threads.map_or_else(processors, NonZeroUsize::get);
        let server = Server::new::<D>(source, offset, threads, options.rewrite)?;
        // Both live as long as the process does.
        let fuse: &'static OwnedFd = Box::leak(Box::new(fuse));
        Ok(Self { worker: Worker::new(Box::leak(Box::new(server)), fuse.as_fd()) })
    }

    /// Reads the program at a path of the image, which is going to be run, until there is better to do.
    pub fn read_ahead(&mut self, program: &[u8], enough: impl Fn() -> bool) {
        // Whoever needs what cannot be read is told so then.
        let _ = self.worker.read_ahead(program, &enough);
    }

    /// Serves the image, now that it is mounted, until the file system is gone; then the process ends.
    pub fn serve(mut self) -> ! {
        exit_group(status(self.worker.turns()))
    }
}

/// Starts the other threads, each of which makes a codec of its own. The first answers come from the first thread alone:
/// nobody waits for threads to begin.
fn start_threads<S, D>(
    server: &'static Server<S>,
    fuse: BorrowedFd<'static>,
    program: Option<&'static Program>,
) where
    S: ReadAt + Send + Sync + 'static,
    D: Decompress + Default,
{
    for _ in 1..server.threads {
        let started = thread::spawn(move || {
            let mut worker = Worker::<S, D>::new(server, fuse);
            if let Some(program) = program {
                while let Ok(true) = worker.read_next(program) {}
            }
            let own: &'static Option<OwnedFd> = Box::leak(Box::new(own_queue(fuse)));
            if let Some(own) = own {
                worker.answer_from(own.as_fd());
            }
            exit_group(status(worker.turns()))
        });
        if started.is_err() {
            // Fewer will do.
            break;
        }
    }
}

/// How many threads are worth having.
fn processors() -> usize {
    /// More would wait for each other's memory and for the kernel's queue.
    const MOST: usize = 4;
    rustix::thread::sched_getaffinity(None)
        .map_or(1, |set| usize::try_from(set.count()).unwrap_or(1))
        .clamp(1, MOST)
}

/// The end of a file system is the usual end of its server.
fn status(end: Errno) -> i32 {
    i32::from(end != Errno::NODEV)
}

/// Another descriptor of the same file system, so that threads do not wait for each other's answers to be written.
/// Without it they do.
fn own_queue(fuse: BorrowedFd<'_>) -> Option<OwnedFd> {
    use rustix::ioctl::{Setter, ioctl};
    let device = rustix::fs::open(c"/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let device = device.ok()?;
    let number = u32::try_from(fuse.as_raw_fd()).ok()?;
    // SAFETY: the request reads the number behind the pointer and changes no memory of ours.
    unsafe { ioctl(&device, Setter::<{ protocol::CLONE }, u32>::new(number)) }.ok()?;
    Some(device)
}

impl<S> Server<S> {
    fn kernel_knows(&self, flag: u32) -> bool {
        self.kernel.load(Relaxed) & flag != 0
    }
}
