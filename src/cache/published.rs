//! Layers that other machines can know: a list of them in a registry, beside their blobs.
//!
//! An OCI artifact (image-spec, "Guidelines for Artifact Usage"): its configuration is the list, and
//! its layers are those that the list is of, so that the registry keeps them. With a `subject` it is
//! among the referrers of an image (distribution-spec, "Listing Referrers").

use std::collections::{BTreeMap, BTreeSet};

use registry::{Blob as _, Client, Descriptor, Digest, Manifest, Memory, Progress, Reference};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::KnownLayers;
use super::known::Record;

/// What the list is.
pub const ARTIFACT_TYPE: &str = "application/vnd.closure2img.layers.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry takes manifests of 4 MiB; a layer has some 200 bytes in one.
const MAX_LAYERS: usize = 2000;
/// Several times what so many layers take.
const MAX_LIST: u64 = 16 << 20;

/// A list with its layers' descriptors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The layers by their keys.
    pub layers: KnownLayers,
    /// As the manifest names them.
    descriptors: BTreeMap<Digest, Descriptor>,
}

#[derive(Serialize, Deserialize)]
struct List {
    version: u32,
    layers: BTreeMap<String, Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

impl Published {
    /// These layers, with what a manifest says of each.
    pub fn new(layers: KnownLayers, descriptors: impl IntoIterator<Item = Descriptor>) -> Self {
        let descriptors = descriptors.into_iter().map(|it| (it.digest, it)).collect();
        Self { layers, descriptors }
    }

    /// The list whose manifest in the client's repository this is; `None` if it is something else.
    /// What in it cannot be used is left out.
    pub fn read(client: &Client, manifest: &Manifest) -> Result<Option<Self>, registry::Error> {
        let Ok(artifact) = serde_json::from_slice::<Artifact>(&manifest.bytes) else {
            return Ok(None);
        };
        if artifact.config.media_type != ARTIFACT_TYPE {
            return Ok(None);
        }
        let list = client.get_blob(&artifact.config.digest, MAX_LIST)?;
        Ok(Some(Self::parse(&list, artifact.layers, client.reference())))
    }

    fn parse(list: &[u8], descriptors: Vec<Descriptor>, home: &Reference) -> Self {
        let list: Option<List> = serde_json::from_slice(list).ok();
        let list = list.filter(|list| list.version == 1).map(|list| list.layers);
        let mut read = Self::new(KnownLayers::new(), descriptors);
        for (key, record) in list.unwrap_or_default() {
            let layer = record.into_layer(Some(home.clone()));
            // A layer that the manifest does not name may be gone.
            let layer = layer.filter(|it| read.descriptors.contains_key(&it.digest));
            if let (Ok(key), Some(layer)) = (key.parse(), layer) {
                read.layers.insert(key, layer);
            }
        }
        read
    }

    /// With the layers of `before` as well, as far as there is room.
    #[must_use]
    pub fn with(mut self, before: Self) -> Self {
        for (key, layer) in before.layers {
            let descriptor = before.descriptors.get(&layer.digest);
            if let Some(descriptor) = descriptor.filter(|_| self.layers.len() < MAX_LAYERS) {
                self.descriptors.entry(layer.digest).or_insert_with(|| descriptor.clone());
                self.layers.entry(key).or_insert(layer);
            }
        }
        self
    }

    /// Puts the list at the tag of `client`, whose repository has the layers, and among the
    /// referrers of `subject`.
    pub(crate) fn publish(
        &self,
        client: &Client,
        subject: Option<&Descriptor>,
        progress: &dyn Progress,
    ) -> Result<Digest, registry::Error> {
        let list = Memory::new(self.list());
        client.ensure_blob(&list, progress)?;
        let manifest = Manifest::new(MANIFEST, self.manifest(&list, subject));
        if subject.is_some() {
            client.put_referrer(&manifest)?;
        }
        registry::finish(client, &[&list], &manifest, &[client.reference().target()], progress)
    }

    fn list(&self) -> Vec<u8> {
        let layers = self.layers.iter().map(|(key, it)| (key.to_string(), Record::from(it)));
        let list = List { version: 1, layers: layers.collect() };
        serde_json::to_value(list).map(|list| list.to_string().into_bytes()).unwrap_or_default()
    }

    fn manifest(&self, list: &Memory, subject: Option<&Descriptor>) -> Vec<u8> {
        let wanted: BTreeSet<Digest> = self.layers.values().map(|layer| layer.digest).collect();
        let layers = self.descriptors.values().filter(|layer| wanted.contains(&layer.digest));
        let config = Descriptor::new(ARTIFACT_TYPE, list.digest(), list.bytes().len() as u64);
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ARTIFACT_TYPE,
            "config": config,
            "layers": layers.collect::<Vec<_>>(),
        });
        if let Some(subject) = subject {
            let plain = Descriptor::new(&subject.media_type, subject.digest, subject.size);
            manifest["subject"] = json!(plain);
        }
        Value::to_string(&manifest).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::KnownLayer;
    use crate::image::Machines;

    fn home() -> Reference {
        "localhost:5000/layers".parse().unwrap()
    }

    fn published(names: &[&str]) -> Published {
        let digest = |name: &str, what: &str| Digest::of(format!("{what} {name}").as_bytes());
        let layer = |name: &&str| KnownLayer {
            diff_id: digest(name, "tar"),
            digest: digest(name, "blob"),
            size: 7,
            annotations: BTreeMap::new(),
            machines: Machines::default(),
            omitted: Vec::new(),
            home: Some(home()),
        };
        let layers = names.iter().map(|name| (digest(name, "key"), layer(name))).collect();
        let descriptors = names.iter().map(|name| Descriptor::new("t", digest(name, "blob"), 7));
        Published::new(layers, descriptors.collect::<Vec<_>>())
    }

    fn read_back(published: &Published) -> Published {
        let list = Memory::new(published.list());
        let artifact: Artifact = serde_json::from_slice(&published.manifest(&list, None)).unwrap();
        assert_eq!(artifact.config.digest, list.digest());
        Published::parse(&published.list(), artifact.layers, &home())
    }

    #[test]
    fn a_list_comes_back() {
        assert_eq!(read_back(&published(&["a", "b"])), published(&["a", "b"]));
        let both = published(&["a", "b"]).with(published(&["b", "c"]));
        assert_eq!(read_back(&both), published(&["a", "b", "c"]));
    }

    #[test]
    fn there_is_an_end_to_it() {
        let names: Vec<String> = (0..MAX_LAYERS + 9).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let merged = published(&["new"]).with(published(&names));
        assert_eq!(merged.layers.len(), MAX_LAYERS);
        assert!(published(&["new"]).layers.keys().all(|key| merged.layers.contains_key(key)));
        let list = Memory::new(merged.list());
        assert!(merged.manifest(&list, None).len() < 4 << 20);
    }

    #[test]
    fn a_layer_that_the_manifest_does_not_name_is_not_taken() {
        let list = published(&["a", "b"]).list();
        let named = published(&["a"]).descriptors.into_values().collect();
        assert_eq!(Published::parse(&list, named, &home()), published(&["a"]));
        for odd in ["", "[]", "{}", r#"{"version":2,"layers":{}}"#] {
            assert!(Published::parse(odd.as_bytes(), Vec::new(), &home()).layers.is_empty());
        }
    }
}
