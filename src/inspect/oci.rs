//! The documents of a container image: manifest and configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use layering::StoreDir;
use registry::{Descriptor, Digest, Manifest, Parts, Platform};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Error;
use super::image::{Content, Layer};
use crate::copy::{self, Source};
use crate::earlier::EarlierLayer;
use crate::earlier::history;
use crate::image::Machine;

/// The most that is read of a configuration.
pub(super) const MAX_CONFIG: u64 = 16 << 20;

/// What a container image says of itself.
#[derive(Clone, Debug)]
pub struct Oci {
    /// What was named: the image's manifest, or an index over it.
    pub root: Manifest,
    /// The image's manifest.
    pub manifest: Manifest,
    /// All platforms of an index, with the manifests for them.
    pub platforms: Vec<(Platform, Digest)>,
    /// What an index says of the image's platform.
    pub listed: Option<Platform>,
    /// The configuration, as the manifest names it.
    pub config: Descriptor,
    /// The layers, as the manifest names them, bottom first.
    pub layers: Vec<Descriptor>,
    /// For whom the image is, as the configuration says.
    pub platform: Platform,
    /// When it says that it was made.
    pub created: Option<String>,
    /// How it is run: the `config` object.
    pub run: Map<String, Value>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// How many entries of the history are of layers.
    pub history: Option<usize>,
    /// Digests of the layers' tars, as far as they can be understood.
    pub diff_ids: Vec<Option<Digest>>,
    /// The store of its paths, if it names any.
    pub store_dir: Option<StoreDir>,
    /// What the history says of each layer.
    pub told: Vec<EarlierLayer>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    os: String,
    architecture: String,
    variant: Option<String>,
    created: Option<String>,
    config: Option<Map<String, Value>>,
    history: Option<Vec<Entry>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    empty_layer: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotated {
    annotations: Option<BTreeMap<String, String>>,
}

impl Oci {
    /// Reads the documents of the image for `platform`.
    pub(super) fn read(source: &dyn Source, platform: Option<&Platform>) -> Result<Self, Error> {
        let host = Platform {
            os: "linux".into(),
            architecture: Machine::host().as_str().into(),
            ..Platform::default()
        };
        let root = source.root().clone();
        let chosen = copy::chosen(source, platform, &host)?;
        let Parts::Image { config, layers } = copy::parts(source, &chosen.manifest)? else {
            let (name, got) = (source.name().to_owned(), chosen.manifest.media_type);
            return Err(Error::NoImage { name, got });
        };
        let text = copy::document(source, &config, MAX_CONFIG)?;
        let document = config.digest.to_string();
        let read: Configuration = serde_json::from_slice(&text).map_err(|error| {
            let name = source.name().to_owned();
            Error::Config { name, document: document.clone(), source: error }
        })?;
        let told = history::parse(&text, source.name(), &document)?;
        let variant = read.variant.filter(|variant| !variant.is_empty());
        let annotated: Annotated =
            serde_json::from_slice(&chosen.manifest.bytes).unwrap_or_default();
        let told_layers = told.layers.unwrap_or_default();
        Ok(Self {
            root,
            manifest: chosen.manifest,
            platforms: chosen.platforms,
            listed: chosen.listed,
            config: *config,
            layers,
            platform: Platform {
                os: read.os,
                architecture: read.architecture,
                variant,
                ..Platform::default()
            },
            created: read.created,
            run: read.config.unwrap_or_default(),
            annotations: annotated.annotations.unwrap_or_default(),
            history: read.history.map(|entries| {
                entries.iter().filter(|entry| entry.empty_layer != Some(true)).count()
            }),
            diff_ids: told_layers.iter().map(|layer| layer.diff_id).collect(),
            store_dir: told.store_dir,
            told: told_layers,
        })
    }

    /// The layers, to be read.
    pub(super) fn layers(&self, source: &Arc<dyn Source>) -> Vec<Layer> {
        let even = self.told.len() == self.layers.len();
        let layer = |(at, descriptor): (usize, &Descriptor)| {
            let told = self.told.get(at).filter(|_| even).cloned().unwrap_or_default();
            let content = Content::Blob {
                source: Arc::clone(source),
                descriptor: Box::new(descriptor.clone()),
            };
            Layer { told, content }
        };
        self.layers.iter().enumerate().map(layer).collect()
    }
}
