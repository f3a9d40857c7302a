//! What is known of the layers of an image before any of them is made.
//!
//! A layer is known by what it is made of: store paths with the hashes of their NARs, which the
//! store's database has, the version of the tar recipe, and how the compressor makes its bytes. No
//! file of the store is opened to find out that nothing has changed.

use std::fmt::Write as _;

use registry::Digest;

use super::layer::{Layer, LayerOptions};
use super::source::{RootEntry, RootNode, Source};
use crate::cache::{Cache, KnownLayer, KnownLayers};

/// What is known of one layer.
#[derive(Clone, Debug, Default)]
pub struct Recalled {
    /// What its tar is made of, hashed, if that can be told without reading.
    pub(super) tar: Option<Digest>,
    /// As `tar`, also for files outside the store, and with what they are compressed.
    key: Option<Digest>,
    /// The layer.
    pub known: Option<KnownLayer>,
}

impl Recalled {
    /// By what the layer that was made of this is known.
    pub(super) fn key(&self, layer: &Layer) -> Option<Digest> {
        self.key.or_else(|| layer.blob_key())
    }
}

/// What a blob depends on, hashed: `tar` is that of its tar, and `recipe` says how it is compressed.
pub fn layer_key(tar: &Digest, recipe: &str) -> Digest {
    Digest::of(format!("closure2img layer\n{tar}\n{recipe}\n").as_bytes())
}

/// Looks up each layer in `cache`, and in what `images` elsewhere say of theirs.
pub fn recall(
    sources: &[Source],
    options: LayerOptions,
    cache: Option<&Cache>,
    images: &KnownLayers,
) -> Vec<Recalled> {
    let recipe = options.compression.recipe();
    let one = |source: &Source| {
        let (tar, content) = match source {
            Source::Store { .. } => {
                let tar = source.key(options, &source.nar_hashes());
                (tar, tar)
            }
            Source::Root(entries) => (None, Some(root_key(entries))),
        };
        let key = content.map(|content| layer_key(&content, &recipe));
        // What is to be verified must be read.
        let known = key.filter(|_| !options.verify).and_then(|key| {
            let here = cache.and_then(|cache| cache.layer(&key));
            match (here, images.get(&key)) {
                // Both know the same blob, and one knows where it is.
                (Some(here), Some(there)) if here.digest == there.digest => {
                    Some(KnownLayer { home: there.home.clone(), ..here })
                }
                (here, there) => here.or_else(|| there.cloned()),
            }
        });
        Recalled { tar, key, known }
    };
    sources.iter().map(one).collect()
}

/// What files outside the store are, hashed.
fn root_key(entries: &[RootEntry]) -> Digest {
    let mut text = String::from("closure2img root 1\n");
    for RootEntry { name, node } in entries {
        let _ = match node {
            RootNode::Directory { mode } => writeln!(text, "{name:?} directory {mode:o}"),
            RootNode::File { mode, content } => {
                writeln!(text, "{name:?} file {mode:o} {}", Digest::of(content.as_bytes()))
            }
            RootNode::Symlink { target } => writeln!(text, "{name:?} link {target:?}"),
        };
    }
    Digest::of(text.as_bytes())
}
