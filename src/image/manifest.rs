//! An image's three documents: configuration, manifest, and the history that carries the plan.
//!
//! Sources: OCI image-spec, "Image Configuration" and "Image Manifest"; Docker "Image Manifest
//! Version 2, Schema 2". JSON is canonical: keys sorted, no white space. `oci-spec` keeps
//! annotations and labels in hash maps, so that its own JSON differs from run to run; passing
//! through `serde_json::Value`, whose objects are sorted, cures that.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use layering::StoreDir;
use oci_spec::image::{
    Arch, Descriptor, HistoryBuilder, ImageConfiguration, ImageManifest, MediaType, Os,
    RootFsBuilder,
};
use registry::{Digest, Memory};
use serde::Serialize;
use serde_json::Value;

use super::compress::Compression;
use super::config::RunConfig;
use super::layer::Layer;
use super::machine::Machine;

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

    fn layer(self, compression: Compression) -> &'static str {
        match (self, compression) {
            (Self::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Oci, Compression::Gzip(_)) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (_, Compression::Zstd(_)) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Docker, Compression::Gzip(_)) => {
                "application/vnd.docker.image.rootfs.diff.tar.gzip"
            }
        }
    }
}

/// What an image is apart from its layers.
#[derive(Clone, Debug)]
pub struct Description {
    /// How a container is run.
    pub run: RunConfig,
    /// For which machine.
    pub machine: Machine,
    /// When the image says that it was made.
    pub created: Timestamp,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Media types.
    pub dialect: Dialect,
    /// What the store's paths are called.
    pub store_dir: StoreDir,
}

/// An image, complete.
#[derive(Clone, Debug)]
pub struct Image {
    /// Bottom first.
    pub layers: Vec<Arc<Layer>>,
    /// The image configuration; its digest is Docker's image ID.
    pub config: Memory,
    /// The manifest.
    pub manifest: Memory,
    /// Media types.
    pub dialect: Dialect,
    /// For which machine.
    pub machine: Machine,
}

impl Image {
    /// Puts an image together.
    pub fn new(layers: Vec<Arc<Layer>>, description: &Description) -> Self {
        let config = Memory::new(canonical(&configuration(&layers, description)));
        let manifest = Memory::new(canonical(&manifest(&layers, &config, description)));
        let Description { dialect, machine, .. } = description;
        Self { layers, config, manifest, dialect: *dialect, machine: machine.clone() }
    }

    /// The digest by which the image can be pulled.
    pub fn digest(&self) -> Digest {
        registry::Blob::digest(&self.manifest)
    }
}

/// JSON with sorted keys and without white space.
pub(crate) fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("string keys and finite numbers");
    value.to_string().into_bytes()
}

/// Who made a layer, from what, and how large its store paths are as NARs: what the plan of the
/// next image is made with.
fn made_by(layer: &Layer) -> String {
    match (layer.key, layer.nar_size) {
        (None, _) => "closure2img".into(),
        (Some(key), None) => format!("closure2img {key}"),
        (Some(key), Some(size)) => format!("closure2img {key} nar-size={size}"),
    }
}

fn configuration(layers: &[Arc<Layer>], description: &Description) -> Value {
    let created = description.created.to_string();
    let history = layers.iter().map(|layer| {
        let names: Vec<String> =
            layer.paths.iter().map(|path| description.store_dir.join(path)).collect();
        let comment = match names.is_empty() {
            true => "files outside the store".into(),
            false => format!("store paths: {}", Value::from(names)),
        };
        HistoryBuilder::default()
            .created(created.clone())
            .created_by(made_by(layer))
            .comment(comment)
            .build()
            .expect("history has no required fields")
    });
    let diff_ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let rootfs = RootFsBuilder::default().typ("layers").diff_ids(diff_ids).build();
    let mut configuration = ImageConfiguration::default();
    configuration
        .set_created(Some(created.clone()))
        .set_architecture(Arch::from(description.machine.as_str()))
        .set_os(Os::Linux)
        .set_config(Some(description.run.to_oci()))
        .set_rootfs(rootfs.expect("all fields are given"))
        .set_history(Some(history.collect()));
    let mut value = serde_json::to_value(configuration).expect("string keys and finite numbers");
    if let Some(Value::Object(config)) = value.get_mut("config") {
        config.extend(description.run.docker.clone());
    }
    value
}

fn manifest(layers: &[Arc<Layer>], config: &Memory, description: &Description) -> ImageManifest {
    let dialect = description.dialect;
    let describe = |media_type: &str, blob: &dyn registry::Blob| {
        let digest: oci_spec::image::Digest =
            blob.digest().to_string().parse().expect("both speak sha256");
        Descriptor::new(MediaType::from(media_type), blob.size(), digest)
    };
    let layers = layers.iter().map(|layer| describe(dialect.layer(layer.compression), &**layer));
    let mut manifest = oci_spec::image::ImageManifestBuilder::default()
        .schema_version(2_u32)
        .media_type(dialect.manifest())
        .config(describe(dialect.config(), config))
        .layers(layers.collect::<Vec<_>>())
        .build()
        .expect("all fields are given");
    if !description.annotations.is_empty() {
        manifest.set_annotations(Some(description.annotations.clone().into_iter().collect()));
    }
    manifest
}
