//! Nix's own record of what is in a store: the `SQLite` database `db.sqlite`.
//!
//! Reading it takes milliseconds where Nix itself takes a tenth of a second. Two promises make
//! that safe: nothing is ever written, not even the `-shm` and `-wal` files that `SQLite` likes to
//! leave beside a database, and no answer is ever stale without saying so. How both are kept in
//! every state that a database can be in is told in `snapshot`; `rows` reads the tables.

mod cells;
mod error;
mod rows;
mod snapshot;

use std::path::PathBuf;

use layering::{StoreDir, StorePath};

pub use error::DatabaseError;

use super::{PathInfo, Store};
use rows::Rows;

/// The database of a store.
#[derive(Clone, Debug)]
pub struct Database {
    file: PathBuf,
    dir: StoreDir,
}

impl Database {
    /// The database of `store`; nothing is opened yet.
    pub fn of(store: &Store) -> Self {
        Self { file: store.database().into(), dir: store.dir().clone() }
    }

    /// Whether there is such a file, readable or not.
    pub fn is_there(&self) -> bool {
        // In doubt it is there: a scan must not stand in for a database that we may not look at.
        self.file.try_exists().unwrap_or(true)
    }

    /// All paths that can be reached from `roots`, sorted.
    pub fn closure(&self, roots: &[StorePath]) -> Result<Vec<PathInfo>, DatabaseError> {
        snapshot::read(&self.file, |connection| {
            Rows::new(connection, &self.file, &self.dir)?.closure(roots)
        })
    }

    /// Fills in what `infos` lack: sizes, hashes and where paths come from. What they have is kept,
    /// and so is all of a path that the database does not know.
    pub fn fill(&self, infos: &mut [PathInfo]) -> Result<(), DatabaseError> {
        let known = snapshot::read(&self.file, |connection| {
            let mut rows = Rows::new(connection, &self.file, &self.dir)?;
            infos.iter().map(|info| rows.find(&info.path)).collect::<Result<Vec<_>, _>>()
        })?;
        for (info, known) in infos.iter_mut().zip(known) {
            let Some(known) = known else { continue };
            if info.nar_size == 0 {
                info.nar_size = known.nar_size;
            }
            if info.signatures.is_empty() {
                info.signatures = known.signatures;
            }
            info.nar_hash = info.nar_hash.or(known.nar_hash);
            info.deriver = info.deriver.take().or(known.deriver);
            info.registration_time = info.registration_time.or(known.registration_time);
            info.ultimate |= known.ultimate;
            info.ca = info.ca.take().or(known.ca);
        }
        Ok(())
    }
}
