//! The names of paths in a graph file, and the one store directory that they agree on.

use layering::{StoreDir, StorePath};

use super::GraphFileError;

/// How much of a wrong value goes into an error.
const SHOWN: usize = 200;

/// Parses the paths of one file.
pub(super) struct Names<'a> {
    file: &'a str,
    store_dir: Option<StoreDir>,
}

impl<'a> Names<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self { file, store_dir: None }
    }

    /// The directory of the full paths so far.
    pub(super) fn store_dir(&self) -> Option<&StoreDir> {
        self.store_dir.as_ref()
    }

    /// A path in full or by its base name. `place` tells where in the file it stands.
    pub(super) fn path(
        &mut self,
        text: &str,
        place: impl Fn() -> String,
    ) -> Result<StorePath, GraphFileError> {
        let wrong = |error: &dyn std::fmt::Display| {
            self.unexpected(&place, text, format!("a store path: {error}"))
        };
        let base = match text.rsplit_once('/') {
            None => text,
            Some((dir, base)) => {
                match &self.store_dir {
                    Some(known) if known.as_str() == dir => {}
                    Some(known) => {
                        return Err(GraphFileError::Stores {
                            file: self.file.into(),
                            place: place(),
                            path: shorten(text),
                            got: shorten(dir),
                            expected: known.to_string(),
                        });
                    }
                    None => {
                        let dir = dir.parse().map_err(|error| wrong(&error))?;
                        base.parse::<StorePath>().map_err(|error| wrong(&error))?;
                        self.store_dir = Some(dir);
                    }
                }
                base
            }
        };
        base.parse()
            .map_err(|error| self.unexpected(&place, text, format!("a store path: {error}")))
    }

    /// The store directory as the file states it.
    pub(super) fn states_store_dir(
        &mut self,
        dir: &str,
        place: impl Fn() -> String,
    ) -> Result<(), GraphFileError> {
        let dir = dir
            .parse()
            .map_err(|error| self.unexpected(&place, dir, format!("a store directory: {error}")))?;
        match &self.store_dir {
            Some(known) if *known != dir => Err(self.unexpected(
                &place,
                dir.as_str(),
                format!("`{known}`, as in the paths before"),
            )),
            _ => {
                self.store_dir = Some(dir);
                Ok(())
            }
        }
    }

    /// The error that `got` stands at `place`.
    pub(super) fn unexpected(
        &self,
        place: impl Fn() -> String,
        got: &str,
        expected: impl Into<String>,
    ) -> GraphFileError {
        GraphFileError::Unexpected {
            file: self.file.into(),
            place: place(),
            got: format!("`{}`", shorten(got)),
            expected: expected.into(),
        }
    }

    /// The error that the path at `place` was not valid.
    pub(super) fn invalid(&self, place: impl Fn() -> String) -> GraphFileError {
        GraphFileError::Invalid { file: self.file.into(), place: place() }
    }

    /// The error that the file is not JSON.
    pub(super) fn no_json(&self, source: serde_json::Error) -> GraphFileError {
        GraphFileError::Json { file: self.file.into(), source }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
