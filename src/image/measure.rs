//! How long a layer's tar will be, from its files' sizes alone.
//!
//! An uncompressed layer's place in an archive can be set aside before a byte of it is read, so
//! that it is written where it belongs and not copied there later.

use super::entries::{self, Sink, file_mode};
use super::source::Source;
use super::{Error, Whiteouts, tar};
use crate::tree::{Nar, RegularFile};

/// The size of the tar of `source`, in bytes.
pub(crate) fn tar_size(source: &Source, whiteouts: Whiteouts) -> Result<u64, Error> {
    let mut measure = Measure { size: tar::TRAILER.len() as u64, header: Vec::new() };
    entries::pack(source, whiteouts, &mut measure)?;
    Ok(measure.size)
}

struct Measure {
    size: u64,
    header: Vec<u8>,
}

impl Measure {
    fn content(&mut self, size: u64) {
        self.size += size + tar::padding(size).len() as u64;
    }
}

impl Sink for Measure {
    const READS: bool = false;

    fn header(&mut self, name: &[u8], mode: u32, kind: tar::Kind<'_>) -> Result<(), Error> {
        self.header.clear();
        tar::header(&mut self.header, name, mode, kind);
        self.size += self.header.len() as u64;
        Ok(())
    }

    fn bytes(&mut self, content: &[u8]) -> Result<(), Error> {
        self.content(content.len() as u64);
        Ok(())
    }

    fn file(
        &mut self,
        name: &[u8],
        file: RegularFile<'_>,
        nar: &mut Nar,
        path: &[u8],
    ) -> Result<(), Error> {
        let (executable, size) = file.measure()?;
        nar.file(path, executable, size);
        nar.count(size);
        nar.end_file(size);
        self.header(name, file_mode(executable), tar::Kind::File { size })?;
        self.content(size);
        Ok(())
    }
}
