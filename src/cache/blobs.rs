//! Blobs of layers, so that they need not be compressed again.
//!
//! A blob is written straight into a file without a name here and gets one when its digest is
//! known, which copies nothing. Before it is used again it is hashed, at some 2 GB/s.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use registry::Digest;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::Cache;
use crate::image::Spooled;

/// The folder of these files.
pub(super) const BLOBS: &str = "blobs";

impl Cache {
    /// A file without a name for a blob that is yet to be made.
    pub(crate) fn unnamed(&self) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let dir = self.dir.join(BLOBS);
        Ok(rustix::fs::open(dir, flags, Mode::from_raw_mode(0o600))?.into())
    }

    /// Keeps the blob in `file`, which is from [`Self::unnamed`]. That it cannot is no reason to
    /// fail.
    pub(crate) fn keep(&self, digest: &Digest, file: &File) {
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        // Another process may have been faster, with the same bytes.
        let _ =
            rustix::fs::linkat(CWD, source, CWD, self.blob_file(digest), AtFlags::SYMLINK_FOLLOW);
    }

    /// The blob, if it is kept and whole.
    pub(crate) fn blob(&self, digest: &Digest, size: u64) -> Option<Spooled> {
        let path = self.blob_file(digest);
        let file = Arc::new(File::open(&path).ok()?);
        let blob = Spooled::within(&file, 0, size);
        let whole = file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() == size)
            && blob.digest().is_ok_and(|got| got == *digest);
        if !whole {
            let _ = fs::remove_file(path);
            return None;
        }
        // By which the one used longest ago is found.
        let _ = file.set_modified(SystemTime::now());
        Some(blob)
    }

    fn blob_file(&self, digest: &Digest) -> PathBuf {
        self.dir.join(BLOBS).join(digest.hex())
    }

    /// Removes the blobs used longest ago until the rest fits within the bound, and within half of
    /// what the file system could give. Returns how many blobs and bytes went.
    pub(crate) fn trim(&self) -> (usize, u64) {
        let mut blobs = files(&self.dir.join(BLOBS));
        let mut used: u64 = blobs.iter().map(|(_, meta)| meta.len()).sum();
        let free = rustix::fs::statvfs(&self.dir)
            .map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
        let limit = self.max_size.min(used.saturating_add(free) / 2);
        blobs.sort_by_key(|(path, meta)| (meta.modified().ok(), path.clone()));
        let (mut count, mut bytes) = (0, 0);
        for (path, meta) in blobs {
            if used <= limit {
                break;
            }
            // Whoever reads it goes on reading.
            if fs::remove_file(path).is_ok() {
                count += 1;
                bytes += meta.len();
            }
            used -= meta.len();
        }
        (count, bytes)
    }
}

/// The files in a folder.
pub(super) fn files(dir: &Path) -> Vec<(PathBuf, Metadata)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)));
    files.filter(|(_, meta)| meta.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Duration;

    use super::*;

    fn add(cache: &Cache, bytes: &[u8]) -> Digest {
        let mut file = cache.unnamed().unwrap();
        file.write_all(bytes).unwrap();
        let digest = Digest::of(bytes);
        cache.keep(&digest, &file);
        digest
    }

    #[test]
    fn a_blob_comes_back_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 1000).unwrap();
        let digest = add(&cache, b"content");
        // A second process with the same blob.
        assert_eq!(add(&cache, b"content"), digest);
        let mut back = Vec::new();
        cache.blob(&digest, 7).unwrap().reader().read_to_end(&mut back).unwrap();
        assert_eq!(back, b"content");
        let path = cache.blob_file(&digest);
        for damaged in [&b"contenT"[..], b"conten", b"content+", b""] {
            fs::write(&path, damaged).unwrap();
            assert!(cache.blob(&digest, 7).is_none());
            assert!(!path.exists());
        }
    }

    #[test]
    fn the_blob_used_longest_ago_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 20).unwrap();
        let now = SystemTime::now();
        let blobs: Vec<Digest> = (0..4_u8)
            .map(|n| {
                let digest = add(&cache, &[n; 9]);
                let file = File::open(cache.blob_file(&digest)).unwrap();
                let age = Duration::from_secs(100 - u64::from(n));
                file.set_modified(now.checked_sub(age).unwrap()).unwrap();
                digest
            })
            .collect();
        assert!(cache.blob(&blobs[0], 9).is_some());
        cache.trim();
        let there: Vec<bool> =
            blobs.iter().map(|digest| cache.blob_file(digest).exists()).collect();
        assert_eq!(there, [true, false, false, true]);
    }
}
