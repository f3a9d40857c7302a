//! What is signed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::super::elf_head::{ElfHead, Section};

/// What is read at once.
const CHUNK: usize = 1 << 20;

/// SHA-256 of an AppImage as if it had no signature and no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Reads all of a file.
    pub fn of(file: &File, head: &ElfHead) -> io::Result<Self> {
        let holes = [Section::Signature, Section::Key].map(|section| head.section(section));
        let mut sha256 = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        let mut position = 0;
        loop {
            let count = match file.read_at(&mut buffer, position) {
                Ok(0) => return Ok(Self(sha256.finalize().into())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            let chunk = &mut buffer[..count];
            for hole in holes.iter().flatten() {
                let within = |offset: u64| {
                    usize::try_from(offset.saturating_sub(position)).unwrap_or(count).min(count)
                };
                chunk[within(hole.start)..within(hole.end)].fill(0);
            }
            sha256.update(&*chunk);
            position += count as u64;
        }
    }

    /// The text that is signed.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}
