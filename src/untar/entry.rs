//! A file, link or directory in a stream of them.

use super::Fault;

/// An entry. Names are bytes, as the kernel has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root of the tree: without a slash at either end, without `.` and `..`; empty
    /// for the root itself.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permissions, with the setuid, setgid and sticky bits.
    pub mode: u32,
    /// User.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// When it was written last, in seconds since 1970.
    pub mtime: u64,
    /// Extended attributes, names and values.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Directory,
    File {
        size: u64,
    },
    /// The target is any bytes: whether it leads anywhere is not for the link to say.
    Symlink {
        target: Vec<u8>,
    },
    /// Another name of an earlier file, by that one's [`Entry::path`].
    HardLink {
        target: Vec<u8>,
    },
    CharacterDevice {
        major: u64,
        minor: u64,
    },
    BlockDevice {
        major: u64,
        minor: u64,
    },
    Fifo,
    Socket,
}

impl Kind {
    /// What to call it in a message.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File { .. } => "file",
            Self::Symlink { .. } => "symbolic link",
            Self::HardLink { .. } => "hard link",
            Self::CharacterDevice { .. } => "character device",
            Self::BlockDevice { .. } => "block device",
            Self::Fifo => "named pipe",
            Self::Socket => "socket",
        }
    }
}

/// Who is told of entries. A file's content follows it in pieces, then [`end`](Self::end).
pub trait Visitor {
    /// What ends the stream early.
    type Error: From<Fault>;

    /// The next entry.
    fn entry(&mut self, entry: &Entry) -> Result<(), Self::Error>;

    /// Some more of the file that was entered last.
    fn content(&mut self, _bytes: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// All of the file's content was told.
    fn end(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// A name in an archive as a path from the root of the tree. A slash in front counts for nothing, as
/// every runtime has it; `None` if the name leads out of the tree.
pub fn relative(name: &[u8]) -> Option<Vec<u8>> {
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return None,
            part if part.contains(&0) => return None,
            part => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    Some(path)
}
