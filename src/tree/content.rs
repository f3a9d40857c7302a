//! A regular file's bytes, read once and no more and no fewer than its size said.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::Error;

/// How many of a file's first bytes [`Content::head`] keeps: enough for an ELF header's type and
/// machine.
pub const HEAD_LEN: usize = 20;

/// An open regular file on its way into an archive.
#[derive(Debug)]
pub struct Content<'a> {
    path: &'a Path,
    file: File,
    executable: bool,
    size: u64,
    left: u64,
    head: [u8; HEAD_LEN],
}

impl<'a> Content<'a> {
    /// Opens `path`, which a directory listing called a regular file.
    pub(super) fn open(path: &'a Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::LOOP) => return Err(Error::Replaced { path: path.into() }),
            Err(errno) => return Err(Error::io("open", path)(errno.into())),
        };
        let stat =
            rustix::fs::fstat(&file).map_err(|errno| Error::io("stat", path)(errno.into()))?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(Error::Replaced { path: path.into() });
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let executable = Mode::from_raw_mode(stat.st_mode).contains(Mode::XUSR);
        Ok(Self { path, file, executable, size, left: size, head: [0; HEAD_LEN] })
    }

    /// Whether its owner may execute it, the only permission that a NAR keeps.
    pub fn executable(&self) -> bool {
        self.executable
    }

    /// Its length in bytes when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its first bytes, as far as they have been read; zeros behind.
    pub fn head(&self) -> &[u8; HEAD_LEN] {
        &self.head
    }

    /// Reads some of what is left into `buffer`; 0 when all was read.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.read_file(&mut buffer[..most])?;
        let at = self.size - self.left;
        if count == 0 {
            return Err(Error::Size {
                path: self.path.into(),
                expected: self.size,
                got: at.to_string(),
            });
        }
        if let Some(room) = usize::try_from(at).ok().and_then(|at| self.head.get_mut(at..)) {
            let kept = room.len().min(count);
            room[..kept].copy_from_slice(&buffer[..kept]);
        }
        self.left -= count as u64;
        Ok(count)
    }

    /// Takes the file as read, for a visitor that has no use for its bytes.
    pub fn skip(&mut self) -> Result<(), Error> {
        self.file.seek(SeekFrom::Start(self.size)).map_err(Error::io("read", self.path))?;
        self.left = 0;
        Ok(())
    }

    /// Checks that all was read and that the file has not grown meanwhile.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        debug_assert_eq!(self.left, 0, "a visitor reads each file to its end");
        match self.read_file(&mut [0])? {
            0 => Ok(()),
            _ => {
                Err(Error::Size { path: self.path.into(), expected: self.size, got: "more".into() })
            }
        }
    }

    fn read_file(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(Error::io("read", self.path)),
            }
        }
    }
}
