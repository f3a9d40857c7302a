//! What the reader needs of its surroundings: bytes at a position, and a codec.

use super::Error;
use crate::format::Compressor;

/// Bytes at positions, such as those of a file. Positions count from its beginning, not the image's.
pub trait ReadAt {
    /// Fills the buffer's beginning and says how much of it; less than all only where the file ends.
    fn read_at(&self, into: &mut [u8], position: u64) -> Result<usize, Error>;
}

/// A codec. It has room for its state, so that each thread has its own.
pub trait Decompress {
    /// Decompresses one block into the buffer's beginning and says how much it is. `None` if the block is damaged, or
    /// more than the buffer holds.
    fn decompress(&mut self, compressor: Compressor, from: &[u8], into: &mut [u8])
    -> Option<usize>;
}

impl<S: ReadAt + ?Sized> ReadAt for &S {
    fn read_at(&self, into: &mut [u8], position: u64) -> Result<usize, Error> {
        (**self).read_at(into, position)
    }
}

impl<D: Decompress + ?Sized> Decompress for &mut D {
    fn decompress(
        &mut self,
        compressor: Compressor,
        from: &[u8],
        into: &mut [u8],
    ) -> Option<usize> {
        (**self).decompress(compressor, from, into)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, into: &mut [u8], position: u64) -> Result<usize, Error> {
        let rest = usize::try_from(position).ok().and_then(|at| self.get(at..)).unwrap_or(&[]);
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

#[cfg(feature = "write")]
impl ReadAt for std::fs::File {
    fn read_at(&self, into: &mut [u8], position: u64) -> Result<usize, Error> {
        let mut done = 0;
        while done < into.len() {
            let at = position.saturating_add(done as u64);
            match std::os::unix::fs::FileExt::read_at(self, &mut into[done..], at) {
                Ok(0) => break,
                Ok(len) => done += len,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Io(error.raw_os_error().unwrap_or(0))),
            }
        }
        Ok(done)
    }
}
