//! What the configuration of an image underneath says.

use std::fmt;

use registry::{Digest, Platform};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::config::RunConfig;
use super::error::BaseError;

/// What a layer is called of which an image's history says nothing.
const UNTOLD: &str = "layer of the base image";
/// Media types of configurations.
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// What the configuration says.
pub(super) struct Configuration {
    pub(super) platform: Platform,
    pub(super) run: RunConfig,
    pub(super) history: Vec<Value>,
    pub(super) diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
    config: Option<Map<String, Value>>,
    rootfs: RootFs,
    history: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

impl Configuration {
    /// Reads the configuration of an image called `name` with so many layers.
    pub(super) fn parse(
        name: &str,
        (media_type, text): (&str, &[u8]),
        layers: usize,
    ) -> Result<Self, BaseError> {
        let name = || name.to_owned();
        if !CONFIGS.contains(&media_type) {
            return Err(BaseError::NoImage { name: name(), got: shown(media_type) });
        }
        let wrong = |reason: &dyn fmt::Display| {
            let reason = reason.to_string();
            BaseError::Config { name: name(), reason }
        };
        let read: Document = serde_json::from_slice(text).map_err(|e| wrong(&e))?;
        let diff_ids = read.rootfs.diff_ids.unwrap_or_default();
        let diff_ids: Vec<Digest> = diff_ids
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, registry::DigestError>>()
            .map_err(|e| wrong(&e))?;
        if diff_ids.len() != layers {
            return Err(BaseError::Uneven { name: name(), layers, diff_ids: diff_ids.len() });
        }
        let (os, architecture) = (read.os, read.architecture);
        let variant = read.variant.filter(|variant| !variant.is_empty());
        let platform = Platform { os, architecture, variant, ..Platform::default() };
        if platform.os != "linux" {
            let (got, expected) = (format!("`{platform}`"), "Linux".into());
            return Err(BaseError::Platform { name: name(), got, expected });
        }
        let run = RunConfig::of_image(read.config.unwrap_or_default()).map_err(|e| wrong(&e))?;
        let history = history(read.history.unwrap_or_default(), layers);
        Ok(Self { platform, run, history, diff_ids })
    }
}

/// As much of a media type as goes into a message.
pub(super) fn shown(media_type: &str) -> String {
    media_type.chars().take(100).collect()
}

/// The entries, if they account for each of so many layers: readers pair entries with layers by
/// counting, so that a history with gaps would shift those that come after it.
fn history(entries: Vec<Value>, layers: usize) -> Vec<Value> {
    let fills = |entry: &&Value| entry.get("empty_layer") != Some(&Value::Bool(true));
    if entries.iter().all(Value::is_object) && entries.iter().filter(fills).count() == layers {
        return entries;
    }
    vec![json!({"comment": UNTOLD}); layers]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_layer_has_one_entry(empty in prop::collection::vec(any::<Option<bool>>(), 0..8), layers in 0_usize..8) {
            let entry = |empty: &Option<bool>| empty.map_or(json!({}), |it| json!({"empty_layer": it}));
            let entries: Vec<Value> = empty.iter().map(entry).collect();
            let kept = history(entries.clone(), layers);
            let filled = kept.iter().filter(|it| it.get("empty_layer") != Some(&json!(true))).count();
            prop_assert_eq!(filled, layers);
            let told = empty.iter().filter(|it| **it != Some(true)).count();
            prop_assert_eq!(kept == entries, told == layers);
        }
    }
}
