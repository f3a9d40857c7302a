//! What will be asked for first: the program that is about to be run, and what runs it.
//!
//! While the image is being mounted nobody asks for anything, so that there is time to read it. The kernel is given
//! the program as soon as it opens it: each piece that it would have to ask for would cost two changes of process.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use squashfs::read::{Decompress, Error, Inode, Kind, ReadAt};

use super::data::{Part, append};
use super::names::node;
use super::protocol::{NO_SYSTEM_CALL, Put, STORE};
use super::start_threads;
use super::worker::{Answer, Worker};
use crate::mutex::Mutex;
use crate::program::{follow, interpreter};

/// How much of a file is read.
const MOST: usize = 1 << 20;

/// How much of it names what runs it.
const HEAD: usize = 4096;

/// A script, its interpreter, and that one's loader.
const FILES: usize = 3;

/// The program, once it is known which file that is.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<Option<&'static Program>>);

/// A file whose blocks are read by whoever has time.
#[derive(Debug)]
pub(super) struct Program {
    node: u64,
    inode: Inode,
    /// In bytes.
    size: usize,
    /// How many blocks somebody has read or is reading.
    begun: AtomicUsize,
}

impl Program {
    fn new(node: u64, inode: Inode) -> Self {
        let size = match inode.kind {
            Kind::File(file) => usize::try_from(file.size).unwrap_or(usize::MAX),
            _ => 0,
        };
        Self { node, inode, size, begun: AtomicUsize::new(0) }
    }

    /// The beginning and the length of the block that nobody has begun yet.
    fn next(&self, block: usize) -> Option<(usize, usize)> {
        let start = self.begun.fetch_add(1, Relaxed).checked_mul(block)?;
        let end = self.size.min(MOST);
        (start < end).then(|| (start, block.min(end - start)))
    }

    /// How many bytes were begun. Nobody begins more of a file that is longer than what is read of it.
    fn stop(&self, block: usize) -> usize {
        let begun = self.begun.swap(usize::MAX / 2, Relaxed).saturating_mul(block);
        begun.min(self.size).min(MOST)
    }
}

impl<S: ReadAt + Send + Sync + 'static, D: Decompress + Default> Worker<S, D> {
    /// Reads the program at a path of the image, and what runs it, until there is better to do.
    pub(super) fn read_ahead(
        &mut self,
        path: &[u8],
        enough: &impl Fn() -> bool,
    ) -> Result<(), Error> {
        let mut path = path.to_vec();
        for _ in 0..FILES {
            let Some(inode) = follow(&mut self.reader, &path)? else { break };
            let node = node(self.server.image.superblock().root, inode.reference);
            // It lives as long as the process does.
            let program: &'static Program = Box::leak(Box::new(Program::new(node, inode)));
            self.server.ahead.0.lock().get_or_insert(program);
            while !enough() && self.read_next(program)? {}
            if enough() {
                break;
            }
            let head = self.head(&inode)?;
            let Some(interpreter) = interpreter(&head) else { break };
            path = interpreter.to_vec();
        }
        Ok(())
    }

    /// Has the next block in the cache that nobody has begun to read; says whether there was one.
    pub(super) fn read_next(&mut self, program: &Program) -> Result<bool, Error> {
        let block = self.server.image.superblock().block_size as usize;
        let Some((start, len)) = program.next(block) else { return Ok(false) };
        let mut parts = Vec::new();
        self.parts(&program.inode, start as u64, len, &mut parts)?;
        for part in &mut parts {
            if let Part::Block(block, _) = part {
                block.keep();
            }
        }
        Ok(true)
    }

    fn head(&mut self, inode: &Inode) -> Result<Vec<u8>, Error> {
        let mut parts = Vec::new();
        self.parts(inode, 0, HEAD, &mut parts)?;
        let mut head = Vec::new();
        append(&parts, &mut head);
        Ok(head)
    }

    /// Answers that files need not be opened, so that it is asked once: for the program, most likely. Whoever opened it
    /// waits, so that nobody waits for its pages yet.
    pub(super) fn open(&mut self, opened: u64) -> Answer {
        if self.server.opened.swap(true, Relaxed) {
            return Answer::Error(NO_SYSTEM_CALL);
        }
        let program = *self.server.ahead.0.lock();
        let program = program.filter(|program| program.node == opened);
        // From now on there is work for several.
        start_threads::<S, D>(self.server, self.fuse(), program);
        if let Some(program) = program {
            // What cannot be read is told to whoever asks for it.
            let _ = self.give(program);
        }
        Answer::Error(NO_SYSTEM_CALL)
    }

    /// Gives a small program to the kernel whole, and of a larger one what has been read: block after block, while the
    /// other thread reads the next ones.
    fn give(&mut self, program: &Program) -> Result<(), Error> {
        let block = self.server.image.superblock().block_size as usize;
        let len = match program.size {
            size if size <= MOST => size,
            _ => program.stop(block),
        };
        for start in (0..len).step_by(block) {
            self.read_next(program)?;
            let end = len.min(start + block);
            let content = self.content_of(&program.inode, start as u64, end - start)?;
            // `struct fuse_notify_store_out`. A kernel that does not know it asks for the content.
            let mut front = Vec::new();
            front.put_u64(program.node);
            front.put_u64(start as u64);
            front.put_u32(u32::try_from(end - start).unwrap_or(0));
            front.put_u32(0);
            self.write(0, STORE, &front, &content);
            self.out.clear();
        }
        Ok(())
    }
}
