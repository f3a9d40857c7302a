//! Why a database gives no answer, and what to do then.

use std::io;
use std::path::PathBuf;

/// Why a database gives no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DatabaseError {
    #[error("failed to read `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("`{}` is not an SQLite database", file.display())]
    NotADatabase { file: PathBuf },
    #[error("`{}` is no database of Nix: {what} is missing (its schema is `{schema}`, expected 7 to 10)", file.display())]
    Schema { file: PathBuf, what: String, schema: String },
    #[error("`{}` is damaged", file.display())]
    Corrupt { file: PathBuf, source: rusqlite::Error },
    #[error("`{}` is locked by another process, and stayed so for {seconds} seconds", file.display())]
    Locked { file: PathBuf, seconds: u64 },
    #[error("`{}` was left behind by a process that died while it wrote", journal.display())]
    HotJournal { journal: PathBuf },
    #[error("`{}` has the newest entries of the database, and cannot be read", wal.display())]
    WalUnreadable { wal: PathBuf, source: io::Error },
    #[error("`{}` changed each of the {attempts} times that it was read", file.display())]
    Busy { file: PathBuf, attempts: u32 },
    #[error("failed to query `{}`", file.display())]
    Query { file: PathBuf, source: rusqlite::Error },
    #[error("`{path}` is not valid: `{}` does not know it", file.display())]
    Invalid { file: PathBuf, path: String },
    #[error("`{}`: `{path}` refers to row {row}, which does not exist", file.display())]
    Dangling { file: PathBuf, path: String, row: i64 },
    #[error("`{}`: column `{column}` of row {row} is `{got}`, expected {expected}", file.display())]
    Value { file: PathBuf, row: i64, column: &'static str, got: String, expected: &'static str },
}

impl DatabaseError {
    /// What the user can do about it.
    pub fn hints(&self) -> Vec<String> {
        let instead = "let Nix read it: `nix path-info --json -r ROOT > closure.json`, then `--graph closure.json`";
        let scan = "`--references scan` finds the references without it";
        let list = |hints: &[&str]| hints.iter().map(|hint| (*hint).to_owned()).collect();
        match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => list(&[scan]),
            Self::Io { .. } | Self::Query { .. } => list(&[instead, scan]),
            Self::NotADatabase { .. } | Self::Schema { .. } => list(&[scan]),
            Self::Corrupt { .. } | Self::Value { .. } | Self::Dangling { .. } => {
                list(&["check it with `nix-store --verify`", scan])
            }
            Self::Locked { .. } | Self::Busy { .. } => list(&["try again when Nix is done", scan]),
            Self::HotJournal { .. } => list(&[
                "let Nix repair it: run `nix-store --verify` as a user who may write there",
                scan,
            ]),
            Self::WalUnreadable { .. } => {
                list(&["run as root, or as the user who owns the store", instead, scan])
            }
            Self::Invalid { .. } => list(&[
                "build it first, or fetch it with `nix-store --realise`",
                "for a path that was copied in without Nix, `--references scan` finds its closure",
            ]),
        }
    }
}
