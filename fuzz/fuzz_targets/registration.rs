//! A database of SQLite's format is understood or not; lookups in it end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime::registration::Database;

fuzz_target!(|bytes: &[u8]| {
    if let Some(mut database) = Database::open(bytes, bytes.len() as u64, 0) {
        for path in ["", "/nix/store/0", "/nix/store/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-x"] {
            database.holds(path.as_bytes(), b"sha256:0");
        }
    }
});
