//! The cells of one row, each parsed or named in an error.
//!
//! `SQLite` puts any kind of value into any column, whatever the table declares.

use std::path::Path;

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::DatabaseError;
use super::rows::sqlite;

/// The columns of `ValidPaths` that are read.
pub(super) const COLUMNS: [&str; 9] =
    ["id", "path", "hash", "narSize", "registrationTime", "deriver", "ultimate", "sigs", "ca"];

/// So many of them, from the first, are needed to tell a closure; the others came later, or may be
/// left empty.
pub(super) const REQUIRED: usize = 4;

/// How much of a wrong value goes into an error.
const SHOWN: usize = 200;

/// One row, whose columns were selected in the order of `columns`.
pub(super) struct Cells<'a> {
    row: &'a Row<'a>,
    file: &'a Path,
    columns: &'a [&'static str],
    id: i64,
}

impl<'a> Cells<'a> {
    pub(super) fn new(
        row: &'a Row<'_>,
        file: &'a Path,
        columns: &'a [&'static str],
        id: i64,
    ) -> Self {
        Self { row, file, columns, id }
    }

    fn get(&self, column: &'static str) -> Result<ValueRef<'a>, DatabaseError> {
        let index = self.columns.iter().position(|known| *known == column).unwrap_or(usize::MAX);
        self.row.get_ref(index).map_err(|source| sqlite(self.file, source))
    }

    /// The error that the value of `column` is not what was expected.
    pub(super) fn wrong(&self, column: &'static str, expected: &'static str) -> DatabaseError {
        let got = match self.get(column) {
            Err(error) => return error,
            Ok(ValueRef::Null) => "null".into(),
            Ok(ValueRef::Integer(number)) => number.to_string(),
            Ok(ValueRef::Real(number)) => number.to_string(),
            Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => {
                String::from_utf8_lossy(bytes).chars().take(SHOWN).collect()
            }
        };
        DatabaseError::Value { file: self.file.into(), row: self.id, column, got, expected }
    }

    /// The number of a row.
    pub(super) fn id(&self, column: &'static str) -> Result<i64, DatabaseError> {
        match self.get(column)? {
            ValueRef::Integer(id) => Ok(id),
            _ => Err(self.wrong(column, "the number of a row")),
        }
    }

    /// A number; Nix writes null for zero.
    pub(super) fn number(&self, column: &'static str) -> Result<u64, DatabaseError> {
        match self.get(column)? {
            ValueRef::Null => Ok(0),
            ValueRef::Integer(number) if number >= 0 => Ok(number.unsigned_abs()),
            _ => Err(self.wrong(column, "a number that is not negative")),
        }
    }

    /// A text; null and empty mean the same.
    pub(super) fn text(&self, column: &'static str) -> Result<Option<&'a str>, DatabaseError> {
        match self.get(column)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(bytes) => match str::from_utf8(bytes) {
                Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
                Err(_) => Err(self.wrong(column, "UTF-8 text")),
            },
            _ => Err(self.wrong(column, "text")),
        }
    }

    /// A text that `parse` understands, if there is one.
    pub(super) fn parsed<T>(
        &self,
        column: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, DatabaseError> {
        let Some(text) = self.text(column)? else {
            return Ok(None);
        };
        parse(text).map(Some).ok_or_else(|| self.wrong(column, expected))
    }
}
