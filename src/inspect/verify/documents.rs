//! Manifest and configuration: whether they agree with each other (OCI image-spec, "Image Manifest" and
//! "Image Configuration").

use registry::Manifest;
use serde::Deserialize;

use super::Problem;
use crate::inspect::image::Image;
use crate::inspect::oci::Oci;
use crate::untar::Packing;

/// Media types of configurations.
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// Media types of manifests.
const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Head {
    schema_version: Option<u64>,
    media_type: Option<String>,
}

pub(super) fn check(image: &Image, oci: &Oci) -> Vec<Problem> {
    let mut problems = manifest(&oci.manifest);
    let config = oci.config.digest.to_string();
    let mut say = |kind, place: &str, text: String| problems.push(Problem::new(kind, place, text));
    if !CONFIGS.contains(&oci.config.media_type.as_str()) {
        let text = format!("the configuration has type `{}`", oci.config.media_type);
        say("media-type", &config, format!("{text}, expected `{}`", CONFIGS[0]));
    }
    let (layers, diff_ids) = (oci.layers.len(), oci.diff_ids.len());
    if layers != diff_ids {
        let text = format!("the configuration has {diff_ids} diff IDs, expected {layers}");
        say("config", &config, format!("{text}, one for each layer"));
    }
    if let Some(history) = oci.history.filter(|&history| history > 0 && history != layers) {
        let text = format!("the history has {history} entries of layers, expected {layers}");
        say("config", &config, text);
    }
    if oci.platform.os.is_empty() || oci.platform.architecture.is_empty() {
        say("platform", &config, "the configuration does not say for which platform it is".into());
    } else if let Some(listed) = &oci.listed
        && !oci.platform.fits(&registry::Platform { variant: None, ..listed.clone() })
    {
        let text =
            format!("the configuration is for `{}`, the index says `{listed}`", oci.platform);
        say("platform", &config, text);
    }
    for (at, layer) in image.layers.iter().enumerate() {
        let Some(descriptor) = layer.descriptor() else { continue };
        let place = descriptor.digest.to_string();
        if Packing::of_layer(&descriptor.media_type).is_none() {
            let text = format!("`{}` is no type of a layer", descriptor.media_type);
            say("media-type", &place, text);
        }
        if layers == diff_ids && layer.diff_id().is_none() {
            let text = format!("diff ID {} is no digest of SHA-256", at + 1);
            say("config", &config, text);
        }
    }
    problems
}

fn manifest(manifest: &Manifest) -> Vec<Problem> {
    let mut problems = Vec::new();
    let place = manifest.digest.to_string();
    let head: Head = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
    if head.schema_version != Some(2) {
        let got = head.schema_version.map_or("none".into(), |it| it.to_string());
        let text = format!("the manifest has `schemaVersion` {got}, expected 2");
        problems.push(Problem::new("manifest", &place, text));
    }
    if !MANIFESTS.contains(&manifest.media_type.as_str()) {
        let text = format!("`{}` is no type of an image's manifest", manifest.media_type);
        problems.push(Problem::new("media-type", &place, text));
    }
    if let Some(inner) = head.media_type.filter(|inner| *inner != manifest.media_type) {
        let text = format!("it says of itself to be `{inner}`, expected `{}`", manifest.media_type);
        problems.push(Problem::new("media-type", &place, text));
    }
    problems
}
