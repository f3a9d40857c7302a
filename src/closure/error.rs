//! What can go wrong between the roots and their closure.

use std::io;
use std::path::PathBuf;

use layering::GraphError;

use super::database::DatabaseError;
use super::graph_file::GraphFileError;
use super::root::RootError;
use super::scan::ScanError;
use super::store::StoreError;

/// Why there is no closure.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    GraphFile(#[from] GraphFileError),
    #[error("failed to read the graph file `{}`", file.display())]
    ReadGraph { file: PathBuf, source: io::Error },
    #[error("`{root}` is not in the graph file `{}`", file.display())]
    RootNotInGraph { root: String, file: PathBuf },
    #[error("`{}` has paths of the store `{got}`, expected `{expected}`", file.display())]
    OtherStore { file: PathBuf, got: String, expected: String },
    #[error("no root was given")]
    NoRoot,
    #[error("the graph is not a closure")]
    Graph(#[from] GraphError),
}

impl Error {
    /// What the user can do about it, one sentence each.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Store(error) => error.hints(),
            Self::Root(error) => error.hints(),
            Self::Database(error) => error.hints(),
            Self::Scan(error) => error.hints(),
            Self::GraphFile(error) => error.hints(),
            Self::RootNotInGraph { .. } => {
                vec![
                    "write the file with this root, or leave out the roots to take all of it"
                        .into(),
                ]
            }
            Self::OtherStore { .. } => {
                vec!["give `--store-dir`, or a file written for this store".into()]
            }
            Self::NoRoot => vec!["give a store path, or a link to one such as `./result`".into()],
            Self::Graph(_) => vec![
                "write it with `nix path-info --json -r`, which includes all references".into(),
            ],
            Self::ReadGraph { .. } => Vec::new(),
        }
    }
}
