//! A layer: what describes it, and its blob, at rest or made when somebody asks for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::Arc;

use layering::StorePath;
use registry::{Blob, Digest, Reference};

use super::Whiteouts;
use super::compress::Compression;
use super::machine::Machines;
use super::on_demand::OnDemand;
use super::recall::layer_key;
use super::source::Source;
use super::spool::Spooled;
use crate::cache::KnownLayer;
use crate::closure::NarHash;

/// A layer of ours.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The store paths in it, sorted; none for files outside the store.
    pub paths: Vec<StorePath>,
    /// Digest of the tar, by which the image configuration knows it.
    pub diff_id: Digest,
    /// Digest of the blob, by which the manifest knows it.
    pub digest: Digest,
    /// Size of the blob in bytes.
    pub size: u64,
    /// What the manifest says of the blob beside that.
    pub annotations: BTreeMap<String, String>,
    /// How the blob is compressed.
    pub compression: Compression,
    /// What its tar was made from, hashed: paths, their NAR hashes and the version of the recipe.
    pub key: Option<Digest>,
    /// Sum of the NAR sizes of its paths, as far as the plan knew them.
    pub nar_size: Option<u64>,
    /// The hashes of its paths' NARs, as far as they are known, in the order of the paths.
    pub nar_hashes: Vec<Option<NarHash>>,
    /// For which machines the programs in it are.
    pub machines: Machines,
    /// Files that could not be in it, sorted.
    pub omitted: Vec<String>,
    /// A repository that has the blob.
    pub home: Option<Reference>,
    pub(super) content: Content,
}

/// Where a layer's blob is.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Here(Spooled),
    /// Nobody should want it.
    OnDemand(Arc<OnDemand>),
}

impl Layer {
    /// The layer of `source` that is known already. `key` is that of its tar.
    pub(super) fn known(
        source: &Source,
        key: Option<Digest>,
        known: KnownLayer,
        compression: Compression,
        content: Content,
    ) -> Self {
        Self {
            paths: source.paths(),
            diff_id: known.diff_id,
            digest: known.digest,
            size: known.size,
            annotations: known.annotations,
            compression,
            key,
            nar_size: source.nar_size(),
            nar_hashes: source.nar_hashes(),
            machines: known.machines,
            omitted: known.omitted,
            home: known.home,
            content,
        }
    }

    /// What is worth remembering of it.
    pub(super) fn to_known(&self) -> KnownLayer {
        KnownLayer {
            diff_id: self.diff_id,
            digest: self.digest,
            size: self.size,
            annotations: self.annotations.clone(),
            machines: self.machines.clone(),
            omitted: self.omitted.clone(),
            home: self.home.clone(),
        }
    }

    /// By what another build knows its blob; `None` for files outside the store.
    pub(super) fn blob_key(&self) -> Option<Digest> {
        Some(layer_key(self.key.as_ref()?, &self.compression.recipe()))
    }

    /// Whether the blob stands in `file` at `offset`.
    pub(crate) fn is_at(&self, file: &Arc<File>, offset: u64) -> bool {
        matches!(&self.content, Content::Here(blob) if blob.is_at(file, offset))
    }

    fn blob(&self) -> io::Result<Spooled> {
        match &self.content {
            Content::Here(blob) => Ok(blob.clone()),
            Content::OnDemand(recipe) => recipe.blob().map_err(io::Error::other),
        }
    }
}

impl Blob for Layer {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.open_at(0)
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.blob()?.reader_at(offset)))
    }
}

/// How layers are made.
#[derive(Clone, Copy, Debug)]
pub struct LayerOptions {
    /// Compression of the blobs.
    pub compression: Compression,
    /// What to do with names that mean something else in a layer.
    pub whiteouts: Whiteouts,
    /// Whether files of a layer with the same content and mode are stored once, as hard links.
    pub dedup: bool,
    /// Whether each store path's NAR is hashed while it is read, and must have the hash that it was
    /// registered with. Where that is not known, there is nothing to compare.
    pub verify: bool,
    /// How many threads work; the result is the same for any number.
    pub threads: NonZeroUsize,
}

/// All layers of an image, and what was seen on the way.
#[derive(Clone, Debug)]
pub struct Layers {
    /// Bottom first.
    pub layers: Vec<Arc<Layer>>,
    /// For which machines the programs in them are.
    pub machines: Machines,
    /// Files left out because of [`Whiteouts::Omit`], sorted.
    pub omitted: Vec<String>,
}

impl Layers {
    /// These layers, bottom first.
    pub(super) fn new(layers: Vec<Arc<Layer>>) -> Self {
        let mut machines = Machines::default();
        let mut omitted = Vec::new();
        for layer in &layers {
            machines.merge(layer.machines.clone());
            omitted.extend(layer.omitted.iter().cloned());
        }
        omitted.sort();
        Self { layers, machines, omitted }
    }
}
