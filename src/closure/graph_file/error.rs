//! Why a graph file cannot be understood, and where.

use layering::StorePath;

/// Why a graph file cannot be understood.
///
/// `place` is the line, as in `line 7`, or the key, as in `/nix/store/…-hello: narSize`.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum GraphFileError {
    #[error("`{file}` is no graph file: it begins with neither JSON nor the path of a store")]
    Format { file: String },
    #[error("`{file}` is not valid JSON")]
    Json { file: String, source: serde_json::Error },
    #[error("`{file}`, {place}: got {got}, expected {expected}")]
    Unexpected { file: String, place: String, got: String, expected: String },
    #[error(
        "`{file}`, {place}: `{path}` is in the store `{got}`, the paths before it are in `{expected}`"
    )]
    Stores { file: String, place: String, path: String, got: String, expected: String },
    #[error("`{file}`, {place}: the path is not valid in the store that wrote the file")]
    Invalid { file: String, place: String },
    #[error("`{file}` says different things about `{path}`")]
    Conflict { file: String, path: StorePath },
}

impl GraphFileError {
    /// What the user can do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Invalid { .. } => vec!["build the path first, then write the file again".into()],
            Self::Conflict { .. } | Self::Stores { .. } => {
                vec!["write the file from one store, at one time".into()]
            }
            Self::Format { .. } | Self::Json { .. } | Self::Unexpected { .. } => vec![
                "graph files are written by `nix path-info --json -r ROOT`, `nix-store --dump-db`, `closureInfo` and `exportReferencesGraph`".into(),
            ],
        }
    }
}
