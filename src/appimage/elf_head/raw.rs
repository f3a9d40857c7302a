//! ELF structures as they are in the file.

use std::io;
use std::ops::Range;

use super::{ElfError, ElfHead, MAGIC, ReadAt, Section};
use crate::image::Machine;
use crate::tree::HEAD_LEN;

/// Names of all sections together. Executables have some hundreds of bytes.
const MAX_NAMES: u64 = 1 << 20;

/// A section that AppImages have. The largest one reserved by any runtime has 8 KiB.
const MAX_SECTION: u64 = 64 << 10;

/// `SHT_NOBITS`: a section that takes no room in the file.
const NO_BITS: u32 = 8;

/// Where fields are, which differs between the classes.
#[derive(Clone, Copy)]
struct Layout {
    wide: bool,
    header: usize,
    shoff: usize,
    /// `e_shentsize`, followed by `e_shnum` and `e_shstrndx`.
    shentsize: usize,
    section: usize,
    sh_offset: usize,
    sh_size: usize,
}

const ELF32: Layout = Layout {
    wide: false,
    header: 52,
    shoff: 32,
    shentsize: 46,
    section: 40,
    sh_offset: 16,
    sh_size: 20,
};

const ELF64: Layout = Layout {
    wide: true,
    header: 64,
    shoff: 40,
    shentsize: 58,
    section: 64,
    sh_offset: 24,
    sh_size: 32,
};

/// `sh_name`, `sh_type`, `sh_offset` and `sh_size`.
struct Header {
    name: u32,
    kind: u32,
    offset: u64,
    size: u64,
}

pub(super) fn read<R: ReadAt + ?Sized>(file: &R) -> Result<ElfHead, ElfError> {
    let mut ident = [0; 16];
    fill(file, &mut ident, 0)?;
    if !ident.starts_with(b"\x7fELF") {
        return Err(ElfError::NotElf([ident[0], ident[1], ident[2], ident[3]]));
    }
    let layout = match ident[4] {
        1 => ELF32,
        2 => ELF64,
        other => return Err(wrong("class", other, "1 (32 bits) or 2 (64 bits)")),
    };
    if ident[5] != 1 {
        return Err(wrong("byte order", ident[5], "1 (little-endian)"));
    }
    let mut bytes = [0; ELF64.header];
    let bytes = &mut bytes[..layout.header];
    fill(file, bytes, 0)?;

    let start = layout.word(bytes, layout.shoff);
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let (size, count, names) =
        (half(layout.shentsize), half(layout.shentsize + 2), half(layout.shentsize + 4));
    if start == 0 || count == 0 {
        return Err(wrong("number of section headers", count, "at least 1"));
    }
    if usize::from(size) != layout.section {
        return Err(wrong("size of a section header", size, "40 (32 bits) or 64 (64 bits)"));
    }
    if names >= count {
        return Err(wrong("index of the section with names", names, "one of its sections"));
    }
    let headers = section_headers(file, layout, start, count)?;
    let table_end = start + layout.section as u64 * u64::from(count);
    let end = headers.last().map_or(0, Header::end).max(table_end);
    if end == u64::MAX {
        return Err(wrong("end of the last section", end, "an offset in the file"));
    }
    let names = names_of(file, &headers[usize::from(names)])?;

    let mut head = [0; HEAD_LEN];
    head.copy_from_slice(&bytes[..HEAD_LEN]);
    let mut magic = [0; 3];
    magic.copy_from_slice(&bytes[MAGIC]);
    Ok(ElfHead {
        machine: Machine::of(&head),
        magic,
        end,
        sections: known_sections(&headers, &names, end)?,
    })
}

fn section_headers<R: ReadAt + ?Sized>(
    file: &R,
    layout: Layout,
    start: u64,
    count: u16,
) -> Result<Vec<Header>, ElfError> {
    // At most 4 MiB, since there are at most 65535 of them.
    let mut table = vec![0; usize::from(count) * layout.section];
    if start.checked_add(table.len() as u64).is_none() {
        return Err(ElfError::Truncated(start));
    }
    fill(file, &mut table, start)?;
    let parse = |bytes: &[u8]| Header {
        name: number32(bytes, 0),
        kind: number32(bytes, 4),
        offset: layout.word(bytes, layout.sh_offset),
        size: layout.word(bytes, layout.sh_size),
    };
    Ok(table.chunks_exact(layout.section).map(parse).collect())
}

fn names_of<R: ReadAt + ?Sized>(file: &R, header: &Header) -> Result<Vec<u8>, ElfError> {
    let size = if header.kind == NO_BITS { 0 } else { header.size };
    if size > MAX_NAMES {
        return Err(wrong("size of the names of sections", size, "at most 1 MiB"));
    }
    let mut names = vec![0; usize::try_from(size).unwrap_or_default()];
    fill(file, &mut names, header.offset)?;
    Ok(names)
}

fn known_sections(
    headers: &[Header],
    names: &[u8],
    end: u64,
) -> Result<[Option<Range<u64>>; Section::ALL.len()], ElfError> {
    let mut sections = [const { None }; Section::ALL.len()];
    for header in headers.iter().filter(|header| header.kind != NO_BITS) {
        let rest = names.get(header.name as usize..).unwrap_or_default();
        let name = Section::content(rest);
        let known = Section::ALL.into_iter().find(|known| known.name().as_bytes() == name);
        let Some(section) = known else { continue };
        let range = header.offset..header.end();
        if range.end > end {
            return Err(ElfError::Outside { name: section.name(), range, end });
        }
        if header.size > MAX_SECTION {
            return Err(wrong("size of a section for AppImages", header.size, "at most 64 KiB"));
        }
        if sections[section as usize].replace(range).is_some() {
            return Err(ElfError::Twice(section.name()));
        }
    }
    Ok(sections)
}

impl Layout {
    /// An offset or size: as wide as the class says.
    fn word(self, bytes: &[u8], at: usize) -> u64 {
        let low = number32(bytes, at);
        let high = if self.wide { number32(bytes, at + 4) } else { 0 };
        u64::from(low) | u64::from(high) << 32
    }
}

impl Header {
    /// The byte behind it; the largest number if there is no such.
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn fill<R: ReadAt + ?Sized>(file: &R, buffer: &mut [u8], offset: u64) -> Result<(), ElfError> {
    file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
        // Offsets beyond what the system can seek to are refused as invalid.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput => {
            ElfError::Truncated(offset.saturating_add(buffer.len() as u64))
        }
        _ => ElfError::Read(error),
    })
}

fn wrong(field: &'static str, got: impl Into<u64>, expected: &'static str) -> ElfError {
    ElfError::Header { field, got: got.into(), expected }
}
