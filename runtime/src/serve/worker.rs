//! A thread that answers requests.

use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::ops::Range;
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;

use rustix::fd::BorrowedFd;
use rustix::io::{Errno, IoSlice, read, writev};
use squashfs::read::{Decompress, Error, Inode, ReadAt, Reader};

use super::Server;
use super::data::{Part, append};
use super::metadata::SharedMetadata;
use super::protocol::{MAX_READ, NO_SYSTEM_CALL, Put, REQUEST, Request, flag, header, operation};

/// What holes in files are made of. Atomic, for then it is memory that is not in the program's file; nobody writes to it.
static ZEROS: [AtomicU8; 64 << 10] = [const { AtomicU8::new(0) }; 64 << 10];

fn zeros() -> &'static [u8] {
    // SAFETY: an atomic byte is laid out as a byte, and these are never changed.
    unsafe { core::slice::from_raw_parts(ZEROS.as_ptr().cast(), ZEROS.len()) }
}

/// What an answer consists of.
#[derive(Debug)]
pub(super) enum Answer {
    /// The kernel expects none.
    Nothing,
    /// An error number, above zero.
    Error(i32),
    /// What is in `out`.
    Out,
    /// A part of what is in `out`.
    Within(Range<usize>),
    /// Parts of a file.
    Parts(Vec<Part>),
}

/// A thread's own things.
pub(super) struct Worker<S: 'static, D> {
    pub(super) server: &'static Server<S>,
    pub(super) reader: Reader<'static, S, SharedMetadata, D>,
    /// The answer that is being made.
    pub(super) out: Vec<u8>,
    fuse: BorrowedFd<'static>,
    request: Vec<u8>,
}

impl<S, D> fmt::Debug for Worker<S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Worker({:?})", self.fuse)
    }
}

impl<S: ReadAt + Send + Sync + 'static, D: Decompress + Default> Worker<S, D> {
    /// Answers what comes from `fuse`.
    pub(super) fn new(server: &'static Server<S>, fuse: BorrowedFd<'static>) -> Self {
        let reader = server.image.reader(D::default());
        let request = alloc::vec![0; REQUEST];
        Self { server, reader, out: Vec::new(), fuse, request }
    }

    /// Where requests come from.
    pub(super) fn fuse(&self) -> BorrowedFd<'static> {
        self.fuse
    }

    /// Answers what comes from another descriptor.
    pub(super) fn answer_from(&mut self, fuse: BorrowedFd<'static>) {
        self.fuse = fuse;
    }

    /// Answers until there is nobody to ask; says why.
    pub(super) fn turns(&mut self) -> Errno {
        loop {
            if let Err(end) = self.turn() {
                return end;
            }
        }
    }

    /// Answers a request.
    fn turn(&mut self) -> Result<(), Errno> {
        let mut bytes = mem::take(&mut self.request);
        let len = read(self.fuse, &mut bytes[..]);
        self.request = bytes;
        let len = match len {
            Ok(len) => len,
            // No request came, or who made it has gone away again.
            Err(Errno::INTR | Errno::AGAIN | Errno::NOENT) => return Ok(()),
            Err(end) => return Err(end),
        };
        let bytes = mem::take(&mut self.request);
        if let Some(request) = Request::parse(&bytes[..len]) {
            let answer = self.answer(&request);
            self.send(request.unique, &answer);
        }
        self.request = bytes;
        Ok(())
    }

    pub(super) fn answer(&mut self, request: &Request<'_>) -> Answer {
        const IO: i32 = 5;
        const NOT_A_DIRECTORY: i32 = 20;
        const INVALID: i32 = 22;
        self.out.clear();
        let answer = match request.operation {
            operation::LOOKUP => self.lookup(request),
            operation::GETATTR => self.get_attributes(request),
            operation::READLINK => self.read_link(request),
            operation::READ => self.read(request),
            operation::READDIR => self.list(request, false),
            operation::READDIRPLUS => self.list(request, true),
            operation::GETXATTR => self.get_xattr(request),
            operation::LISTXATTR => self.list_xattrs(request),
            operation::STATFS => Ok(self.file_system()),
            operation::INIT => Ok(self.init(request)),
            operation::OPEN => Ok(self.open(request.node)),
            operation::OPENDIR => Ok(self.open_directory()),
            operation::DESTROY => Ok(Answer::Out),
            // Nodes are places in the image: there is nothing to forget.
            operation::FORGET | operation::BATCH_FORGET => Ok(Answer::Nothing),
            _ => Ok(Answer::Error(NO_SYSTEM_CALL)),
        };
        answer.unwrap_or_else(|error| {
            Answer::Error(match error {
                Error::Io(number) if number > 0 => number,
                Error::NotADirectory => NOT_A_DIRECTORY,
                Error::NotASymlink | Error::NotAFile => INVALID,
                _ => IO,
            })
        })
    }

    fn init(&mut self, request: &Request<'_>) -> Answer {
        let (minor, readahead, offered) = (request.u32(4), request.u32(8), request.u32(12));
        self.server.kernel.store(offered, Relaxed);
        self.out.put_init(minor, readahead, offered);
        Answer::Out
    }

    /// That directories need not be opened; where the kernel insists, that their listings may be kept.
    fn open_directory(&mut self) -> Answer {
        /// `FOPEN_KEEP_CACHE` and `FOPEN_CACHE_DIR`.
        const KEEP: u32 = 1 << 1 | 1 << 3;
        if self.server.kernel_knows(flag::NO_OPENDIR) {
            return Answer::Error(NO_SYSTEM_CALL);
        }
        self.out.put_u64(0);
        self.out.put_u32(KEEP);
        self.out.put_u32(0);
        Answer::Out
    }

    /// `struct fuse_statfs_out`.
    fn file_system(&mut self) -> Answer {
        let superblock = self.server.image.superblock();
        let blocks = superblock.bytes_used.div_ceil(superblock.block_size.into());
        for value in [blocks, 0, 0, superblock.inodes.into(), 0] {
            self.out.put_u64(value);
        }
        // The longest name that Linux takes; the format has one byte more.
        for value in [superblock.block_size, 255, superblock.block_size, 0] {
            self.out.put_u32(value);
        }
        self.out.resize(80, 0);
        Answer::Out
    }

    fn read(&mut self, request: &Request<'_>) -> Result<Answer, Error> {
        let (offset, size) = (request.u64(8), request.u32(16));
        let inode = self.inode(request.node)?;
        self.content_of(&inode, offset, (size as usize).min(MAX_READ))
    }

    /// The content of a file as it is served.
    pub(super) fn content_of(
        &mut self,
        inode: &Inode,
        offset: u64,
        len: usize,
    ) -> Result<Answer, Error> {
        let mut parts = Vec::new();
        let server = self.server;
        let Some(rewrite) = &server.rewrite else {
            self.parts(inode, offset, len, &mut parts)?;
            return Ok(Answer::Parts(parts));
        };
        // What is replaced may begin before what is asked for, and end behind it.
        let start = offset.saturating_sub(rewrite.reach() as u64);
        let before = usize::try_from(offset - start).unwrap_or(0);
        self.parts(inode, start, before + len + rewrite.reach(), &mut parts)?;
        append(&parts, &mut self.out);
        rewrite.apply(&mut self.out);
        let end = self.out.len();
        Ok(Answer::Within(before.min(end)..(before + len).min(end)))
    }

    /// Gives the kernel an answer. If that fails, nobody waits for it any more.
    fn send(&self, unique: u64, answer: &Answer) {
        let error = if let Answer::Error(number) = answer { -number } else { 0 };
        if !matches!(answer, Answer::Nothing) {
            self.write(unique, error, &[], answer);
        }
    }

    /// Writes a header, what goes before the answer's body, and that.
    pub(super) fn write(&self, unique: u64, error: i32, front: &[u8], answer: &Answer) {
        let body: &[u8] = match answer {
            Answer::Nothing | Answer::Error(_) | Answer::Parts(_) => &[],
            Answer::Out => &self.out,
            Answer::Within(range) => self.out.get(range.clone()).unwrap_or(&[]),
        };
        let mut slices = alloc::vec![IoSlice::new(&[]), IoSlice::new(front), IoSlice::new(body)];
        let mut len = front.len() + body.len();
        if let Answer::Parts(parts) = answer {
            for part in parts {
                match part {
                    Part::Block(block, range) => {
                        slices.push(IoSlice::new(block.get(range.clone()).unwrap_or(&[])));
                        len += range.len();
                    }
                    Part::Zeros(zeros) => {
                        let (whole, rest) = (zeros / ZEROS.len(), zeros % ZEROS.len());
                        slices.extend((0..whole).map(|_| IoSlice::new(self::zeros())));
                        slices.push(IoSlice::new(&self::zeros()[..rest]));
                        len += zeros;
                    }
                }
            }
        }
        let header = header(unique, error, len);
        slices[0] = IoSlice::new(&header);
        let _ = writev(self.fuse, &slices);
    }
}
