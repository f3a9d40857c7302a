//! What an image, or a plan that was written down, says of its layers: the plan read back.
//!
//! ```text
//! PLAN file ────────────────────────► plan_file ─┐
//! archive ─── archive (tar, packed or not) ─┐     ├─► Earlier
//! layout ──── content ──────────────────────┼─► image ─► history
//! registry ── content ──────────────────────┘
//! ```
//!
//! Each layer's entry in an image's history names its store paths (`comment`) and what it was made
//! from (`created_by`). It stands in the configuration, which copying tools keep. An image that
//! says nothing of store paths is no error: it has layers, and no plan. All that is read is hostile
//! until parsed: bounded, checked against the digests that name it.

mod archive;
mod content;
mod error;
pub(crate) mod history;
mod image;
mod plan_file;
mod recall;
pub(crate) mod tar_index;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use layering::{StoreDir, StorePath};
use registry::{Client, Digest, Reference, Seen};

use crate::cache::{KnownLayer, KnownLayers};
use crate::image::{Compression, Machine, Machines, PathRecord, layer_key};
use crate::untar::BLOCK;
pub use error::Error;

/// An image or plan of before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// What it was called by whoever named it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The store of its paths; `None` if it names none.
    pub store_dir: Option<StoreDir>,
    /// Its layers, bottom first.
    pub layers: Vec<EarlierLayer>,
}

/// What layers were read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A plan, as `closure2img plan --json` prints it.
    Plan,
    /// An image.
    Image,
}

/// A layer of before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarlierLayer {
    /// Its store paths, sorted; none for files outside the store and for layers of others.
    pub paths: Vec<StorePath>,
    /// Sum of the paths' NAR sizes, which plans and images of ours tell.
    pub nar_size: Option<u64>,
    /// Its blob, where the image says which it is.
    pub blob: Option<EarlierBlob>,
    /// Digest of its tar.
    pub diff_id: Option<Digest>,
    /// What this program made its tar from, hashed; `None` for files outside the store, and for
    /// layers that others made.
    pub key: Option<Digest>,
    /// How its blob was made of its tar, to the byte: [`Compression::recipe`].
    pub recipe: Option<String>,
    /// For which machines its programs are, by name.
    pub machines: Vec<String>,
    /// What was noted of each path, in the order of the paths; none if nothing was.
    pub records: Vec<PathRecord>,
}

impl EarlierLayer {
    /// Sorts its paths, and what was noted of each along with them.
    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.paths.len()).collect();
        order.sort_by(|&a, &b| self.paths[a].cmp(&self.paths[b]));
        if self.records.len() == order.len() {
            self.records = order.iter().map(|&at| self.records[at].clone()).collect();
        }
        self.paths = order.iter().map(|&at| self.paths[at].clone()).collect();
    }

    /// Whether `compression` would make this blob of its tar.
    pub fn is_of(&self, compression: Compression) -> bool {
        match (&self.recipe, &self.blob) {
            (Some(recipe), _) => *recipe == compression.recipe(),
            (None, Some(blob)) => blob.is_of(compression),
            (None, None) => true,
        }
    }

    /// The layer by the key of what it was made of, if that was written down. `home` is a
    /// repository that has it.
    fn to_known(&self, home: Option<&Reference>) -> Option<(Digest, KnownLayer)> {
        let blob = self.blob.as_ref()?;
        // Which programs those were nobody knows any more.
        let file = self.paths.first().map(ToString::to_string).unwrap_or_default();
        let machines = self.machines.iter().map(|name| (name.clone(), file.clone())).collect();
        let known = KnownLayer {
            diff_id: self.diff_id?,
            digest: blob.digest,
            size: blob.size,
            annotations: blob.annotations.clone(),
            machines: Machines::from_names(machines)?,
            omitted: Vec::new(),
            home: home.cloned(),
        };
        Some((layer_key(&self.key?, self.recipe.as_ref()?), known))
    }
}

/// A blob as a manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes, compressed if the blob is.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
    /// What else is noted of it.
    pub annotations: BTreeMap<String, String>,
}

impl EarlierBlob {
    /// Whether `compression` gives blobs of this kind, at whichever level.
    pub fn is_of(&self, compression: Compression) -> bool {
        match compression {
            Compression::Gzip(_) | Compression::Estargz(_) => self.media_type.ends_with("gzip"),
            Compression::Zstd(_) | Compression::ZstdChunked(_) => self.media_type.ends_with("zstd"),
            Compression::None => self.media_type.ends_with("tar"),
        }
    }
}

impl Earlier {
    /// Whether any layer says which store paths it has.
    pub fn has_plan(&self) -> bool {
        self.store_dir.is_some()
    }

    /// Whether a new image can keep any of its layers: those of others have the same paths, but
    /// never the same bytes.
    pub fn can_be_kept(&self) -> bool {
        self.layers.iter().any(|layer| self.is_ours(layer))
    }

    /// Whether this program planned or made the layer, and it has store paths.
    fn is_ours(&self, layer: &EarlierLayer) -> bool {
        !layer.paths.is_empty() && (self.kind == Kind::Plan || layer.key.is_some())
    }

    /// Its layers as far as a new image may have the same. `home` is a repository that has them.
    pub fn known_layers(&self, home: Option<&Reference>) -> KnownLayers {
        self.layers.iter().filter_map(|layer| layer.to_known(home)).collect()
    }

    /// All store paths, bottom layer first.
    pub fn paths(&self) -> impl Iterator<Item = &StorePath> {
        self.layers.iter().flat_map(|layer| &layer.paths)
    }

    /// Checks that its paths, if it has any, are those of the store `expected`.
    pub fn check_store(&self, expected: &StoreDir) -> Result<(), Error> {
        match &self.store_dir {
            Some(got) if got != expected => Err(Error::OtherStore {
                name: self.name.clone(),
                got: got.clone(),
                expected: expected.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Puts layers together; no path may be in two of them.
    fn new(
        name: &str,
        kind: Kind,
        store_dir: Option<StoreDir>,
        mut layers: Vec<EarlierLayer>,
    ) -> Result<Self, Error> {
        let mut seen = BTreeSet::new();
        for path in layers.iter().flat_map(|layer| &layer.paths) {
            if !seen.insert(path) {
                return Err(Error::Twice { name: name.into(), path: path.clone() });
            }
        }
        for layer in &mut layers {
            layer.sort();
        }
        Ok(Self { name: name.into(), kind, store_dir, layers })
    }
}

/// Where an image or plan of before is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file or directory.
    Local(PathBuf),
    /// A registry.
    Registry(Reference),
}

impl Place {
    /// A file or directory if there is one of that name, else an image in a registry.
    pub fn find(text: &str) -> Result<Self, Error> {
        let path = Path::new(text);
        if path.exists() {
            return Ok(Self::Local(path.into()));
        }
        // `./app.tar` and `app.tar` can only have been meant for files; the latter parses as a name.
        let extension = path.extension().and_then(|extension| extension.to_str());
        let meant_file = text.starts_with(['.', '/', '~'])
            || matches!(extension, Some("tar" | "json" | "gz" | "tgz" | "zst"));
        match text.parse() {
            Ok(reference) if !meant_file => Ok(Self::Registry(reference)),
            Err(source) if !meant_file => Err(Error::Nothing { text: text.into(), source }),
            _ => Err(Error::NoFile { text: text.into() }),
        }
    }
}

/// Reads what is in a file or directory. Of an image for several machines it is that for `machine`.
pub fn read_local(path: &Path, machine: &Machine) -> Result<Earlier, Error> {
    let name = path.display().to_string();
    let failed = |source| Error::Read { file: path.into(), source };
    let meta = fs::metadata(path).map_err(failed)?;
    if meta.is_dir() {
        return content::layout(path, machine);
    }
    let mut file = File::open(path).map_err(failed)?;
    if !meta.is_file() {
        // A pipe, as of `<(closure2img plan --json)`, cannot be read twice, so it is a plan.
        return plan_file::read(&mut file, &name, path);
    }
    let mut head = Vec::new();
    (&mut file).take(BLOCK as u64).read_to_end(&mut head).map_err(failed)?;
    file.rewind().map_err(failed)?;
    match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => plan_file::read(&mut file, &name, path),
        // As graph files are, which are easily taken for plans.
        Some(b'[') => Err(Error::Format {
            name,
            got: "a JSON list".into(),
            expected: "the JSON object of a plan, or an image",
        }),
        _ => archive::read(file, &head, path, machine),
    }
}

/// Reads what the image that `client` was made for says. Of an image for several machines it is
/// that for `machine`. [`Error::NoImage`] if there is none.
pub fn read_registry(client: &Client, machine: &Machine) -> Result<Earlier, Error> {
    content::registry(client, client.reference(), machine)
}

/// As [`read_registry`], of a manifest in the client's repository that is at hand.
pub fn read_seen(client: &Client, seen: &Seen, machine: &Machine) -> Result<Earlier, Error> {
    let separator = if seen.target.contains(':') { '@' } else { ':' };
    let name = format!("{}{separator}{}", client.reference().name(), seen.target);
    content::of_manifest(client, &name, seen.manifest.clone(), machine)
}
