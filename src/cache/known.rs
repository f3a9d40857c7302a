//! What is known of a layer without making it.

use std::collections::BTreeMap;

use registry::{Digest, Reference};
use serde::{Deserialize, Serialize};

use crate::image::Machines;

/// A layer that was made before, by this program or another process or machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLayer {
    /// Digest of its tar.
    pub diff_id: Digest,
    /// Digest of its blob.
    pub digest: Digest,
    /// Size of its blob in bytes.
    pub size: u64,
    /// What a manifest says of the blob beside that.
    pub annotations: BTreeMap<String, String>,
    /// For which machines its programs are.
    pub machines: Machines,
    /// Files that could not be in it.
    pub omitted: Vec<String>,
    /// A repository that has the blob.
    pub home: Option<Reference>,
}

/// Layers by the keys of what they are made of.
pub type KnownLayers = BTreeMap<Digest, KnownLayer>;

/// A layer as it is written down.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    diff_id: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    machines: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    omitted: Vec<String>,
}

impl From<&KnownLayer> for Record {
    fn from(layer: &KnownLayer) -> Self {
        Self {
            diff_id: layer.diff_id.to_string(),
            digest: layer.digest.to_string(),
            size: layer.size,
            annotations: layer.annotations.clone(),
            machines: layer.machines.to_names(),
            omitted: layer.omitted.clone(),
        }
    }
}

impl Record {
    /// The layer, if this is one.
    pub(super) fn into_layer(self, home: Option<Reference>) -> Option<KnownLayer> {
        Some(KnownLayer {
            diff_id: self.diff_id.parse().ok()?,
            digest: self.digest.parse().ok()?,
            size: self.size,
            annotations: self.annotations,
            machines: Machines::from_names(self.machines)?,
            omitted: self.omitted,
            home,
        })
    }
}
