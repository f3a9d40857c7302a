//! Which image is in which file or directory that was written, so that what is there already need
//! not be written again.
//!
//! As `git` and `make` do, a file counts as unchanged if it is the same inode with the same size
//! and times. Nobody can set the time of the last change (`ctime`) back.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use registry::Digest;
use serde::{Deserialize, Serialize};

use super::Cache;

/// The folder of these files.
pub(super) const OUTPUTS: &str = "outputs";

/// A change within one tick of the kernel's clock, of 10 ms at most, would not show.
const TICK: Duration = Duration::from_millis(12);

#[derive(Serialize, Deserialize)]
pub(super) struct Output {
    /// Where it is, for `gc`.
    pub(super) path: String,
    content: String,
    state: String,
}

impl Cache {
    /// Whether `path` holds what `content` stands for, since it was written there.
    pub(crate) fn holds(&self, path: &Path, content: &Digest) -> bool {
        let Some((name, path)) = place(path) else { return false };
        let known = self.document::<Output>(&file(&name), &name);
        known.is_some_and(|known| {
            known.content == content.to_string() && state(&path).is_some_and(|it| it == known.state)
        })
    }

    /// Notes that what `content` stands for was just written to `path`.
    pub(crate) fn wrote(&self, path: &Path, content: &Digest) {
        let Some((name, path)) = place(path) else { return };
        thread::sleep(TICK);
        let Some(state) = state(&path) else { return };
        let output = Output { path: name.clone(), content: content.to_string(), state };
        self.keep_document(&file(&name), &name, &output);
    }
}

/// The one name of a file, and where it is.
fn place(path: &Path) -> Option<(String, std::path::PathBuf)> {
    let path = fs::canonicalize(path).ok()?;
    Some((path.to_str()?.to_owned(), path))
}

fn file(name: &str) -> String {
    format!("{OUTPUTS}/{}", Digest::of(name.as_bytes()).hex())
}

/// How a file, or everything in a directory, looks without being read.
fn state(path: &Path) -> Option<String> {
    let mut text = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).ok()?;
        text.extend_from_slice(look(&meta).as_bytes());
        text.extend_from_slice(path.as_os_str().as_bytes());
        text.push(0);
        if meta.is_dir() {
            let entries = fs::read_dir(&path).ok()?;
            let mut inner: Vec<_> =
                entries.map(|entry| Some(entry.ok()?.path())).collect::<Option<_>>()?;
            inner.sort();
            open.extend(inner);
        } else if !meta.is_file() {
            return None;
        }
    }
    Some(Digest::of(&text).to_string())
}

fn look(meta: &Metadata) -> String {
    let modified = (meta.mtime(), meta.mtime_nsec());
    let changed = (meta.ctime(), meta.ctime_nsec());
    let place = (meta.dev(), meta.ino(), meta.mode());
    format!("{place:?} {} {modified:?} {changed:?} ", meta.size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_shows() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(&dir.path().join("cache"), 1).unwrap();
        let content = Digest::of(b"image");
        let changes: [fn(&Path); 4] = [
            |file| fs::write(file, "IMAGE").unwrap(),
            |file| {
                let modified = fs::metadata(file).unwrap().modified().unwrap();
                fs::write(file, "imagE").unwrap();
                fs::File::open(file).unwrap().set_modified(modified).unwrap();
            },
            |file| {
                let copy = file.with_extension("copy");
                fs::copy(file, &copy).unwrap();
                fs::rename(copy, file).unwrap();
            },
            |file| fs::remove_file(file).unwrap(),
        ];
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let inner = folder.join("blob");
        for path in [&folder, &inner] {
            for change in changes {
                fs::write(&inner, "image").unwrap();
                cache.wrote(path, &content);
                assert!(cache.holds(path, &content));
                assert!(!cache.holds(path, &Digest::of(b"other")));
                change(&inner);
                assert!(!cache.holds(path, &content));
            }
        }
    }
}
