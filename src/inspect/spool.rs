//! The contents of a layer's files, for links that come later.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Where the content of a file is.
#[derive(Clone, Copy)]
pub(super) struct Stored {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) executable: bool,
}

/// The contents of a layer's files, one behind the other in a file without a name.
///
/// Only a link that comes later tells that an earlier file was needed, and a packed layer cannot be
/// read at any place. What is written and never read again need never reach the disk.
pub(super) struct Spool {
    file: File,
    position: u64,
    pending: Vec<u8>,
}

/// Bytes that are written at a time.
const PENDING: usize = 1 << 20;

impl Spool {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, position: 0, pending: Vec::new() })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.position += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PENDING { self.flush() } else { Ok(()) }
    }

    /// Where what is written next will be.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    pub(super) fn read(&mut self, stored: Stored, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.flush()?;
        let mut buffer = vec![0; 1 << 16];
        let mut left = stored.size;
        self.file.seek(SeekFrom::Start(stored.offset))?;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            match self.file.read(&mut buffer[..most])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    take(&buffer[..count]);
                    left -= count as u64;
                }
            }
        }
        self.file.seek(SeekFrom::End(0)).map(drop)
    }
}
