//! An image's three documents: configuration, manifest, and the history that carries the plan.
//!
//! Sources: OCI image-spec, "Image Configuration" and "Image Manifest"; Docker "Image Manifest
//! Version 2, Schema 2". JSON is canonical: keys sorted, no white space. `oci-spec` keeps
//! annotations and labels in hash maps, so that its own JSON differs from run to run; passing
//! through `serde_json::Value`, whose objects are sorted, cures that.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use oci_spec::image::{Arch, HistoryBuilder, ImageConfiguration, Os, RootFsBuilder};
use registry::{Blob, Descriptor, Digest, Manifest, Memory, Platform};
use serde::Serialize;
use serde_json::{Value, json};

use super::base::Base;
use super::compress::Packing;
use super::config::RunConfig;
use super::layer::Layer;
use super::record::Records;
use super::stack::ImageLayer;
use crate::cache::KnownLayer;
use crate::closure::{Closure, PathInfo};

/// Which family of media types an image speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// OCI image-spec.
    #[default]
    Oci,
    /// Docker's schema 2, for what is older than OCI.
    Docker,
}

impl Dialect {
    /// Media type of a manifest.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    fn describe(self, layer: &ImageLayer) -> Descriptor {
        let mut descriptor = layer.descriptor();
        descriptor.media_type = self.layer(layer.packing()).into();
        descriptor
    }

    fn layer(self, packing: Packing) -> &'static str {
        match (self, packing) {
            (Self::Oci, Packing::None) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Oci, Packing::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (_, Packing::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Docker, Packing::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Docker, Packing::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// What an image is apart from its layers.
#[derive(Clone, Debug)]
pub struct Description<'a> {
    /// How a container is run.
    pub run: RunConfig,
    /// For which system and machine.
    pub platform: Platform,
    /// The image underneath.
    pub base: Option<Arc<Base>>,
    /// When the image says that it was made.
    pub created: Timestamp,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Media types.
    pub dialect: Dialect,
    /// The closure that it is made from.
    pub closure: &'a Closure,
    /// What is known of its paths that left the closure.
    pub dead: &'a [PathInfo],
}

/// An image, complete.
#[derive(Clone, Debug)]
pub struct Image {
    /// Bottom first.
    pub layers: Vec<ImageLayer>,
    /// The image configuration; its digest is Docker's image ID.
    pub config: Memory,
    /// The manifest.
    pub manifest: Memory,
    /// Media types.
    pub dialect: Dialect,
    /// For which system and machine.
    pub platform: Platform,
}

impl Image {
    /// Puts an image together: these layers, on those of the image underneath if there is one.
    pub fn new(layers: &[Arc<Layer>], description: &Description<'_>) -> Self {
        let config = Memory::new(canonical(&configuration(layers, description)));
        let base = description.base.iter().flat_map(|base| &base.layers);
        let base = base.map(|layer| ImageLayer::Base(Arc::clone(layer)));
        let own = layers.iter().map(|layer| ImageLayer::Own(Arc::clone(layer)));
        let layers: Vec<ImageLayer> = base.chain(own).collect();
        let manifest = Memory::new(canonical(&manifest(&layers, &config, description)));
        let Description { dialect, platform, .. } = description;
        Self { layers, config, manifest, dialect: *dialect, platform: platform.clone() }
    }

    /// The digest by which the image can be pulled.
    pub fn digest(&self) -> Digest {
        self.manifest.digest()
    }

    /// The manifest with its media type.
    pub fn to_manifest(&self) -> Manifest {
        Manifest::new(self.dialect.manifest(), self.manifest.bytes())
    }

    /// What an index says of the image.
    pub fn descriptor(&self) -> Descriptor {
        let mut descriptor = self.to_manifest().descriptor();
        descriptor.platform = Some(self.platform.clone());
        descriptor
    }

    /// Those of our layers that another image can be told to have, by what they are made of, and what
    /// a manifest says of each.
    pub fn recognisable(&self) -> impl Iterator<Item = (Digest, KnownLayer, Descriptor)> {
        self.layers.iter().filter_map(|layer| {
            let ImageLayer::Own(own) = layer else { return None };
            let key = own.blob_key().filter(|_| own.omitted.is_empty())?;
            Some((key, own.to_known(), self.dialect.describe(layer)))
        })
    }

    /// All that the manifest names.
    pub fn blobs(&self) -> impl Iterator<Item = &dyn Blob> {
        let layers = self.layers.iter().map(|layer| layer as &dyn Blob);
        layers.chain([&self.config as &dyn Blob])
    }
}

/// JSON with sorted keys and without white space.
pub(crate) fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("string keys and finite numbers");
    value.to_string().into_bytes()
}

/// Who made a layer and from what; how large its store paths are as NARs and for which machines its
/// programs are; how its blob was made of its tar; how many layers of an image underneath are not
/// ours; and the records of its paths. It is what the next image is planned with, by what its layers
/// are recognised, and what the image is verified against.
fn made_by(layer: &Layer, base: usize, records: Option<String>) -> String {
    let mut words = vec!["closure2img".to_owned()];
    if let Some(key) = layer.key {
        words.push(key.to_string());
        words.extend(layer.nar_size.map(|size| format!("nar-size={size}")));
        // What could not be in it is to be told of each time, so it is made each time.
        if layer.omitted.is_empty() {
            words.push(format!("recipe={}", layer.compression.recipe()));
            words.extend(layer.machines.names().map(|name| format!("machine={name}")));
        }
    }
    if base > 0 {
        words.push(format!("base={base}"));
    }
    words.extend(records);
    words.join(" ")
}

fn configuration(layers: &[Arc<Layer>], description: &Description<'_>) -> Value {
    let created = description.created.to_string();
    let base = description.base.as_deref();
    let under = base.map_or(0, |base| base.layers.len());
    let paths = layers.iter().flat_map(|layer| &layer.paths);
    let records = Records::new(description.closure, description.dead, paths);
    let history = layers.iter().map(|layer| {
        let names: Vec<String> =
            layer.paths.iter().map(|path| description.closure.store_dir().join(path)).collect();
        let comment = match names.is_empty() {
            true => "files outside the store".into(),
            false => format!("store paths: {}", Value::from(names)),
        };
        HistoryBuilder::default()
            .created(created.clone())
            .created_by(made_by(layer, under, records.word(layer)))
            .comment(comment)
            .build()
            .expect("history has no required fields")
    });
    let below = base.iter().flat_map(|base| base.layers.iter().map(|layer| layer.diff_id));
    let diff_ids = below.chain(layers.iter().map(|layer| layer.diff_id));
    let diff_ids: Vec<String> = diff_ids.map(|id| id.to_string()).collect();
    let rootfs = RootFsBuilder::default().typ("layers").diff_ids(diff_ids).build();
    let mut configuration = ImageConfiguration::default();
    configuration
        .set_created(Some(created.clone()))
        .set_architecture(Arch::from(description.platform.architecture.as_str()))
        .set_os(Os::Linux)
        .set_variant(description.platform.variant.clone())
        .set_config(Some(description.run.to_oci()))
        .set_rootfs(rootfs.expect("all fields are given"))
        .set_history(Some(history.collect()));
    let mut value = serde_json::to_value(configuration).expect("string keys and finite numbers");
    if let Some(Value::Object(config)) = value.get_mut("config") {
        config.extend(description.run.docker.clone());
    }
    if let (Some(Value::Array(history)), Some(base)) = (value.get_mut("history"), base) {
        history.splice(0..0, base.history.iter().cloned());
    }
    value
}

fn manifest(layers: &[ImageLayer], config: &Memory, description: &Description<'_>) -> Value {
    let dialect = description.dialect;
    let layers = layers.iter().map(|layer| dialect.describe(layer));
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": dialect.manifest(),
        "config": Descriptor::new(dialect.config(), config.digest(), config.size()),
        "layers": layers.collect::<Vec<_>>(),
    });
    if !description.annotations.is_empty() {
        manifest["annotations"] = json!(description.annotations);
    }
    manifest
}
