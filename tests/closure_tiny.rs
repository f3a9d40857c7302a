//! The closure of a small store, from each source, on a machine without Nix.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod closure_support;

use std::path::{Path, PathBuf};

use closure_support::{TOP, fixture, tiny_root};
use closure2img::closure::{Closure, Error, Location, PathInfo, Query, ReferencesFrom, json};

fn query(root: &Path, references: ReferencesFrom) -> Query {
    Query {
        location: Location { chroot: Some(root.into()), ..Location::default() },
        roots: vec![TOP.into()],
        references,
        graph: None,
        with_hashes: true,
        threads: 2.try_into().unwrap(),
    }
}

/// As Nix printed it where the fixture was built; a copy has another time and is not `ultimate`.
fn without_origin(json: &str) -> Vec<serde_json::Value> {
    let mut list: Vec<serde_json::Value> = serde_json::from_str(json).unwrap();
    for object in &mut list {
        object
            .as_object_mut()
            .unwrap()
            .retain(|key, _| key != "registrationTime" && key != "ultimate");
    }
    list
}

/// What a scan can know.
fn bare(closure: &Closure) -> Vec<(String, u64, Option<String>, Vec<String>)> {
    let text = |path: &layering::StorePath| path.to_string();
    let info = |info: &PathInfo| {
        let references = info.references.iter().map(text).collect();
        (text(&info.path), info.nar_size, info.nar_hash.map(|hash| hash.to_string()), references)
    };
    closure.paths.iter().map(info).collect()
}

#[test]
fn database_scan_and_file_agree() {
    let root = tiny_root();
    let database = query(root.path(), ReferencesFrom::Auto).closure().unwrap();
    assert!(database.notes.is_empty());
    assert_eq!(database.paths.len(), 10);
    let expected = std::fs::read_to_string(fixture("tiny-path-info.json")).unwrap();
    assert_eq!(without_origin(&json::path_info(&database)), without_origin(&expected));

    for threads in [1, 2, 5] {
        let scan = Query {
            threads: threads.try_into().unwrap(),
            ..query(root.path(), ReferencesFrom::Scan)
        };
        assert_eq!(bare(&scan.closure().unwrap()), bare(&database));
    }
    // The old format has no sizes: they come from the database, or from the files.
    let file = ReferencesFrom::File(fixture("tiny-exportReferencesGraph.txt"));
    assert_eq!(query(root.path(), file.clone()).closure().unwrap().paths, database.paths);
    // What a file does tell counts, and base names are of the store at hand.
    let told =
        expected.replace("/nix/store/", "").replace(r#""narSize":168,"#, r#""narSize":169,"#);
    let edited = root.path().join("edited.json");
    std::fs::write(&edited, told).unwrap();
    let edited = query(root.path(), ReferencesFrom::File(edited)).closure().unwrap();
    assert_eq!(edited.graph().unwrap().nodes()[1].nar_size, 169);
    assert_eq!(
        edited.paths[0],
        PathInfo {
            ultimate: true,
            registration_time: edited.paths[0].registration_time,
            ..database.paths[0].clone()
        }
    );

    std::fs::remove_file(root.path().join("nix/var/nix/db/db.sqlite")).unwrap();
    assert_eq!(bare(&query(root.path(), file).closure().unwrap()), bare(&database));
    let scan = query(root.path(), ReferencesFrom::Auto).closure().unwrap();
    assert_eq!(bare(&scan), bare(&database));
    assert!(scan.notes[0].contains("scanning"), "{:?}", scan.notes);
}

#[test]
fn names_that_are_not_utf8_are_hashed_as_they_are() {
    let root = tiny_root();
    let mut query = query(root.path(), ReferencesFrom::Database);
    query.roots = vec!["/nix/store/36s5mrrdv4y4yk9grxzbcwh5kqhvmcm7-tiny-nonutf8".into()];
    let database = query.closure().unwrap();
    query.references = ReferencesFrom::Scan;
    assert_eq!(bare(&query.closure().unwrap()), bare(&database));
}

#[test]
fn a_graph_file_needs_no_store() {
    let graph = Query {
        location: Location::default(),
        graph: Some(fixture("tiny-path-info.json")),
        roots: Vec::new(),
        ..query(Path::new("/nonexistent"), ReferencesFrom::Auto)
    };
    let whole = graph.closure().unwrap();
    assert_eq!(
        json::path_info(&whole),
        std::fs::read_to_string(fixture("tiny-path-info.json")).unwrap()
    );
    assert_eq!(
        whole.roots.iter().map(|root| whole.store_dir().join(&root.path)).collect::<Vec<_>>(),
        [TOP]
    );
    assert_eq!(whole.graph().unwrap().nodes().len(), 10);

    // Given roots restrict it to what they need.
    let link = "/nix/store/1q5ppl944vri7nxb16w4mmmfgq95f6yf-tiny-symlink";
    let part = Query { roots: vec![link.into()], ..graph.clone() }.closure().unwrap();
    assert_eq!(part.paths.len(), 2);

    let other = "/nix/store/2g13canlyc7b44mbr5fh62pdyvv6xrjl-hello";
    let error = Query { roots: vec![other.into()], ..graph }.closure().unwrap_err();
    assert!(matches!(error, Error::RootNotInGraph { .. }), "{error}");
    assert!(!error.hints().is_empty());
}

#[test]
fn a_scan_of_what_is_not_there_says_so() {
    let root = tiny_root();
    let mut query = query(root.path(), ReferencesFrom::Scan);
    query.roots = vec![PathBuf::from("/nix/store/2g13canlyc7b44mbr5fh62pdyvv6xrjl-hello")];
    let error = query.closure().unwrap_err();
    assert!(error.to_string().ends_with("-hello` does not exist"), "{error}");
    query.roots.clear();
    assert!(matches!(query.closure(), Err(Error::NoRoot)));
}
