//! The ELF file at the head of an AppImage: where it ends and the image begins, and its named sections.
//!
//! Both byte orders' and both word sizes' fields are the specification's (`System V ABI`, chapter 4), but only
//! 64-bit little-endian files are ours.

use core::fmt;
use core::ops::Range;

/// Bytes of an ELF header.
const HEADER: usize = 64;
/// Bytes of a section header.
const SECTION: usize = 64;

/// Why a file's head is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// The first bytes are not those of a 64-bit little-endian ELF file.
    NotElf,
    /// It has no table of sections, or one that cannot be.
    Sections,
}

impl fmt::Display for ElfError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotElf => "not a 64-bit little-endian ELF file",
            Self::Sections => "the table of ELF sections is damaged",
        })
    }
}

/// Where the table of sections is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    start: u64,
    count: u16,
    names: u16,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    number(bytes, at).map(u16::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    number(bytes, at).map(u64::from_le_bytes)
}

impl Table {
    /// Reads the file's first bytes, of which [`HEADER_LEN`] are enough.
    pub fn parse(head: &[u8]) -> Result<Self, ElfError> {
        if !head.starts_with(b"\x7fELF\x02\x01") || head.len() < HEADER {
            return Err(ElfError::NotElf);
        }
        let field = |at| u16_at(head, at).ok_or(ElfError::NotElf);
        let table = Self {
            start: u64_at(head, 0x28).ok_or(ElfError::NotElf)?,
            count: field(0x3c)?,
            names: field(0x3e)?,
        };
        let whole =
            usize::from(field(0x3a)?) == SECTION && table.count > 0 && table.names < table.count;
        let end = table.start.checked_add(u64::from(table.count) * SECTION as u64);
        if whole && end.is_some_and(|end| end < 1 << 40) {
            Ok(table)
        } else {
            Err(ElfError::Sections)
        }
    }

    /// Where the table's bytes are in the file: at most 4 MiB.
    pub fn place(&self) -> Range<u64> {
        self.start..self.start + u64::from(self.count) * SECTION as u64
    }

    /// Where the ELF file ends, given the table's bytes: behind the table or the last section, whichever is later.
    /// The image begins there.
    pub fn end(&self, table: &[u8]) -> Result<u64, ElfError> {
        let last = Section::at(table, self.count - 1)?;
        Ok(self.place().end.max(last.place().end))
    }

    /// Where the names of sections are.
    pub fn names(&self, table: &[u8]) -> Result<Range<u64>, ElfError> {
        let place = Section::at(table, self.names)?.place();
        // Names are a few hundred bytes; nobody needs to allocate more for a file that says otherwise.
        if place.end - place.start <= 1 << 16 { Ok(place) } else { Err(ElfError::Sections) }
    }

    /// Where the section called `name` is, given the table's bytes and those of [`Self::names`].
    pub fn find(&self, table: &[u8], names: &[u8], name: &str) -> Option<Range<u64>> {
        (0..self.count).find_map(|index| {
            let section = Section::at(table, index).ok()?;
            let rest = names.get(section.name as usize..)?.strip_prefix(name.as_bytes())?;
            (rest.first() == Some(&0)).then(|| section.place())
        })
    }
}

/// Where the path of the program's loader is (`PT_INTERP`), as far as the file's first bytes tell.
pub fn interpreter(head: &[u8]) -> Option<Range<usize>> {
    /// `PT_INTERP`.
    const INTERPRETER: [u8; 4] = [3, 0, 0, 0];
    /// Bytes of a program header.
    const PROGRAM: usize = 56;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let start = usize::try_from(u64_at(head, 0x20)?).ok()?;
    let headers = head.get(start..)?.chunks_exact(PROGRAM);
    let header =
        headers.take(u16_at(head, 0x38)?.into()).find(|header| header.starts_with(&INTERPRETER))?;
    let from = usize::try_from(u64_at(header, 8)?).ok()?;
    let len = usize::try_from(u64_at(header, 0x20)?).ok()?;
    Some(from..from.checked_add(len)?)
}

/// How much of a file [`Table::parse`] wants to see.
pub const HEADER_LEN: usize = HEADER;

/// A section's header.
struct Section {
    name: u32,
    kind: u32,
    start: u64,
    size: u64,
}

impl Section {
    fn at(table: &[u8], index: u16) -> Result<Self, ElfError> {
        let read = || {
            let bytes = table.get(usize::from(index) * SECTION..)?;
            Some(Self {
                name: number(bytes, 0).map(u32::from_le_bytes)?,
                kind: number(bytes, 4).map(u32::from_le_bytes)?,
                start: u64_at(bytes, 0x18)?,
                size: u64_at(bytes, 0x20)?,
            })
        };
        read()
            .filter(|section| section.start.checked_add(section.size).is_some())
            .ok_or(ElfError::Sections)
    }

    /// Sections without bytes in the file (`SHT_NOBITS`) have a size all the same.
    fn place(&self) -> Range<u64> {
        const NO_BITS: u32 = 8;
        let size = if self.kind == NO_BITS { 0 } else { self.size };
        self.start..self.start + size
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own() -> std::vec::Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    fn slice(file: &[u8], place: Range<u64>) -> &[u8] {
        &file[usize::try_from(place.start).unwrap()..usize::try_from(place.end).unwrap()]
    }

    #[test]
    fn sections_of_this_test_program_are_found() {
        let file = own();
        let table = Table::parse(&file).unwrap();
        let rows = slice(&file, table.place());
        assert_eq!(table.end(rows).unwrap(), file.len() as u64);
        let names = slice(&file, table.names(rows).unwrap());
        assert_eq!(
            table.find(rows, names, ".upd_info").map(|place| place.end - place.start),
            Some(1024)
        );
        assert_eq!(table.find(rows, names, ".upd_inf"), None);
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(Table::parse(b"#!/bin/sh\n"), Err(ElfError::NotElf));
        let mut file = own();
        file.truncate(HEADER);
        file[0x3c..0x3e].fill(0);
        assert_eq!(Table::parse(&file), Err(ElfError::Sections));
    }

    proptest! {
        #[test]
        fn no_head_does_harm(mut head in proptest::collection::vec(any::<u8>(), 64..300)) {
            head[..6].copy_from_slice(b"\x7fELF\x02\x01");
            head[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
            let _ = interpreter(&head);
            if let Ok(table) = Table::parse(&head) {
                let _ = table.end(&head);
                let _ = table.names(&head);
                let _ = table.find(&head, &head, ".upd_info");
            }
        }
    }
}
