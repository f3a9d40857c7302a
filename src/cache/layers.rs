//! What layers are, by the keys of what they are made of. They are small and stay for good.

use registry::Digest;

use super::known::Record;
use super::{Cache, KnownLayer};

/// The folder of these files.
pub(super) const LAYERS: &str = "layers";

impl Cache {
    /// The layer with this key, if it is known.
    pub(crate) fn layer(&self, key: &Digest) -> Option<KnownLayer> {
        self.document::<Record>(&file(key), &key.to_string())?.into_layer(None)
    }

    /// Remembers the layer with this key.
    pub(crate) fn remember(&self, key: &Digest, layer: &KnownLayer) {
        self.keep_document(&file(key), &key.to_string(), &Record::from(layer));
    }
}

fn file(key: &Digest) -> String {
    let name = key.hex();
    // A folder of tens of thousands is slow on some file systems.
    format!("{LAYERS}/{}/{name}", &name[..2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Machines;

    #[test]
    fn what_was_remembered_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 1).unwrap();
        let machines = [("amd64".to_owned(), "/nix/store/x/bin/x".to_owned())];
        let layer = KnownLayer {
            diff_id: Digest::of(b"tar"),
            digest: Digest::of(b"blob"),
            size: 7,
            annotations: [("a".to_owned(), "b".to_owned())].into(),
            machines: Machines::from_names(machines.into()).unwrap(),
            omitted: vec!["/nix/store/x/.wh.y".into()],
            home: None,
        };
        let key = Digest::of(b"key");
        assert_eq!(cache.layer(&key), None);
        cache.remember(&key, &layer);
        assert_eq!(cache.layer(&key), Some(layer));
        assert_eq!(cache.layer(&Digest::of(b"other")), None);
    }
}
