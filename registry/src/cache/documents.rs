//! Small blobs that are asked for again and again, such as the configuration of the image before.

use super::Cache;
use crate::Digest;

const KIND: &str = "documents";
/// The configuration of an image of 127 layers and 50,000 paths has 5 MB.
const LIMIT: u64 = 8 << 20;

impl Cache {
    /// The content of that digest, checked.
    pub(crate) fn document(&self, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = self.read(KIND, &digest.to_string(), LIMIT)?;
        (Digest::of(&bytes) == *digest).then_some(bytes)
    }

    pub(crate) fn keep_document(&self, digest: &Digest, bytes: &[u8]) {
        if bytes.len() as u64 <= LIMIT {
            self.write(KIND, &digest.to_string(), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_digest_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(folder.path().into()));
        let digest = Digest::of(b"config");
        assert_eq!(cache.document(&digest), None);
        cache.keep_document(&digest, b"config");
        assert_eq!(cache.document(&digest).as_deref(), Some(&b"config"[..]));
        cache.write(KIND, &digest.to_string(), b"forged");
        assert_eq!(cache.document(&digest), None);
    }
}
