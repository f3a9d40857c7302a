//! Reading small files without trust in their size.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What is in `file`; an error if that is more than `limit` bytes.
pub(crate) fn read(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
