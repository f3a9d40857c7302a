//! A runtime program on its way to the head of an AppImage: marked as one, with its sections filled.

use std::ops::Range;

use super::{ElfError, ElfHead, MAGIC, Section, TYPE_2};
use crate::image::Machine;

/// A runtime, of our own or another's.
#[derive(Clone, Debug)]
pub struct RuntimeFile {
    bytes: Vec<u8>,
    head: ElfHead,
}

/// Why a text does not get into a section.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PatchError {
    #[error("the runtime has no section `{0}` for {what}", what = what(.0))]
    Missing(&'static str),
    #[error("{what} needs {length} bytes, and the runtime's section `{name}` has {room}", what = what(.name))]
    TooLong { name: &'static str, length: usize, room: usize },
    #[error("{what} has a zero byte, where readers would take it to end", what = what(.0))]
    Zero(&'static str),
}

fn what(name: &str) -> &'static str {
    match name {
        ".upd_info" => "the update information",
        ".sha256_sig" => "the signature",
        ".sig_key" => "the public key",
        _ => "the digest",
    }
}

/// Why a program cannot be the head of an AppImage.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RuntimeError {
    #[error(transparent)]
    Elf(#[from] ElfError),
    #[error("the runtime has {size} bytes, and readers would look for the image at byte {end}")]
    Size { size: u64, end: u64 },
}

impl RuntimeFile {
    /// Takes a runtime as built, and marks it as an AppImage of type 2.
    ///
    /// It must end where readers reckon that it ends: they look there for the image.
    pub fn parse(mut bytes: Vec<u8>) -> Result<Self, RuntimeError> {
        let head = ElfHead::parse(&bytes)?;
        let (size, end) = (bytes.len() as u64, head.end());
        if size != end {
            return Err(RuntimeError::Size { size, end });
        }
        bytes[MAGIC].copy_from_slice(&TYPE_2);
        Ok(Self { bytes, head })
    }

    /// The machine that it is for.
    pub fn machine(&self) -> Option<&Machine> {
        self.head.machine()
    }

    /// Its length, which is where the image begins.
    pub fn size(&self) -> u64 {
        self.head.end()
    }

    /// Where in the file a section is.
    pub fn section(&self, section: Section) -> Option<Range<u64>> {
        self.head.section(section)
    }

    /// Fills a section with a text and zeros behind it.
    pub fn set(&mut self, section: Section, text: &[u8]) -> Result<(), PatchError> {
        let (range, content) = filled(&self.head, section, text)?;
        #[allow(clippy::cast_possible_truncation, reason = "the head ends where the bytes do")]
        let start = range.start as usize;
        self.bytes[start..start + content.len()].copy_from_slice(&content);
        Ok(())
    }

    /// The program with its sections.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What to write where, so that `section` has this text.
pub(crate) fn filled(
    head: &ElfHead,
    section: Section,
    text: &[u8],
) -> Result<(Range<u64>, Vec<u8>), PatchError> {
    let name = section.name();
    let range = head.section(section).ok_or(PatchError::Missing(name))?;
    let room = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    if text.len() > room {
        return Err(PatchError::TooLong { name, length: text.len(), room });
    }
    if text.contains(&0) {
        return Err(PatchError::Zero(name));
    }
    let mut content = text.to_vec();
    content.resize(room, 0);
    Ok((range, content))
}
