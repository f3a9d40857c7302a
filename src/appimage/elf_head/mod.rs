//! The program at the head of an AppImage: where it ends and the image begins, and its sections for
//! update information and signature.
//!
//! Little-endian ELF of 32 or 64 bits (gABI, "ELF Header" and "Section Header"). Anything read is
//! hostile: offsets are checked before they are used, and tables are bounded.

mod patch;
mod raw;
mod section;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::image::Machine;

pub(crate) use patch::filled;
pub use patch::{PatchError, RuntimeError, RuntimeFile};
pub use section::Section;

/// Where `AI` and the type of AppImage are: in what ELF calls the ABI version and padding
/// (AppImageSpec, "Type 2 image format").
pub(crate) const MAGIC: Range<usize> = 8..11;

/// What type 2 has there.
pub(crate) const TYPE_2: [u8; 3] = *b"AI\x02";

/// What is known of the program at the head of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfHead {
    machine: Option<Machine>,
    magic: [u8; 3],
    end: u64,
    sections: [Option<Range<u64>>; Section::ALL.len()],
}

/// Why a file has no program of this kind at its head.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ElfError {
    #[error("it is no ELF program: it begins with the bytes {0:02x?}")]
    NotElf([u8; 4]),
    #[error("its ELF {field} is {got}, expected {expected}")]
    Header { field: &'static str, got: u64, expected: &'static str },
    #[error("its ELF head points to byte {0}, where the file has ended")]
    Truncated(u64),
    #[error("its ELF section `{name}` is at bytes {}..{}, and the program ends at {end}", range.start, range.end)]
    Outside { name: &'static str, range: Range<u64>, end: u64 },
    #[error("it has two ELF sections `{0}`, so that readers may differ in what they see")]
    Twice(&'static str),
    #[error(transparent)]
    Read(io::Error),
}

/// Bytes to be read by offset.
pub(crate) trait ReadAt {
    /// Fills all of `buffer`, or fails.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|start| self.get(start..));
        let from = from.and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl ElfHead {
    /// Reads it from a file, of which only the headers are read.
    pub fn read(file: &File) -> Result<Self, ElfError> {
        raw::read(file)
    }

    /// Reads it from bytes in memory.
    pub fn parse(bytes: &[u8]) -> Result<Self, ElfError> {
        raw::read(bytes)
    }

    /// The machine that the program is for. None if it is no program, but an object file.
    pub fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref()
    }

    /// The type of AppImage that the file says it is: 1 or 2, or none.
    pub fn appimage_type(&self) -> Option<u8> {
        match self.magic {
            [b'A', b'I', number @ 1..=2] => Some(number),
            _ => None,
        }
    }

    /// The first byte behind the program, where a file system is appended. Reckoned as all runtimes
    /// do: the end of the table of section headers, or of the last section in it if that is later.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Where in the file a section is.
    pub fn section(&self, section: Section) -> Option<Range<u64>> {
        self.sections[section as usize].clone()
    }
}
