//! What an image is made from.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A regular file's bytes, opened when their turn comes.
pub trait Content: Debug + Send + Sync {
    /// Its length. Reading must give just as many bytes, or writing fails.
    fn size(&self) -> u64;
    /// Opens it; called more than once if the file is large, or may be the same as another.
    fn open(&self) -> io::Result<Box<dyn ReadAt>>;
}

/// An open file, of which several threads read different parts.
pub trait ReadAt: Send + Sync {
    /// Reads some of what is there from `offset` on; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

/// Bytes in memory.
impl ReadAt for Arc<[u8]> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Content for Arc<[u8]> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn open(&self) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(Self::clone(self)))
    }
}

/// What a node is.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Kind {
    Directory,
    File(Box<dyn Content>),
    Symlink(Vec<u8>),
    BlockDevice(Device),
    CharacterDevice(Device),
    Fifo,
    Socket,
}

/// Which device a device node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// The driver: 12 bits.
    pub major: u32,
    /// What it serves: 20 bits.
    pub minor: u32,
}

/// An extended attribute: its full name (`user.x`) and its value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// One entry of the tree.
#[derive(Debug)]
pub struct Node {
    /// Relative to the root, without leading or trailing slashes; empty for the root itself.
    pub path: Vec<u8>,
    /// Permissions, set-id and sticky bits: 0 to 0o7777.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// Extended attributes, in any order.
    pub xattrs: Vec<Xattr>,
    /// What it is.
    pub kind: Kind,
}
