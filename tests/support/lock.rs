//! One at a time, also across test binaries that run at once: locks on files in cargo's folder for tests.

use std::fs::{self, File};
use std::path::PathBuf;

/// Cargo's folder for what tests keep, in the target folder.
pub fn kept(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&dir).expect("creating cargo's folder for tests");
    dir.join(name)
}

/// A home folder for programs that look for the user's settings there: it has none.
pub fn home() -> PathBuf {
    let home = kept("home");
    fs::create_dir_all(&home).expect("creating a home folder");
    home
}

/// Waits for the turn, which lasts until the file is dropped, or until the process ends however it does.
#[must_use = "the turn ends when the file is dropped"]
pub fn turn(name: &str) -> File {
    let path = kept(name);
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
    let file = file.unwrap_or_else(|error| panic!("opening {}: {error}", path.display()));
    file.lock().unwrap_or_else(|error| panic!("locking {}: {error}", path.display()));
    file
}
