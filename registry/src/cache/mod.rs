//! What is worth remembering from one run to the next: habits of registries, uploads that broke, small documents.
//!
//! Everything here saves requests or bytes and nothing depends on it: what cannot be read is as good as absent, and
//! what cannot be written is not. An upload's location can be as good as a password for that upload, so the files are
//! their owner's alone.

mod documents;
mod habits;
mod uploads;

use std::fs::{self, DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use crate::Digest;
pub(crate) use habits::Habits;

/// Files of one kind; the oldest make room.
const MAX_FILES: usize = 256;

/// A folder for them, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    dir: Option<PathBuf>,
}

impl Cache {
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        Self { dir }
    }

    /// The file for `key`, which may be any text.
    fn file(&self, kind: &str, key: &str) -> Option<PathBuf> {
        let name = Digest::of(key.as_bytes());
        Some(self.dir.as_ref()?.join(kind).join(name.hex()))
    }

    fn read(&self, kind: &str, key: &str, limit: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.file(kind, key)?).ok()?;
        file.take(limit + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= limit).then_some(bytes)
    }

    fn write(&self, kind: &str, key: &str, bytes: &[u8]) {
        let Some(file) = self.file(kind, key) else { return };
        let Some(folder) = file.parent() else { return };
        let write = || -> std::io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            // Created for its owner alone, and seen by others only when it is whole. A power cut may lose it.
            let mut beside = NamedTempFile::new_in(folder)?;
            beside.write_all(bytes)?;
            beside.persist(&file)?;
            Ok(())
        };
        if write().is_ok() {
            prune(folder);
        }
    }

    fn remove(&self, kind: &str, key: &str) {
        if let Some(file) = self.file(kind, key) {
            // Another run may have removed it.
            let _ = fs::remove_file(file);
        }
    }
}

/// Removes the files that were written longest ago, should there be too many.
fn prune(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let written = |entry: &fs::DirEntry| entry.metadata().and_then(|meta| meta.modified()).ok();
    let mut files: Vec<(SystemTime, PathBuf)> =
        entries.flatten().filter_map(|entry| Some((written(&entry)?, entry.path()))).collect();
    if files.len() <= MAX_FILES {
        return;
    }
    files.sort();
    for (_, file) in &files[..files.len() - MAX_FILES] {
        let _ = fs::remove_file(file);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_kept_is_its_owners_alone_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().join("cache")));
        for n in 0..MAX_FILES + 20 {
            cache.write("kind", &n.to_string(), b"content");
        }
        let kept: Vec<_> = fs::read_dir(folder.path().join("cache/kind")).unwrap().collect();
        assert_eq!(kept.len(), MAX_FILES);
        for entry in kept {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let last = (MAX_FILES + 19).to_string();
        assert_eq!(cache.read("kind", &last, 7).as_deref(), Some(&b"content"[..]));
        assert_eq!(cache.read("kind", &last, 6), None);
        cache.remove("kind", &last);
        assert_eq!(cache.read("kind", &last, 7), None);
    }

    #[test]
    fn without_a_folder_nothing_is_kept() {
        let cache = Cache::new(None);
        cache.write("kind", "key", b"content");
        assert_eq!(cache.read("kind", "key", 100), None);
    }
}
