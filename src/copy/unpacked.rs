//! A packed archive as a plain one: its blobs are read out of order, which a packed file cannot be.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::fs::fstatvfs;

use super::Error;
use crate::earlier;
use crate::untar::{Bomb, Counted, Packing, unpacked};

/// Bytes that are written at a time.
const BLOCK: usize = 1 << 20;
/// After so many blocks the disk is looked at.
const LOOK: usize = 64;
/// What is left of the disk for others.
const RESERVE: u64 = 256 << 20;

/// The tar in `file`, unpacked to a nameless file in the folder for passing ones if it is packed.
///
/// How much comes out is bounded by how large the file is, and by the disk: who packs is not who pays.
pub(super) fn plain(path: &Path, mut file: File) -> Result<File, Error> {
    let read = |source| earlier::Error::Read { file: path.into(), source };
    let (packing, head) = Packing::sniff(&mut file).map_err(read)?;
    if packing == Packing::None {
        file.rewind().map_err(read)?;
        return Ok(file);
    }
    let unpack = |source| Error::Unpack {
        file: path.into(),
        dir: std::env::temp_dir(),
        is_bomb: Bomb::is(&source),
        source,
    };
    let (blob, packed) = Counted::new(Cursor::new(head).chain(file));
    let mut tar = unpacked(packing, blob).map_err(read)?;
    let mut plain = tempfile::tempfile().map_err(unpack)?;
    let mut block = Vec::with_capacity(BLOCK);
    let mut written = 0_u64;
    for number in 0_usize.. {
        // Nobody waits for these bytes meanwhile: read and written they go through the same processor.
        block.clear();
        let count = tar.by_ref().take(BLOCK as u64).read_to_end(&mut block).map_err(read)?;
        if count == 0 {
            break;
        }
        written += count as u64;
        Bomb::check(packed.load(Ordering::Relaxed), written).map_err(unpack)?;
        if number.is_multiple_of(LOOK) {
            room(&plain).map_err(unpack)?;
        }
        plain.write_all(&block).map_err(unpack)?;
    }
    plain.rewind().map_err(unpack)?;
    Ok(plain)
}

/// Fails before the disk is full.
fn room(file: &File) -> io::Result<()> {
    let disk = fstatvfs(file)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    // Small ones, such as those in memory, may have had no more to begin with.
    let reserve = RESERVE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 8);
    match free < reserve {
        true => Err(io::Error::new(ErrorKind::StorageFull, format!("only {free} bytes are free"))),
        false => Ok(()),
    }
}
