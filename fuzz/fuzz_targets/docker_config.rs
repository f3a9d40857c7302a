//! The file that `docker login` and `podman login` leave behind.
//!
//! Helpers are looked for in an empty folder, so that no input can start a program.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use registry::Environment;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

fuzz_target!(|bytes: &[u8]| {
    let file: PathBuf = FOLDER.path().join(format!("{}.json", std::process::id()));
    std::fs::write(&file, bytes).expect("written");
    let environment = Environment {
        auth_file: Some(file),
        helper_dir: Some(FOLDER.path().join("none")),
        ..Environment::default()
    };
    for (registry, repository) in
        [("host", "x"), ("docker.io", "library/x"), ("host:5000", "a/b/c")]
    {
        // What fails or is found must be fit to print.
        let _ = format!("{:?}", environment.credential(registry, repository));
    }
});
