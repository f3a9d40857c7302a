//! The image behind the program, opened for reading.

use alloc::vec;
use alloc::vec::Vec;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use squashfs::format::Compressor;
use squashfs::read::{Decompress, Error, Image, Inode, Kind, LocalCache, ReadAt, Reader};

use crate::codec::{Zstd, inflate};

/// An open file, read at positions.
#[derive(Debug)]
pub struct Source(pub OwnedFd);

impl ReadAt for Source {
    fn read_at(&self, into: &mut [u8], position: u64) -> Result<usize, Error> {
        let mut done = 0;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(&self.0, rest, position.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::Io(errno.raw_os_error())),
            }
        }
        Ok(done)
    }
}

/// The decompressors of one thread, made when they are first needed.
#[derive(Debug, Default)]
pub struct Codecs(Option<Zstd>);

impl Decompress for Codecs {
    fn decompress(
        &mut self,
        compressor: Compressor,
        from: &[u8],
        into: &mut [u8],
    ) -> Option<usize> {
        match compressor {
            Compressor::Gzip => inflate(from, into).ok(),
            Compressor::Zstd => {
                if self.0.is_none() {
                    self.0 = Zstd::new();
                }
                self.0.as_mut()?.decompress(from, into).ok()
            }
        }
    }
}

/// The image as the single-threaded part of the program reads it.
pub type AppImage = Image<Source, LocalCache>;

/// Its reader.
pub type AppImageReader<'i> = Reader<'i, Source, LocalCache, Codecs>;

/// Opens the image at `offset` of a file.
pub fn open(file: OwnedFd, offset: u64) -> Result<AppImage, Error> {
    Image::open(Source(file), offset, LocalCache::default(), Codecs::default())
}

/// The inode at a path of the image without links in it, or `None`.
pub fn find(reader: &mut AppImageReader<'_>, path: &[u8]) -> Result<Option<Inode>, Error> {
    let mut inode = reader.root()?;
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        if !matches!(inode.kind, Kind::Directory(_)) {
            return Ok(None);
        }
        let Some((reference, _)) = reader.lookup(&inode, name)? else { return Ok(None) };
        inode = reader.inode(reference)?;
    }
    Ok(Some(inode))
}

/// A whole file of at most `limit` bytes; `None` if it is longer or no file.
pub fn read_file(
    reader: &mut AppImageReader<'_>,
    inode: &Inode,
    limit: usize,
) -> Result<Option<Vec<u8>>, Error> {
    let Kind::File(file) = inode.kind else { return Ok(None) };
    let Some(size) = usize::try_from(file.size).ok().filter(|size| *size <= limit) else {
        return Ok(None);
    };
    let mut bytes = vec![0; size];
    let read = reader.read_at(inode, 0, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
