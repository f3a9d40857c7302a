//! Whether a store path is registered with the content that the image has: looked up in Nix's database, a file of
//! SQLite's format (sqlite.org/fileformat2.html), without SQLite.
//!
//! `ValidPaths` has an index over its column `path`, made for its `unique`. The path is searched there, which gives the
//! number of a row, and that row is searched in the table. Whatever is not as expected makes the answer "unknown", and
//! so does a log that the database has not yet taken in: what it says is then not what the file says.

mod page;
mod record;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use page::{Kind, Page};
use squashfs::read::ReadAt;

/// What the database says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is registered, with this content.
    Registered,
    /// It is not registered, or with other content.
    Not,
    /// The database cannot be told.
    Unknown,
}

/// What the index says of a path.
enum Found {
    /// The number of its row.
    Row(u64),
    Nothing,
}

/// SQLite's own limit to the height of trees (`BTCURSOR_MAX_DEPTH`).
const HEIGHT: usize = 20;

/// Pages that are kept. Searches in the order of the index find most of theirs among them.
const KEPT: usize = 64;

/// Pages of the schema that are looked through. Nix's has one or two.
const SCHEMA_PAGES: usize = 32;

/// Nix's database, as it is in the file.
pub struct Database<R> {
    file: R,
    page_size: usize,
    usable: usize,
    pages: u32,
    /// Where the table's tree begins, and its index's.
    table: u32,
    index: u32,
    kept: Vec<(u32, Vec<u8>)>,
}

impl<R: ReadAt> Database<R> {
    /// Reads the schema. `length` is the file's, `log` that of `db.sqlite-wal` and `db.sqlite-journal` together, 0 if
    /// they are not there. None if this is not Nix's database at rest.
    pub fn open(file: R, length: u64, log: u64) -> Option<Self> {
        let mut header = [0; page::FILE_HEADER];
        if log != 0 || !fill(&file, &mut header, 0) {
            return None;
        }
        let (page_size, usable) = page::sizes(&header)?;
        let pages = u32::try_from(length / page_size as u64).ok()?;
        let kept = Vec::new();
        let mut database = Self { file, page_size, usable, pages, table: 0, index: 0, kept };
        database.read_schema()?;
        Some(database)
    }

    /// Whether `path`, such as `/nix/store/HASH-NAME`, is registered with the NAR hash `hash`, such as `sha256:` and 64
    /// hexadecimal digits. Quickest if paths are asked for in their order.
    pub fn holds(&mut self, path: &[u8], hash: &[u8]) -> Answer {
        match self.hash_equals(path, hash) {
            Some(true) => Answer::Registered,
            Some(false) => Answer::Not,
            None => Answer::Unknown,
        }
    }

    fn hash_equals(&mut self, path: &[u8], hash: &[u8]) -> Option<bool> {
        let Found::Row(row) = self.row_of(path)? else { return Some(false) };
        let number = self.leaf_of(row)?;
        let page = self.page(number)?;
        let cell = page.search(|page, at| Some(page.table_cell(at)?.row.cmp(&row)))?.ok()?;
        let mut columns = page.table_cell(cell)?.record;
        // `id` is the number of the row.
        columns.next()?;
        if columns.next()?.text()? != path {
            return None;
        }
        Some(columns.next()?.text()? == hash)
    }

    /// The number of a path's row.
    fn row_of(&mut self, path: &[u8]) -> Option<Found> {
        let mut number = self.index;
        for _ in 0..HEIGHT {
            let page = self.page(number)?;
            if !page.kind().is_index() {
                return None;
            }
            let compare =
                |page: &Page<'_>, at| Some(page.index_record(at)?.next()?.text()?.cmp(path));
            match page.search(compare)? {
                Ok(cell) => return Some(Found::Row(page.index_record(cell)?.nth(1)?.number()?)),
                Err(_) if page.kind() == Kind::IndexLeaf => return Some(Found::Nothing),
                Err(cell) => number = page.child(cell)?,
            }
        }
        None
    }

    /// The page of the table that has a row, if any has.
    fn leaf_of(&mut self, row: u64) -> Option<u32> {
        let mut number = self.table;
        for _ in 0..HEIGHT {
            let page = self.page(number)?;
            match page.kind() {
                Kind::TableLeaf => return Some(number),
                // To the left of a number are the rows up to it.
                Kind::TableInner => {
                    match page.search(|page, at| Some(page.inner_row(at)?.cmp(&row)))? {
                        Ok(cell) | Err(cell) => number = page.child(cell)?,
                    }
                }
                Kind::IndexInner | Kind::IndexLeaf => return None,
            }
        }
        None
    }

    /// Finds where table and index are, in the table of all tables, which begins on page 1.
    fn read_schema(&mut self) -> Option<()> {
        let mut left = Vec::from([1]);
        for _ in 0..SCHEMA_PAGES {
            let Some(number) = left.pop() else { break };
            let page = self.page(number)?;
            let (mut table, mut index) = (None, None);
            match page.kind() {
                Kind::TableInner => {
                    for cell in 0..=page.cells() {
                        left.push(page.child(cell)?);
                    }
                }
                Kind::TableLeaf => {
                    for cell in 0..page.cells() {
                        let mut columns = page.table_cell(cell)?.record;
                        let (kind, name) = (columns.next()?.text()?, columns.next()?.text()?);
                        let (of, root) = (columns.next()?.text()?, columns.next()?.number());
                        match (kind, name, of) {
                            (b"table", b"ValidPaths", _) => table = root,
                            (b"index", b"sqlite_autoindex_ValidPaths_1", b"ValidPaths") => {
                                index = root;
                            }
                            _ => {}
                        }
                    }
                }
                Kind::IndexInner | Kind::IndexLeaf => return None,
            }
            self.table = table.map_or(Some(self.table), |root| root.try_into().ok())?;
            self.index = index.map_or(Some(self.index), |root| root.try_into().ok())?;
        }
        (self.table != 0 && self.index != 0).then_some(())
    }

    /// A page by its number, which counts from 1.
    fn page(&mut self, number: u32) -> Option<Page<'_>> {
        if number == 0 || number > self.pages {
            return None;
        }
        let slot = number as usize % KEPT;
        while self.kept.len() <= slot {
            self.kept.push((0, Vec::new()));
        }
        let (kept, bytes) = self.kept.get_mut(slot)?;
        if *kept != number {
            *kept = 0;
            bytes.resize(self.page_size, 0);
            if !fill(&self.file, bytes, u64::from(number - 1) * self.page_size as u64) {
                return None;
            }
            *kept = number;
        }
        Page::parse(bytes, number, self.usable)
    }
}

/// Whether all of the buffer could be filled.
fn fill(file: &impl ReadAt, buffer: &mut [u8], position: u64) -> bool {
    file.read_at(buffer, position) == Ok(buffer.len())
}
