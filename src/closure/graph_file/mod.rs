//! A closure that somebody wrote down: the input where there is no store, or not yet.
//!
//! | file                                          | written by                                     |
//! |-----------------------------------------------|------------------------------------------------|
//! | list of objects with a `path`                 | `nix path-info --json -r`, Nix up to 2.18      |
//! | object keyed by path, full or base name       | the same, Nix 2.19 and later                   |
//! | the same below `info`, with `version`         | Nix 2.33 and later                             |
//! | `.attrs.json`                                 | builds with `__structuredAttrs`                |
//! | `path`, deriver, count, references            | the old `exportReferencesGraph`: without sizes |
//! | `path`, hash, size, deriver, count, references | `closureInfo`'s `registration`, `nix-store --dump-db` |
//!
//! The format is told by the content, never by the name. Files are not trusted.

mod error;
mod json;
mod names;
mod text;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use layering::{StoreDir, StorePath};

pub use error::GraphFileError;

use super::PathInfo;
use names::Names;

/// What a graph file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphFile {
    /// The store directory of the paths.
    pub store_dir: StoreDir,
    /// The paths, sorted, each once. A size of 0 means that the file does not tell it.
    pub paths: Vec<PathInfo>,
}

/// Reads a graph file of any of the formats; `name` is what errors call it.
///
/// Where all paths are base names, they are taken to be in `fallback`.
pub fn parse(bytes: &[u8], name: &str, fallback: &StoreDir) -> Result<GraphFile, GraphFileError> {
    let mut names = Names::new(name);
    let infos = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => json::parse(bytes, &mut names)?,
        Some(b'/') => text::parse(bytes, &mut names)?,
        _ => return Err(GraphFileError::Format { file: name.into() }),
    };
    let mut paths: BTreeMap<StorePath, PathInfo> = BTreeMap::new();
    for info in infos {
        match paths.entry(info.path.clone()) {
            Entry::Vacant(entry) => _ = entry.insert(info),
            // Closures of one build overlap; what they say of a path must be the same.
            Entry::Occupied(entry) if *entry.get() == info => {}
            Entry::Occupied(_) => {
                return Err(GraphFileError::Conflict { file: name.into(), path: info.path });
            }
        }
    }
    let store_dir = names.store_dir().cloned().unwrap_or_else(|| fallback.clone());
    Ok(GraphFile { store_dir, paths: paths.into_values().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name))
            .unwrap()
    }

    fn parse_here(bytes: &[u8]) -> Result<GraphFile, GraphFileError> {
        parse(bytes, "graph", &StoreDir::default())
    }

    /// The paths with what only some formats tell taken out.
    fn bare(infos: &[PathInfo]) -> Vec<PathInfo> {
        infos
            .iter()
            .map(|info| PathInfo::new(info.path.clone(), info.nar_size, info.references.clone()))
            .collect()
    }

    #[test]
    fn every_format_tells_the_same_closure() {
        let truth = parse_here(&fixture("tiny-path-info.json")).unwrap();
        assert_eq!(truth.paths.len(), 10);
        for name in [
            "tiny-path-info-S.json",
            "tiny-closureInfo/attrs.json",
            "tiny-closureInfo/registration",
            "tiny-dump-db.txt",
        ] {
            let file = parse_here(&fixture(name)).unwrap();
            assert_eq!(file.store_dir, truth.store_dir, "{name}");
            assert_eq!(bare(&file.paths), bare(&truth.paths), "{name}");
            let hashes =
                |file: &GraphFile| file.paths.iter().map(|info| info.nar_hash).collect::<Vec<_>>();
            assert_eq!(hashes(&file), hashes(&truth), "{name}");
        }
        let old = parse_here(&fixture("tiny-exportReferencesGraph.txt")).unwrap();
        let references = |file: &GraphFile| {
            file.paths
                .iter()
                .map(|info| (info.path.clone(), info.references.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(references(&old), references(&truth));
        assert!(old.paths.iter().all(|info| info.nar_size == 0 && info.nar_hash.is_none()));
    }

    const A: &str = "2g13canlyc7b44mbr5fh62pdyvv6xrjl-a";
    const B: &str = "2g13canlyc7b44mbr5fh62pdyvv6xrjm-b";
    const SRI: &str = "sha256-qT8AFZjASeT1y8GWdof7v2nBtiA0cnhkSuENl7Dxef4=";

    #[test]
    fn later_forms_of_path_info() {
        let list = format!(
            r#"[{{"path":"/gnu/store/{A}","narHash":"{SRI}","narSize":5,"references":["/gnu/store/{B}","/gnu/store/{A}"]}},
                {{"path":"/gnu/store/{B}","narHash":null,"narSize":null,"references":[]}}]"#
        );
        let truth = parse_here(list.as_bytes()).unwrap();
        assert_eq!(truth.store_dir.as_str(), "/gnu/store");
        let keyed = format!(
            r#"{{"/gnu/store/{A}":{{"narHash":"{SRI}","narSize":5,"references":["/gnu/store/{B}","/gnu/store/{A}"],"deriver":null}},
                "/gnu/store/{B}":{{"references":[],"signatures":[],"ultimate":false,"registrationTime":0}}}}"#
        );
        assert_eq!(parse_here(keyed.as_bytes()).unwrap(), truth);
        let hash = SRI.strip_prefix("sha256-").unwrap();
        let nested = format!(
            r#"{{"version":2,"info":{{"{A}":{{"version":2,"path":"{A}","narSize":5,"references":["{A}","{B}"],
                "narHash":{{"algorithm":"sha256","format":"base64","hash":"{hash}"}},"ca":{{"method":"nar"}}}},
                "{B}":{{"info":{{"references":[]}}}}}}}}"#
        );
        let elsewhere = nested.replacen(r#"{"version""#, r#"{"storeDir":"/a/store","version""#, 1);
        assert_eq!(parse_here(elsewhere.as_bytes()).unwrap().store_dir.as_str(), "/a/store");
        let torn = elsewhere.replacen(r#":{"version""#, r#":{"storeDir":"/b/store","version""#, 1);
        let error = parse_here(torn.as_bytes()).unwrap_err().to_string();
        assert!(
            error.ends_with("got `/b/store`, expected `/a/store`, as in the paths before"),
            "{error}"
        );
        let nested = parse_here(nested.as_bytes()).unwrap();
        assert_eq!((nested.store_dir.as_str(), &nested.paths), ("/nix/store", &truth.paths));
    }

    #[test]
    fn graphs_of_one_build_are_merged() {
        let attributes = |size| {
            format!(
                r#"{{"exportReferencesGraph":{{"one":["x"],"two":["y"]}},
                    "one":[{{"path":"/nix/store/{A}","narSize":1,"references":["/nix/store/{B}"]}},{{"path":"/nix/store/{B}","narSize":2,"references":[]}}],
                    "two":[{{"path":"/nix/store/{B}","narSize":{size},"references":[]}}]}}"#
            )
        };
        assert_eq!(parse_here(attributes(2).as_bytes()).unwrap().paths.len(), 2);
        assert!(matches!(
            parse_here(attributes(3).as_bytes()),
            Err(GraphFileError::Conflict { .. })
        ));
    }

    #[test]
    fn errors_say_where() {
        let record = format!("/nix/store/{A}\nsha256:{}\n12\n\n", "a".repeat(64));
        let cases = [
            ("", "`graph` is no graph file: it begins with neither JSON nor the path of a store".to_owned()),
            ("{", "`graph` is not valid JSON".into()),
            ("[1]", "`graph`, [0]: got `1`, expected an object with a `path`".into()),
            (r#"{"a":null}"#, "`graph`, key `a`: got `a`, expected a store path: `a` is not a store path: it does not begin with the 32 base-32 characters of a hash".into()),
            (&format!(r#"{{"{A}":null}}"#), format!("`graph`, key `{A}`: the path is not valid in the store that wrote the file")),
            (&format!(r#"[{{"path":"{A}","valid":false}}]"#), format!("`graph`, `{A}`: valid: the path is not valid in the store that wrote the file")),
            (&format!(r#"{{"{A}":{{}}}}"#), format!("`graph`, `{A}`: references: got `nothing`, expected a list of store paths")),
            (&format!(r#"{{"{A}":{{"references":[],"narSize":-1}}}}"#), format!("`graph`, `{A}`: narSize: got `-1`, expected a number that is not negative")),
            (&format!(r#"[{{"path":"/a/{A}","references":["/b/{B}"]}}]"#), format!("`graph`, `/a/{A}`: references: `/b/{B}` is in the store `/b`, the paths before it are in `/a`")),
            (r#"{"exportReferencesGraph":{"x":[]}}"#, "`graph`, key `x`: got `nothing`, expected a list of paths, as `exportReferencesGraph` says".into()),
            (&format!("{record}x\n"), "`graph`, line 5: got `x`, expected the number of references".into()),
            (&format!("{record}18446744073709551615\n"), "`graph`, line 6: got `end of file`, expected a reference".into()),
            (&format!("/nix/store/{A}\nmd5\n"), "`graph`, line 2: got `md5`, expected a hash: `md5` is not a NAR hash; expected `sha256-` with base-64, or base-16 or base-32 with or without `sha256:`".into()),
        ];
        for (text, message) in cases {
            let error = parse_here(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        assert!(parse_here("[".repeat(1_000_000).as_bytes()).is_err());
        let rows: Vec<String> = (0..50_000)
            .map(|number| format!(r#"{{"path":"/nix/store/{number:032}-x","narSize":18446744073709551615,"references":["/nix/store/{:032}-x"]}}"#, number / 2))
            .collect();
        assert_eq!(
            parse_here(format!("[{}]", rows.join(",")).as_bytes()).unwrap().paths.len(),
            50_000
        );
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_here(&bytes);
            let _ = parse_here(&[b"/nix/store/2g13canlyc7b44mbr5fh62pdyvv6xrjl-a\n", &bytes[..]].concat());
        }

        #[test]
        fn damaged_files_parse_or_fail_without_a_panic(
            name in prop::sample::select(vec!["tiny-path-info.json", "tiny-dump-db.txt", "tiny-exportReferencesGraph.txt"]),
            at: prop::sample::Index,
            byte: u8,
            cut: bool,
        ) {
            let mut bytes = fixture(name);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            let _ = parse_here(&bytes);
        }
    }
}
