//! A page of a tree: its cells, and where it goes on (file format, section 1.6).

use core::cmp::Ordering;

use super::record::{Record, variable};

/// Bytes before the first page's own header.
pub(super) const FILE_HEADER: usize = 100;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    IndexInner,
    TableInner,
    IndexLeaf,
    TableLeaf,
}

impl Kind {
    pub(super) fn is_index(self) -> bool {
        matches!(self, Self::IndexInner | Self::IndexLeaf)
    }

    fn is_leaf(self) -> bool {
        matches!(self, Self::IndexLeaf | Self::TableLeaf)
    }
}

/// The bytes of a page, and how many of them SQLite uses.
pub(super) fn sizes(header: &[u8; FILE_HEADER]) -> Option<(usize, usize)> {
    let size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 1 << 16,
        size => usize::from(size),
    };
    let usable = size.checked_sub(usize::from(header[20]))?;
    // Formats 1 and 2 (with a log) for writing and reading, the only fractions there are, and UTF-8.
    let known = header.starts_with(b"SQLite format 3\0")
        && size.is_power_of_two()
        && usable >= 480
        && matches!(header[18], 1 | 2)
        && matches!(header[19], 1 | 2)
        && header[21..24] == [64, 32, 32]
        && header[56..60] == [0, 0, 0, 1];
    known.then_some((size, usable))
}

/// A page whose header was read.
pub(super) struct Page<'a> {
    bytes: &'a [u8],
    kind: Kind,
    cells: usize,
    /// Where the page's header begins.
    start: usize,
    usable: usize,
}

/// A row in a leaf of a table.
pub(super) struct Row<'a> {
    pub(super) row: u64,
    pub(super) record: Record<'a>,
}

impl<'a> Page<'a> {
    pub(super) fn parse(bytes: &'a [u8], number: u32, usable: usize) -> Option<Self> {
        let start = if number == 1 { FILE_HEADER } else { 0 };
        let kind = match bytes.get(start)? {
            2 => Kind::IndexInner,
            5 => Kind::TableInner,
            10 => Kind::IndexLeaf,
            13 => Kind::TableLeaf,
            _ => return None,
        };
        let cells = usize::from(u16_at(bytes, start + 3)?);
        Some(Self { bytes: bytes.get(..usable)?, kind, cells, start, usable })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// How many cells it has.
    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    /// Finds the cell that is equal, or that where it would be. Cells are sorted.
    pub(super) fn search(
        &self,
        compare: impl Fn(&Self, usize) -> Option<Ordering>,
    ) -> Option<Result<usize, usize>> {
        let (mut low, mut high) = (0, self.cells);
        while low < high {
            let middle = low.midpoint(high);
            match compare(self, middle)? {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some(Ok(middle)),
            }
        }
        Some(Err(low))
    }

    /// The page before a cell, or after the last one.
    pub(super) fn child(&self, cell: usize) -> Option<u32> {
        if self.kind.is_leaf() {
            return None;
        }
        if cell == self.cells {
            return u32_at(self.bytes, self.start + 8);
        }
        u32_at(self.cell(cell)?, 0)
    }

    /// The number of the last row before a cell of an inner page.
    pub(super) fn inner_row(&self, cell: usize) -> Option<u64> {
        Some(variable(self.cell(cell)?.get(4..)?)?.0)
    }

    /// A row of a table's leaf.
    pub(super) fn table_cell(&self, cell: usize) -> Option<Row<'a>> {
        let (length, rest) = variable(self.cell(cell)?)?;
        let (row, rest) = variable(rest)?;
        let record = self.local(length, self.usable - 35, rest)?;
        Some(Row { row, record: Record::parse(record)? })
    }

    /// A record of an index.
    pub(super) fn index_record(&self, cell: usize) -> Option<Record<'a>> {
        let skip = if self.kind.is_leaf() { 0 } else { 4 };
        let (length, rest) = variable(self.cell(cell)?.get(skip..)?)?;
        Record::parse(self.local(length, (self.usable - 12) * 64 / 255 - 23, rest)?)
    }

    /// What of a record is on this page: all, or the beginning of one that is longer than `most`.
    fn local(&self, length: u64, most: usize, rest: &'a [u8]) -> Option<&'a [u8]> {
        let length = usize::try_from(length).ok()?;
        let local = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let some = least + (length - least) % (self.usable - 4);
            if some <= most { some } else { least }
        };
        rest.get(..local)
    }

    fn cell(&self, cell: usize) -> Option<&'a [u8]> {
        if cell >= self.cells {
            return None;
        }
        let header = if self.kind.is_leaf() { 8 } else { 12 };
        let at = u16_at(self.bytes, self.start + header + 2 * cell)?;
        self.bytes.get(usize::from(at)..)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
