//! A whole small store with every kind of file, unpacked for each test that wants one.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A file of `fixtures/`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A chroot store with the closure of `tiny-top`, made by Nix.
pub(crate) fn tiny_root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let file = std::fs::File::open(fixture("tiny-root.tar.zst")).unwrap();
    tar::Archive::new(zstd::Decoder::new(file).unwrap()).unpack(root.path()).unwrap();
    root
}

/// `tiny-top`, whose closure is all of the store but `tiny-nonutf8`.
pub(crate) const TOP: &str = "/nix/store/n0c0jgfvz35431pzyh9wbj2w504cs1m8-tiny-top";
