//! What manifests name: an image's config and layers, or the images of an index (OCI image-spec, "Image Manifest" and
//! "Image Index"; Docker's "Manifest List" has the same form).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::{Descriptor, Manifest};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    /// An image or another artifact.
    Image {
        /// Its config.
        config: Box<Descriptor>,
        /// Its layers, bottom first.
        layers: Vec<Descriptor>,
    },
    /// Several manifests, such as those of one image for several platforms.
    Index(Index),
}

/// Several manifests under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// The manifests, in the order in which clients look for theirs.
    pub manifests: Vec<Descriptor>,
    /// What is told of all of them.
    pub annotations: BTreeMap<String, String>,
}

/// A document that is no manifest, or one that cannot be trusted to mean one thing.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is no manifest: {reason}")]
pub struct ManifestError {
    name: String,
    reason: String,
}

#[derive(Deserialize)]
struct Document {
    config: Option<Box<Descriptor>>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// Whether it is an index, by its type.
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    /// What it names.
    pub fn parts(&self) -> Result<Parts, ManifestError> {
        let error = |reason: String| ManifestError { name: self.digest.to_string(), reason };
        let document = Document::parse(&self.bytes).map_err(error)?;
        // What can be read as either kind would be two images under one digest.
        match (self.is_index(), document) {
            (true, index @ Document { config: None, layers: None, manifests: Some(_), .. }) => {
                Ok(Parts::Index(index.index()))
            }
            (false, Document { manifests: None, config: Some(config), layers, .. }) => {
                Ok(Parts::Image { config, layers: layers.unwrap_or_default() })
            }
            (true, _) => Err(error("an index has `manifests` and nothing else".to_owned())),
            (false, _) => Err(error("an image has `config` and no `manifests`".to_owned())),
        }
    }
}

impl Descriptor {
    /// Whether it names an index, by its type.
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }
}

fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_INDEX)
}

impl Document {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes)
            .map_err(|error| crate::error::printable(&error.to_string(), 300))
    }

    fn index(self) -> Index {
        Index {
            manifests: self.manifests.unwrap_or_default(),
            annotations: self.annotations.unwrap_or_default(),
        }
    }
}

impl Index {
    /// An index that is in a file, such as an image layout's `index.json`, and is called `name`.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, ManifestError> {
        let error = |reason| ManifestError { name: name.to_owned(), reason };
        let document = Document::parse(bytes).map_err(error)?;
        match document {
            Document { manifests: Some(_), config: None, layers: None, .. } => Ok(document.index()),
            _ => Err(error("an index has `manifests` and nothing else".to_owned())),
        }
    }

    /// The index as a document: OCI's form, its keys sorted, so that equal ones have the same digest.
    pub fn to_manifest(&self) -> Manifest {
        let mut document = json!({
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": self.manifests,
        });
        if !self.annotations.is_empty() {
            document["annotations"] = json!(self.annotations);
        }
        Manifest::new(OCI_INDEX, document.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

    fn descriptor(content: &str) -> Descriptor {
        Descriptor::new(IMAGE, Digest::of(content.as_bytes()), content.len() as u64)
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let mut one = descriptor("one");
        one.platform = Some("linux/arm/v7".parse().unwrap());
        let index = Index {
            manifests: vec![one, descriptor("two")],
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        };
        let manifest = index.to_manifest();
        assert_eq!(manifest.parts().unwrap(), Parts::Index(index.clone()));
        assert_eq!(Index::parse("index.json", &manifest.bytes).unwrap(), index);
        let text = String::from_utf8(manifest.bytes).unwrap();
        assert!(text.starts_with(r#"{"annotations":{"a":"b"},"manifests":[{"digest":"#), "{text}");
    }

    #[test]
    fn a_document_means_one_thing() {
        let one = json!(descriptor("one"));
        let both = json!({"manifests": [one], "config": one, "layers": []}).to_string();
        for (media_type, text) in [
            (IMAGE, both.clone()),
            (OCI_INDEX, both),
            (IMAGE, json!({"manifests": [one]}).to_string()),
            (OCI_INDEX, json!({"config": one, "layers": [one]}).to_string()),
            (IMAGE, "{}".to_owned()),
            (IMAGE, "[".to_owned()),
            (IMAGE, json!({"config": {"digest": "md5:1", "size": 1, "mediaType": ""}}).to_string()),
        ] {
            assert!(Manifest::new(media_type, text.clone()).parts().is_err(), "{text}");
        }
    }
}
