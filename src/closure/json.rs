//! A closure as `nix path-info --json -r` prints it, byte for byte.
//!
//! Keys and their order are those of `Store::pathInfoToJSON` in Nix 2.8: `path`, `narHash`,
//! `narSize` and `references` always, the others only where they say something. Whoever parses
//! Nix's output can parse this.

use std::fmt;

use layering::{StoreDir, StorePath};
use serde::{Serialize, Serializer};

use super::{Closure, NarHash, PathInfo};

/// What is written as it displays itself.
struct Text<T>(T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A path with its store directory.
struct Full<'a>(&'a StoreDir, &'a StorePath);

impl fmt::Display for Full<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(dir, path) = self;
        f.write_str(dir.as_str())?;
        f.write_str("/")?;
        f.write_str(path.as_str())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    path: Text<Full<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nar_hash: Option<Text<NarHash>>,
    nar_size: u64,
    references: Vec<Text<Full<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deriver: Option<Text<Full<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_time: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ultimate: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    signatures: &'a [String],
}

impl<'a> Object<'a> {
    fn new(dir: &'a StoreDir, info: &'a PathInfo) -> Self {
        let full = |path: &'a StorePath| Text(Full(dir, path));
        Self {
            path: full(&info.path),
            nar_hash: info.nar_hash.map(Text),
            nar_size: info.nar_size,
            references: info.references.iter().map(full).collect(),
            ca: info.ca.as_deref(),
            deriver: info.deriver.as_ref().map(full),
            registration_time: info.registration_time,
            ultimate: info.ultimate,
            signatures: &info.signatures,
        }
    }
}

/// The closure as one line of JSON, without a newline at its end, as Nix prints it.
#[expect(clippy::missing_panics_doc, reason = "strings, numbers and lists always serialise")]
pub fn path_info(closure: &Closure) -> String {
    let dir = closure.store_dir();
    let list: Vec<Object<'_>> = closure.paths.iter().map(|info| Object::new(dir, info)).collect();
    serde_json::to_string(&list).expect("strings, numbers and lists always serialise")
}
