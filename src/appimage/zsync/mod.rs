//! The `.zsync` file beside an AppImage: checksums of its blocks, from which `zsync`, AppImageUpdate and
//! their like tell which parts of an older file need not be downloaded again.
//!
//! The format is that of zsync 0.6.2 (`zsyncmake`, `librcksum`): a header of text, an empty line, and for
//! each block, the last filled up with zeros, a rolling sum and the beginning of its MD4. How much of both is
//! kept follows from the length of the file.

mod header;
mod sums;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::thread;

use jiff::Timestamp;
use sha1::{Digest, Sha1};

use header::Kept;

/// What is read at once.
const CHUNK: usize = 4 << 20;

/// What the `.zsync` file says beside the sums.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The name that the downloaded file gets.
    pub name: &'a str,
    /// Its time of modification.
    pub modified: Timestamp,
}

/// Why a `.zsync` file cannot be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ZsyncError {
    #[error("the name {0:?} cannot be in a `.zsync` file: it is no single line without `/`")]
    Name(String),
    #[error("cannot read what was written, to reckon its checksums")]
    Read(#[source] io::Error),
    #[error("cannot write the checksums")]
    Write(#[source] io::Error),
}

/// Writes the `.zsync` of a file to `out`. The file is read once.
///
/// The AppImage is looked for beside the `.zsync` file, so that both may be put anywhere.
pub fn write(file: &File, options: Options<'_>, mut out: impl Write) -> Result<(), ZsyncError> {
    let name = options.name;
    if name.is_empty() || name.contains('/') || name.chars().any(char::is_control) {
        return Err(ZsyncError::Name(name.into()));
    }
    let length = file.metadata().map_err(ZsyncError::Read)?.len();
    let block = header::block_size(length);
    let (sums, sha1) = read_sums(file, length, block).map_err(ZsyncError::Read)?;
    let kept = Kept::of(length, block);
    let header = header::text(options, length, block, kept, &sha1);
    let body: Vec<u8> = sums.iter().flat_map(|sum| kept.bytes(sum)).collect();
    out.write_all(header.as_bytes()).and_then(|()| out.write_all(&body)).map_err(ZsyncError::Write)
}

/// The sums of all blocks, and the SHA-1 of the file, which is reckoned at the same time.
fn read_sums(file: &File, length: u64, block: usize) -> io::Result<(Vec<sums::Sums>, [u8; 20])> {
    let mut whole = Sha1::new();
    let mut all = Vec::new();
    let mut buffer = vec![0; usize::try_from(length).unwrap_or(CHUNK).min(CHUNK)];
    let mut position = 0;
    while position < length {
        let left = usize::try_from(length - position).unwrap_or(CHUNK);
        let chunk = &mut buffer[..left.min(CHUNK)];
        file.read_exact_at(chunk, position)?;
        let chunk = &*chunk;
        thread::scope(|scope| {
            scope.spawn(|| whole.update(chunk));
            all.extend(chunk.chunks(block).map(|bytes| sums::of_block(bytes, block)));
        });
        position += chunk.len() as u64;
    }
    Ok((all, whole.finalize().into()))
}
