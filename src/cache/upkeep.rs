//! What is kept, and getting rid of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::blobs::{BLOBS, files};
use super::layers::LAYERS;
use super::outputs::{OUTPUTS, Output};
use super::{Cache, document};

/// Folders of the registry client beside ours.
const OTHERS: [&str; 3] = ["documents", "habits", "uploads"];

/// A file that was begun so long ago will not be finished.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// What is in a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Layers that are known.
    pub layers: usize,
    /// Blobs of layers.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Blobs of layers.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Cache {
    /// What is in it.
    pub fn content(&self) -> Content {
        let blobs = files(&self.dir.join(BLOBS));
        Content {
            layers: self.layer_files().len(),
            blobs: blobs.len(),
            bytes: blobs.iter().map(|(_, meta)| meta.len()).sum(),
        }
    }

    /// Removes what is of no use, and blobs that are too many. What layers are stays.
    pub fn collect(&self) -> Freed {
        let outputs = files(&self.dir.join(OUTPUTS));
        for (path, _) in outputs.iter().filter(|(path, _)| !is_passing(path)) {
            let known = document::read::<Output>(path);
            if known.is_none_or(|output| !Path::new(&output.path).exists()) {
                let _ = fs::remove_file(path);
            }
        }
        for (path, meta) in outputs.into_iter().chain(self.layer_files()) {
            let modified = meta.modified().ok();
            let age = modified.and_then(|then| SystemTime::now().duration_since(then).ok());
            if is_passing(&path) && age.is_some_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(path);
            }
        }
        let (blobs, bytes) = self.trim();
        Freed { blobs, bytes }
    }

    /// Removes everything, and what the registry client remembers beside it.
    pub fn clear(&self) -> io::Result<Freed> {
        let Content { blobs, bytes, .. } = self.content();
        for folder in [LAYERS, BLOBS, OUTPUTS].into_iter().chain(OTHERS) {
            match fs::remove_dir_all(self.dir.join(folder)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(Freed { blobs, bytes })
    }

    fn layer_files(&self) -> Vec<(PathBuf, fs::Metadata)> {
        let folders = fs::read_dir(self.dir.join(LAYERS)).into_iter().flatten().flatten();
        folders.flat_map(|folder| files(&folder.path())).collect()
    }
}

/// Whether a file is on its way to its name, or was when its process was killed.
fn is_passing(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".tmp"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use registry::Digest;

    use super::*;

    #[test]
    fn clearing_leaves_a_folder_that_works() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Cache::open(dir.path(), 100).unwrap();
        let cache = open();
        let mut file = cache.unnamed().unwrap();
        file.write_all(b"content").unwrap();
        cache.keep(&Digest::of(b"content"), &file);
        fs::create_dir(dir.path().join("habits")).unwrap();
        fs::write(dir.path().join("mine"), "").unwrap();
        assert_eq!(cache.content(), Content { layers: 0, blobs: 1, bytes: 7 });
        assert_eq!(cache.clear().unwrap(), Freed { blobs: 1, bytes: 7 });
        let names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["mine"], "what is not ours stays");
        assert_eq!(open().content().blobs, 0);
    }

    #[test]
    fn what_was_begun_and_what_is_gone_is_collected() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(&dir.path().join("cache"), 100).unwrap();
        let output = dir.path().join("app.tar");
        fs::write(&output, "x").unwrap();
        cache.wrote(&output, &Digest::of(b"x"));
        let outputs = cache.dir().join(OUTPUTS);
        for (name, age) in [(".tmpold", 2 * ABANDONED), (".tmpnew", Duration::ZERO)] {
            let file = fs::File::create(outputs.join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        let count = || files(&outputs).len();
        cache.collect();
        assert_eq!(count(), 2, "the old one is gone");
        fs::remove_file(output).unwrap();
        cache.collect();
        assert_eq!(count(), 1);
    }
}
