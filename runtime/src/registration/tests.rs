//! Against databases that SQLite wrote, and against damage.

use std::format;
use std::string::String;
use std::vec::Vec;
use std::{fs, path::Path};

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;

fn open(bytes: &[u8]) -> Option<Database<&[u8]>> {
    Database::open(bytes, bytes.len() as u64, 0)
}

fn path(number: usize) -> String {
    // Spread over the index as hashes are.
    let spread = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("/nix/store/{spread:016x}0000000000000000-package-{number}")
}

fn hash(number: usize) -> String {
    format!("sha256:{number:064x}")
}

/// The schema of Nix 2.8 (`schema.sql`), with `rows` paths.
fn database(page_size: u32, rows: usize, long: bool) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db.sqlite");
    let mut connection = Connection::open(&file).unwrap();
    connection.pragma_update(None, "page_size", page_size).unwrap();
    connection
        .execute_batch(
            "create table if not exists ValidPaths (id integer primary key autoincrement not null,
               path text unique not null, hash text not null, registrationTime integer not null, deriver text,
               narSize integer, ultimate integer, sigs text, ca text);
             create table if not exists Refs (referrer integer not null, reference integer not null,
               primary key (referrer, reference));
             create index if not exists IndexReferrer on Refs(referrer);",
        )
        .unwrap();
    let all = connection.transaction().unwrap();
    for number in 0..rows {
        let sigs = if long { "x".repeat(number * 97 % 20_000) } else { String::new() };
        all.execute(
            "insert into ValidPaths (path, hash, registrationTime, sigs) values (?, ?, 1, ?)",
            (path(number), hash(number), sigs),
        )
        .unwrap();
    }
    all.commit().unwrap();
    connection.close().unwrap();
    fs::read(file).unwrap()
}

#[track_caller]
fn check(bytes: &[u8], rows: usize, step: usize) {
    let mut database = open(bytes).unwrap();
    for number in (0..rows).step_by(step) {
        let (path, hash) = (path(number), hash(number));
        assert_eq!(
            database.holds(path.as_bytes(), hash.as_bytes()),
            Answer::Registered,
            "{number}"
        );
        assert_eq!(database.holds(path.as_bytes(), b"sha256:0"), Answer::Not);
        let other = format!("{path}x");
        assert_eq!(database.holds(other.as_bytes(), hash.as_bytes()), Answer::Not);
    }
    for absent in ["", "/", "/nix/store/zzz", "\u{7f}"] {
        assert_eq!(database.holds(absent.as_bytes(), b""), Answer::Not);
    }
}

#[test]
fn every_path_is_found_whatever_the_page_size() {
    for page_size in [1024, 4096, 65536] {
        check(&database(page_size, 700, false), 700, 1);
    }
    // Rows that go on in other pages.
    check(&database(4096, 300, true), 300, 1);
    check(&database(4096, 0, false), 0, 1);
}

#[test]
fn many_rows_make_a_high_tree() {
    let bytes = database(4096, 50_000, false);
    check(&bytes, 50_000, 37);
    let start = std::time::Instant::now();
    let mut database = open(&bytes).unwrap();
    let mut asked: Vec<usize> = (0..50_000).step_by(99).take(506).collect();
    asked.sort_by_key(|&number| path(number));
    for number in asked {
        let answer = database.holds(path(number).as_bytes(), hash(number).as_bytes());
        assert_eq!(answer, Answer::Registered);
    }
    std::println!("506 paths of 50,000 in {:?}", start.elapsed());
}

#[test]
fn a_store_made_by_nix_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut tar = std::process::Command::new("tar");
    tar.args(["--zstd", "-xf"]).arg(fixtures.join("tiny-root.tar.zst")).arg("-C").arg(dir.path());
    let ended = tar.args(["--wildcards", "*nix/var/nix/db/db.sqlite"]).status();
    if !ended.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "`tar` cannot unpack zstd");
        std::println!("SKIPPED: `tar` cannot unpack zstd");
        return;
    }
    let bytes = fs::read(dir.path().join("nix/var/nix/db/db.sqlite")).unwrap();
    let mut database = open(&bytes).unwrap();
    // As `nix-store --dump-db` has it: path, hash, size, deriver, number of references, references.
    let dump = fs::read_to_string(fixtures.join("tiny-dump-db.txt")).unwrap();
    let mut lines = dump.lines();
    let mut count = 0;
    while let (Some(path), Some(hash)) = (lines.next(), lines.next()) {
        let references: usize = lines.nth(2).unwrap().parse().unwrap();
        lines.by_ref().take(references).for_each(drop);
        let hash = format!("sha256:{hash}");
        assert_eq!(database.holds(path.as_bytes(), hash.as_bytes()), Answer::Registered, "{path}");
        count += 1;
    }
    assert!(count > 5, "{count}");
}

#[test]
fn what_the_file_does_not_say_is_unknown() {
    let bytes = database(4096, 10, false);
    assert!(Database::open(&*bytes, bytes.len() as u64, 1).is_none(), "a log was overlooked");
    assert!(open(b"").is_none());
    assert!(open(&bytes[..99]).is_none());
    for (at, byte) in [(0, b'X'), (16, 3), (18, 3), (19, 3), (21, 63), (59, 2), (100, 10)] {
        let mut other = bytes.clone();
        other[at] = byte;
        assert!(open(&other).is_none(), "byte {at} was taken");
    }
    // Another program's database.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    Connection::open(&file)
        .unwrap()
        .execute_batch("create table Other (path text unique)")
        .unwrap();
    assert!(open(&fs::read(file).unwrap()).is_none());
    // The file ends before its pages do.
    let mut database = open(&bytes[..4096]).map(|mut cut| cut.holds(b"/nix/store/x", b""));
    assert_eq!(database.take(), Some(Answer::Unknown));
}

proptest! {
    #[test]
    fn damage_is_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), near: bool) {
        static SMALL: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = SMALL.get_or_init(|| database(512, 60, true)).clone();
        for (index, byte) in changes {
            // Headers and tables of cells are what steers.
            let at = index.index(bytes.len());
            let at = if near { at / 512 * 512 + at % 24 } else { at };
            bytes[at] = byte;
        }
        if let Some(mut database) = open(&bytes) {
            for number in 0..60 {
                database.holds(path(number).as_bytes(), hash(number).as_bytes());
            }
        }
    }
}
