//! The directory that a store's paths name themselves by: `/nix/store`, `/gnu/store` or another.
//!
//! It is what the bytes of a store path say, wherever the files really are: a chroot store at
//! `/mnt` keeps `/nix/store` as its store directory while its files stand in `/mnt/nix/store`.

use std::fmt;
use std::str::FromStr;

use crate::{StorePath, StorePathError};

/// An absolute, normal path without a slash at its end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreDir(Box<str>);

impl StoreDir {
    /// The directory as text, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full name of `path`, for example `/nix/store/<hash>-hello`.
    pub fn join(&self, path: &StorePath) -> String {
        format!("{}/{path}", self.0)
    }

    /// The store path that `text` names in full; nothing may follow it.
    pub fn parse(&self, text: &str) -> Result<StorePath, StoreDirError> {
        let base = text
            .strip_prefix(&*self.0)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or_else(|| StoreDirError::Outside { path: text.into(), store: self.clone() })?;
        Ok(base.parse()?)
    }
}

/// Nix's own `/nix/store`.
impl Default for StoreDir {
    fn default() -> Self {
        Self("/nix/store".into())
    }
}

/// Why a text is no store directory, or names nothing in one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum StoreDirError {
    #[error("store directory `{0}` is not an absolute path without `.`, `..` and `//`")]
    NotNormal(String),
    #[error("`{path}` is not in the store `{store}`")]
    Outside { path: String, store: StoreDir },
    #[error(transparent)]
    Path(#[from] StorePathError),
}

impl FromStr for StoreDir {
    type Err = StoreDirError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim_end_matches('/');
        let normal = trimmed.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
        });
        if normal { Ok(Self(trimmed.into())) } else { Err(StoreDirError::NotNormal(text.into())) }
    }
}

impl fmt::Display for StoreDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StoreDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "2g13canlyc7b44mbr5fh62pdyvv6xrjl-hello-2.10";

    #[test]
    fn joins_and_parses() {
        let dir = StoreDir::default();
        let full = format!("/nix/store/{BASE}");
        assert_eq!(dir.join(&dir.parse(&full).unwrap()), full);
    }

    #[test]
    fn refuses_what_is_outside() {
        let dir: StoreDir = "/gnu/store/".parse().unwrap();
        for text in [
            format!("/nix/store/{BASE}"),
            BASE.into(),
            format!("/gnu/storex/{BASE}"),
            format!("/gnu/store/{BASE}/bin"),
        ] {
            assert!(dir.parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn must_be_absolute_and_normal() {
        for text in ["", "/", "nix/store", "/nix/../store", "/nix//store", "/nix/./store"] {
            assert!(text.parse::<StoreDir>().is_err(), "{text}");
        }
    }
}
