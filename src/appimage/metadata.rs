//! `.closure2img` in the root of an image: what its runtime must know of the store and the environment.
//!
//! ```text
//! closure2img 1
//! store /nix/store
//! env NAME=VALUE
//! path <hash-name> <sha256:hex|-> <size|-> <index,…|->
//! ```
//! Backslashes and line feeds in values are `\\` and `\n`. Store paths are sorted; references are their
//! places in that order. An image without store paths has no line for the store, and one that has no
//! environment either has no such file.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use layering::StoreDir;

use crate::closure::PathInfo;

/// The name of the file.
pub const METADATA_FILE: &str = ".closure2img";

/// The file's text. `paths` are those of `store`, sorted and closed under references; names of variables have neither
/// `=` nor backslashes nor line feeds, and nothing has a byte that is zero.
pub fn metadata(store: Option<&StoreDir>, env: &[(String, String)], paths: &[PathInfo]) -> String {
    let mut text = String::from("closure2img 1\n");
    // Writing to a string cannot fail.
    if let Some(store) = store {
        let _ = writeln!(text, "store {}", store.as_str());
    }
    for (name, value) in env {
        let _ = writeln!(text, "env {name}={}", escaped(value));
    }
    for info in paths {
        let hash = info.nar_hash.map_or_else(
            || "-".into(),
            |hash| format!("sha256:{}", HEXLOWER.encode(hash.as_bytes())),
        );
        let size = if info.nar_size == 0 { "-".into() } else { info.nar_size.to_string() };
        let place = |path| paths.binary_search_by(|other| other.path.cmp(path)).ok();
        let references: Vec<String> =
            info.references.iter().filter_map(place).map(|at| at.to_string()).collect();
        let references = if references.is_empty() { "-".into() } else { references.join(",") };
        let _ = writeln!(text, "path {} {hash} {size} {references}", info.path);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closure::NarHash;

    #[test]
    fn references_are_places_in_the_list() {
        let path =
            |letter: char| format!("{}-{letter}", letter.to_string().repeat(32)).parse().unwrap();
        let mut a = PathInfo::new(path('a'), 120, vec![path('b'), path('a')]);
        a.nar_hash = Some(NarHash::from_bytes([0xab; 32]));
        let b = PathInfo::new(path('b'), 0, Vec::new());
        let text = metadata(Some(&StoreDir::default()), &[("A".into(), "b\\\nc".into())], &[a, b]);
        let (a, b, hash) = ("a".repeat(32), "b".repeat(32), "ab".repeat(32));
        assert_eq!(
            text,
            format!(
                "closure2img 1\nstore /nix/store\nenv A=b\\\\\\nc\npath {a}-a sha256:{hash} 120 0,1\npath {b}-b - - -\n"
            )
        );
    }
}
