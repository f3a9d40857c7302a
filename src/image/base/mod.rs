//! The image underneath: its layers come first and stay as they are, and what its configuration says
//! holds unless something else is said.
//!
//! Sources: OCI image-spec, "Image Configuration" and "Image Layer Filesystem Changeset"; Docker,
//! "Image Manifest Version 2, Schema 2".

mod configuration;
mod error;

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use registry::{Blob, Descriptor, Digest, Platform};
use serde_json::Value;

use super::compress::Packing;
use super::config::RunConfig;
use configuration::{Configuration, shown};
pub use error::BaseError;
pub(crate) use error::Unreadable;

/// An image that others are put on.
#[derive(Clone, Debug)]
pub struct Base {
    /// What it is and how it is called.
    pub identity: Identity,
    /// For which system and machine it is.
    pub platform: Platform,
    /// How a container of it is run.
    pub run: RunConfig,
    /// Its history as it stands there; exactly one entry for each layer, and any for none.
    pub history: Vec<Value>,
    /// Bottom first.
    pub layers: Vec<Arc<BaseLayer>>,
}

/// Which image it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What the user called it.
    pub name: String,
    /// Its full name in a registry; of a file, the name that the file gives it.
    pub reference: Option<String>,
    /// Digest of what the name stands for: a manifest, or the index that names it.
    pub digest: Digest,
}

/// A layer of the image underneath. Its blob is taken over to the byte.
pub struct BaseLayer {
    /// As the manifest has it.
    pub descriptor: Descriptor,
    /// How it is packed, by its media type.
    pub packing: Packing,
    /// Digest of its tar.
    pub diff_id: Digest,
    /// What the user called the image.
    name: String,
    blob: Arc<dyn Blob>,
}

impl Base {
    /// The image whose manifest names a configuration, of this type and with these bytes, and these
    /// layers, whose blobs `blob` finds.
    pub fn new<E: From<BaseError>>(
        identity: Identity,
        config: (&str, &[u8]),
        layers: Vec<Descriptor>,
        blob: impl Fn(&Descriptor) -> Result<Arc<dyn Blob>, E>,
    ) -> Result<Self, E> {
        let configuration = Configuration::parse(&identity.name, config, layers.len())?;
        let Configuration { platform, run, history, diff_ids } = configuration;
        let layers = layers.into_iter().zip(diff_ids).map(|(descriptor, diff_id)| {
            let name = identity.name.clone();
            let packing = packing(&descriptor, &name)?;
            let blob = blob(&descriptor)?;
            Ok(Arc::new(BaseLayer { descriptor, packing, diff_id, name, blob }))
        });
        let layers = layers.collect::<Result<_, E>>()?;
        Ok(Self { identity, platform, run, history, layers })
    }

    /// Whether any of its layers is packed so.
    pub fn has(&self, packing: Packing) -> bool {
        self.layers.iter().any(|layer| layer.packing == packing)
    }
}

/// How the layer is packed, if it can be taken over.
fn packing(layer: &Descriptor, name: &str) -> Result<Packing, BaseError> {
    let (name, digest) = (name.to_owned(), layer.digest);
    match layer.media_type.as_str() {
        "application/vnd.oci.image.layer.v1.tar"
        | "application/vnd.docker.image.rootfs.diff.tar" => Ok(Packing::None),
        "application/vnd.oci.image.layer.v1.tar+gzip"
        | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Ok(Packing::Gzip),
        "application/vnd.oci.image.layer.v1.tar+zstd"
        | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Ok(Packing::Zstd),
        other if other.contains(".foreign.") || other.contains(".nondistributable.") => {
            Err(BaseError::Foreign { name, digest, media_type: shown(other) })
        }
        other => Err(BaseError::Layer { name, digest, media_type: shown(other) }),
    }
}

impl fmt::Debug for BaseLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BaseLayer").field(&self.descriptor).field(&self.diff_id).finish()
    }
}

impl Blob for BaseLayer {
    fn digest(&self) -> Digest {
        self.descriptor.digest
    }

    fn size(&self) -> u64 {
        self.descriptor.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.blob.open()
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        self.blob.open_at(offset)
    }
}

impl BaseLayer {
    /// The error for what could not be read of it.
    pub(crate) fn unreadable(&self, source: io::Error) -> io::Error {
        let (name, digest) = (self.name.clone(), self.descriptor.digest);
        io::Error::other(Unreadable { name, digest, source })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use registry::Memory;
    use serde_json::json;

    use super::*;

    const DOCKER: &str = "application/vnd.docker.container.image.v1+json";
    const GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

    fn base(config: &Value, media_types: &[&str]) -> Result<Base, BaseError> {
        let layer = |media_type: &&str| Descriptor::new(*media_type, Digest::of(b""), 0);
        let blob = |_: &Descriptor| Ok(Arc::new(Memory::new(*b"")) as Arc<dyn Blob>);
        let identity =
            Identity { name: "base".into(), reference: None, digest: Digest::of(b"manifest") };
        let config = config.to_string();
        let layers = media_types.iter().map(layer).collect();
        Base::new(identity, (DOCKER, config.as_bytes()), layers, blob)
    }

    fn config(layers: usize) -> Value {
        let ids = vec![Digest::of(b"tar").to_string(); layers];
        json!({"os": "linux", "architecture": "arm64", "variant": "v8", "rootfs": {"diff_ids": ids}})
    }

    #[test]
    fn an_image_is_read_whole() {
        let mut config = config(2);
        config["config"] = json!({"Env": ["A=1", "odd"], "Cmd": ["sh"], "User": "web", "WorkingDir": "",
            "Image": "sha256:x", "OnBuild": ["RUN x"], "Healthcheck": {"Test": ["NONE"]}, "New": 1});
        config["history"] =
            json!([{"created_by": "a"}, {"empty_layer": true}, {"created_by": "b"}]);
        let base = base(&config, &[GZIP, "application/vnd.oci.image.layer.v1.tar+zstd"]).unwrap();
        assert_eq!(base.platform.to_string(), "linux/arm64/v8");
        assert_eq!((base.history.len(), base.run.user.as_deref()), (3, Some("web")));
        assert_eq!(base.run.env.iter().collect::<Vec<_>>(), [(&"A".to_owned(), &"1".to_owned())]);
        let kept: Vec<&String> = base.run.docker.keys().collect();
        assert_eq!(kept, ["Healthcheck", "New"]);
        assert!(base.has(Packing::Zstd) && base.has(Packing::Gzip) && !base.has(Packing::None));
    }

    #[test]
    fn what_cannot_be_built_upon_is_told() {
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
        let mut windows = config(1);
        windows["os"] = "windows".into();
        let mut odd = config(1);
        odd["rootfs"]["diff_ids"] = json!(["md5:1"]);
        let mut typed = config(1);
        typed["config"] = json!({"Env": "A=1"});
        for (config, media_type, words) in [
            (&config(1), foreign, "may not be passed on"),
            (&config(1), encrypted, "expected a tar"),
            (&config(2), GZIP, "has 1 layers, and 2 by its configuration"),
            (&windows, GZIP, "is for `windows/arm64/v8`"),
            (&odd, GZIP, "md5:1"),
            (&typed, GZIP, "`Env` in the configuration is a string"),
            (&json!([]), GZIP, "cannot be taken over"),
            (&json!({"os": "linux"}), GZIP, "rootfs"),
        ] {
            let error = base(config, &[media_type]).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert!(!error.hint().is_empty());
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z/=0-9:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z/=0-9]{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_configuration_is_read_or_refused(values in prop::collection::vec(any_json(), 12), ids in 0_usize..3) {
            let keys = ["Cmd", "Entrypoint", "Env", "ExposedPorts", "Labels", "StopSignal", "User", "Volumes", "WorkingDir", "Shell"];
            let mut config = config(ids);
            config["history"] = values[10].clone();
            config["variant"] = values[11].clone();
            // One odd field at a time gets past the others.
            for (key, value) in keys.iter().zip(values) {
                config["config"] = json!({*key: value});
                if let Ok(base) = base(&config, &vec![GZIP; ids]) {
                    prop_assert_eq!(base.layers.len(), ids);
                }
            }
        }
    }
}
