//! Docker's own archives: `manifest.json` names files, not digests, so there is no manifest to keep.
//!
//! The image gets one with OCI's media types. Config and layers stay as they are, so the image ID
//! (the config's digest) and the diff IDs do; layers that are not compressed are not compressed.

use std::collections::BTreeMap;
use std::io::{self, Read};

use registry::{Descriptor, Digest, Manifest};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Error;
use super::local::Files;
use crate::earlier;
use crate::image::Spooled;

/// Docker's list of images.
pub(super) const MANIFEST: &str = "manifest.json";

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const IMAGE_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// No runtime takes more layers than some hundred.
const MAX_LAYERS: u64 = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    #[serde(default)]
    layers: Vec<String>,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// An image as a registry would have it.
pub(super) struct Docker {
    pub(super) manifest: Manifest,
    /// In which files the blobs are.
    pub(super) blobs: BTreeMap<Digest, String>,
    /// The first of its names.
    pub(super) name: Option<String>,
}

/// Reads Docker's list, and each layer once for its digest.
pub(super) fn read(files: &Files) -> Result<Docker, Error> {
    let name = files.name.clone();
    let json = |document: &str| {
        let (name, document) = (files.name.clone(), document.to_owned());
        move |source| earlier::Error::Json { name, document, source }
    };
    let listed: Vec<Listed> =
        serde_json::from_slice(&files.document(MANIFEST)?).map_err(json(MANIFEST))?;
    let [image] = &listed[..] else {
        return Err(earlier::Error::Several { name, count: listed.len() }.into());
    };
    if image.layers.len() as u64 > MAX_LAYERS {
        return Err(Error::TooMany { name, limit: MAX_LAYERS, what: "layers" });
    }
    let bytes = files.document(&image.config)?;
    let config: Config = serde_json::from_slice(&bytes).map_err(json(&image.config))?;
    let diff_ids = config.rootfs.diff_ids;
    if diff_ids.len() != image.layers.len() {
        let place = format!("`{MANIFEST}`");
        let got = format!("{} layers", image.layers.len());
        let expected = format!("{}, as in the configuration", diff_ids.len());
        return Err(earlier::Error::Unexpected { name, place, got, expected }.into());
    }
    let digest = Digest::of(&bytes);
    let mut blobs = BTreeMap::from([(digest, image.config.clone())]);
    let mut layers = Vec::new();
    for (file, diff_id) in image.layers.iter().zip(&diff_ids) {
        let layer = layer(files, file, diff_id)?;
        blobs.insert(layer.digest, file.clone());
        layers.push(layer);
    }
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": IMAGE_TYPE,
        "config": Descriptor::new(CONFIG_TYPE, digest, bytes.len() as u64),
        "layers": layers,
    });
    let name = image.repo_tags.iter().flatten().next().cloned();
    Ok(Docker { manifest: Manifest::new(IMAGE_TYPE, manifest.to_string()), blobs, name })
}

fn layer(files: &Files, file: &str, diff_id: &str) -> Result<Descriptor, Error> {
    let (content, size) = files.get(file)?.ok_or_else(|| files.missing(file))?;
    let (digest, head) =
        digest(&content).map_err(|source| earlier::Error::Read { file: file.into(), source })?;
    let kind = match head {
        [0x1f, 0x8b, ..] => "application/vnd.oci.image.layer.v1.tar+gzip",
        [0x28, 0xb5, 0x2f, 0xfd] => "application/vnd.oci.image.layer.v1.tar+zstd",
        _ if digest.to_string() == diff_id => "application/vnd.oci.image.layer.v1.tar",
        _ => {
            let (name, place) = (files.name.clone(), format!("`{file}`"));
            let got = format!("digest `{digest}`");
            let expected = format!("`{}`", diff_id.chars().take(100).collect::<String>());
            return Err(earlier::Error::Unexpected { name, place, got, expected }.into());
        }
    };
    Ok(Descriptor::new(kind, digest, size))
}

/// The digest of all bytes, and the first of them.
fn digest(content: &Spooled) -> io::Result<(Digest, [u8; 4])> {
    let mut reader = content.reader();
    let mut hasher = Sha256::new();
    let mut head = [0; 4];
    let mut at = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok((Digest::from(<[u8; 32]>::from(hasher.finalize())), head));
        }
        let first = count.min(head.len() - at);
        head[at..at + first].copy_from_slice(&buffer[..first]);
        at += first;
        hasher.update(&buffer[..count]);
    }
}
