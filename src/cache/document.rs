//! Small files that tell by themselves whether they are whole and what they are for.

use std::fs;
use std::path::Path;

use registry::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Cache;
use crate::bounded;

/// Many times what the longest list of files that were left out takes.
const MAX_LEN: u64 = 4 << 20;

impl Cache {
    /// What was kept in `file` about `subject`. A file that is not whole, or is about something
    /// else, goes.
    pub(super) fn document<T: DeserializeOwned>(&self, file: &str, subject: &str) -> Option<T> {
        let path = self.dir.join(file);
        let bytes = bounded::read(&path, MAX_LEN).ok()?;
        let document = parse(subject, &bytes);
        if document.is_none() {
            let _ = fs::remove_file(path);
        }
        document
    }

    /// Keeps `document` about `subject` in `file`.
    pub(super) fn keep_document<T: Serialize>(&self, file: &str, subject: &str, document: &T) {
        if let Ok(text) = serde_json::to_string(document) {
            self.put(Path::new(file), format!("{}\n{text}", sum(subject, &text)).as_bytes());
        }
    }
}

/// What `file` says, whatever it is about.
pub(super) fn read<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let bytes = bounded::read(file, MAX_LEN).ok()?;
    let (_, text) = std::str::from_utf8(&bytes).ok()?.split_once('\n')?;
    serde_json::from_str(text).ok()
}

/// The first line tells whether the rest is whole, and what it is about.
fn parse<T: DeserializeOwned>(subject: &str, bytes: &[u8]) -> Option<T> {
    let (line, text) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    (line == sum(subject, text).to_string()).then(|| serde_json::from_str(text).ok())?
}

fn sum(subject: &str, text: &str) -> Digest {
    Digest::of(format!("{subject}\n{text}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 1).unwrap();
        let read = |file: &str, subject: &str| cache.document::<Vec<String>>(file, subject);
        let document = vec!["a".to_owned(), "b".to_owned()];
        cache.keep_document("x/y", "subject", &document);
        assert_eq!(read("x/y", "subject"), Some(document));
        let path = dir.path().join("x/y");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            for damaged in [&bytes[..], &whole[..at]] {
                fs::write(&path, damaged).unwrap();
                assert_eq!(read("x/y", "subject"), None, "{at}");
                assert!(!path.exists());
            }
        }
        // What is true of another subject is not of this one.
        fs::write(&path, &whole).unwrap();
        assert_eq!(read("x/y", "other"), None);
        assert_eq!(read("x/z", "subject"), None);
    }
}
