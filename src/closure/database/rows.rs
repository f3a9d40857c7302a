//! The tables `ValidPaths` and `Refs`, row by row.
//!
//! Guix has the tables of an older schema without the columns `ultimate`, `sigs` and `ca`, so it
//! is the columns that count, not the version. Rows are not trusted: a value of the wrong kind, a
//! path that is none and a reference to nowhere are named, not passed on.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use layering::{StoreDir, StorePath};
use rusqlite::{Connection, Statement};

use super::DatabaseError;
use super::cells::{COLUMNS, Cells, REQUIRED};
use crate::closure::PathInfo;

/// The prepared queries. One statement for each path is faster than one recursive statement.
pub(super) struct Rows<'a> {
    file: &'a Path,
    dir: &'a StoreDir,
    by_path: Statement<'a>,
    by_id: Statement<'a>,
    references: Statement<'a>,
}

/// A row of `ValidPaths`; its references are still to be looked up.
struct Valid {
    id: i64,
    info: PathInfo,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        file: &'a Path,
        dir: &'a StoreDir,
    ) -> Result<Self, DatabaseError> {
        let failed = |source| sqlite(file, source);
        let columns = |table: &str| -> Result<BTreeSet<String>, DatabaseError> {
            let mut statement =
                connection.prepare("select name from pragma_table_info(?1)").map_err(failed)?;
            let names = statement.query_map([table], |row| row.get(0)).map_err(failed)?;
            names.collect::<Result<_, _>>().map_err(failed)
        };
        let valid_paths = columns("ValidPaths")?;
        let refs = columns("Refs")?;
        let needed = COLUMNS[..REQUIRED]
            .iter()
            .map(|name| ("ValidPaths", *name, &valid_paths))
            .chain(["referrer", "reference"].map(|name| ("Refs", name, &refs)));
        for (table, name, columns) in needed {
            if !columns.contains(name) {
                let what = if columns.is_empty() {
                    format!("table `{table}`")
                } else {
                    format!("column `{table}.{name}`")
                };
                return Err(DatabaseError::Schema {
                    file: file.into(),
                    what,
                    schema: schema(file),
                });
            }
        }
        let present = COLUMNS.map(|name| if valid_paths.contains(name) { name } else { "null" });
        let select = format!("select {} from ValidPaths", present.join(", "));
        Ok(Self {
            file,
            dir,
            by_path: connection.prepare(&format!("{select} where path = ?1")).map_err(failed)?,
            by_id: connection.prepare(&format!("{select} where id = ?1")).map_err(failed)?,
            references: connection
                .prepare("select reference from Refs where referrer = ?1")
                .map_err(failed)?,
        })
    }

    /// All that can be reached from `roots`, sorted by path.
    pub(super) fn closure(&mut self, roots: &[StorePath]) -> Result<Vec<PathInfo>, DatabaseError> {
        // Rows by their ids: dense, so that a list does for a map.
        let mut found: Vec<(Valid, Vec<i64>)> = Vec::new();
        let mut seen = HashSet::new();
        for root in roots {
            let valid = self.valid(root)?.ok_or_else(|| DatabaseError::Invalid {
                file: self.file.into(),
                path: self.dir.join(root),
            })?;
            if seen.insert(valid.id) {
                found.push((valid, Vec::new()));
            }
        }
        let mut next = 0;
        while next < found.len() {
            let references = self.references_of(found[next].0.id)?;
            for &row in &references {
                if seen.insert(row) {
                    let valid = self.valid_by_id(row)?.ok_or_else(|| DatabaseError::Dangling {
                        file: self.file.into(),
                        path: self.dir.join(&found[next].0.info.path),
                        row,
                    })?;
                    found.push((valid, Vec::new()));
                }
            }
            found[next].1 = references;
            next += 1;
        }
        let paths: HashMap<i64, StorePath> =
            found.iter().map(|(valid, _)| (valid.id, valid.info.path.clone())).collect();
        let mut infos: Vec<PathInfo> = found
            .into_iter()
            .map(|(valid, references)| {
                let mut references: Vec<StorePath> =
                    references.iter().map(|row| paths[row].clone()).collect();
                references.sort();
                PathInfo { references, ..valid.info }
            })
            .collect();
        infos.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(infos)
    }

    /// One path without its references, if it is valid.
    pub(super) fn find(&mut self, path: &StorePath) -> Result<Option<PathInfo>, DatabaseError> {
        Ok(self.valid(path)?.map(|valid| valid.info))
    }

    fn valid(&mut self, path: &StorePath) -> Result<Option<Valid>, DatabaseError> {
        let mut rows = self
            .by_path
            .query([self.dir.join(path)])
            .map_err(|source| sqlite(self.file, source))?;
        first(&mut rows, self.file, self.dir)
    }

    fn valid_by_id(&mut self, id: i64) -> Result<Option<Valid>, DatabaseError> {
        let mut rows = self.by_id.query([id]).map_err(|source| sqlite(self.file, source))?;
        first(&mut rows, self.file, self.dir)
    }

    fn references_of(&mut self, id: i64) -> Result<Vec<i64>, DatabaseError> {
        let failed = |source| sqlite(self.file, source);
        let mut rows = self.references.query([id]).map_err(failed)?;
        let mut references = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            references.push(Cells::new(row, self.file, &["reference"], id).id("reference")?);
        }
        references.sort_unstable();
        references.dedup();
        Ok(references)
    }
}

/// The row of `ValidPaths` that a query found, if it found one.
fn first(
    rows: &mut rusqlite::Rows<'_>,
    file: &Path,
    dir: &StoreDir,
) -> Result<Option<Valid>, DatabaseError> {
    let Some(row) = rows.next().map_err(|source| sqlite(file, source))? else {
        return Ok(None);
    };
    let id = Cells::new(row, file, &COLUMNS, 0).id("id")?;
    let cells = Cells::new(row, file, &COLUMNS, id);
    let store_path = |text: &str| dir.parse(text).ok();
    let path = cells.parsed("path", "a path of this store", store_path)?;
    let info = PathInfo {
        path: path.ok_or_else(|| cells.wrong("path", "a path of this store"))?,
        nar_hash: cells.parsed("hash", "a SHA-256", |text| text.parse().ok())?,
        nar_size: cells.number("narSize")?,
        references: Vec::new(),
        deriver: cells.parsed("deriver", "a path of this store", store_path)?,
        registration_time: Some(cells.number("registrationTime")?).filter(|time| *time > 0),
        ultimate: cells.number("ultimate")? == 1,
        // As Nix keeps them: a set.
        signatures: cells
            .text("sigs")?
            .map(|text| text.split_ascii_whitespace().map(str::to_owned).collect::<BTreeSet<_>>())
            .map_or_else(Vec::new, |signatures| signatures.into_iter().collect()),
        ca: cells.text("ca")?.map(str::to_owned),
    };
    Ok(Some(Valid { id, info }))
}

/// The file beside the database in which Nix keeps the version of its schema.
fn schema(file: &Path) -> String {
    std::fs::read_to_string(file.with_file_name("schema"))
        .map_or_else(|_| "unknown".into(), |text| text.trim().chars().take(20).collect())
}

/// Errors of `SQLite` while it reads, by what they mean.
pub(super) fn sqlite(file: &Path, source: rusqlite::Error) -> DatabaseError {
    use rusqlite::ErrorCode;
    let file = file.into();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => DatabaseError::Corrupt { file, source },
        Some(ErrorCode::NotADatabase) => DatabaseError::NotADatabase { file },
        _ => DatabaseError::Query { file, source },
    }
}
