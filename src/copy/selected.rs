//! What is to be copied: of all that a source has, the manifests and blobs that belong to one image
//! or index.

use std::collections::BTreeSet;

use registry::{Descriptor, Manifest, Parts, Platform};

use super::Error;
use super::source::{Source, document};

/// An index in an index is taken; one that goes on so is an attack.
const MAX_DEPTH: usize = 4;
/// Manifests of one index; the largest that are known have some dozens.
const MAX_MANIFESTS: u64 = 2000;
/// Bytes of all of them.
const MAX_BYTES: u64 = 256 << 20;
/// The most that is read of a configuration.
const MAX_CONFIG: u64 = 16 << 20;
/// How many platforms a message lists.
const SHOWN: usize = 20;

/// An image or index, and all that belongs to it.
pub struct Selected<'a> {
    pub(super) source: &'a dyn Source,
    /// None comes before one that it names, so the last is the one that names all.
    nodes: Vec<Node>,
}

/// A manifest and the blobs that it names.
pub(super) struct Node {
    pub(super) manifest: Manifest,
    pub(super) blobs: Vec<Descriptor>,
}

/// An image of an index, or the only one.
pub(super) struct Leaf {
    pub(super) manifest: Manifest,
    /// As the index has it, completed.
    pub(super) descriptor: Descriptor,
    pub(super) platform: Platform,
}

impl<'a> Selected<'a> {
    /// All of `source`, or of an index the one image for `platform`.
    pub fn of(source: &'a dyn Source, platform: Option<&Platform>) -> Result<Self, Error> {
        let root = match platform {
            None => source.root().clone(),
            Some(platform) => choose(source, platform)?,
        };
        Self::below(source, root)
    }

    /// The manifest `root` of `source`.
    pub(super) fn below(source: &'a dyn Source, root: Manifest) -> Result<Self, Error> {
        let mut walk = Walk { source, nodes: Vec::new(), seen: BTreeSet::new(), bytes: 0 };
        walk.visit(root, MAX_DEPTH)?;
        Ok(Self { source, nodes: walk.nodes })
    }

    /// The manifest that names all others.
    pub fn root(&self) -> &Manifest {
        // A walk ends with what it began with, or with an error.
        self.nodes.last().map_or_else(|| self.source.root(), |node| &node.manifest)
    }

    /// How many blobs it has, and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let blobs = Self::blobs(&self.nodes);
        let size = blobs.iter().fold(0_u64, |sum, blob| sum.saturating_add(blob.size));
        (blobs.len(), size)
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The blobs of these manifests, each once, the largest first.
    pub(super) fn blobs<'b>(nodes: impl IntoIterator<Item = &'b Node>) -> Vec<&'b Descriptor> {
        let mut seen = BTreeSet::new();
        let mut blobs: Vec<&Descriptor> = nodes.into_iter().flat_map(|node| &node.blobs).collect();
        blobs.retain(|blob| seen.insert(blob.digest));
        blobs.sort_by_key(|blob| (std::cmp::Reverse(blob.size), blob.digest));
        blobs
    }
}

struct Walk<'a> {
    source: &'a dyn Source,
    nodes: Vec<Node>,
    seen: BTreeSet<registry::Digest>,
    bytes: u64,
}

impl Walk<'_> {
    fn visit(&mut self, manifest: Manifest, depth: usize) -> Result<(), Error> {
        let too_many =
            |limit, what| Err(Error::TooMany { name: self.source.name().into(), limit, what });
        self.bytes += manifest.bytes.len() as u64;
        if depth == 0 {
            return too_many(MAX_DEPTH as u64, "indexes, each in another");
        }
        if self.seen.len() as u64 >= MAX_MANIFESTS {
            return too_many(MAX_MANIFESTS, "manifests");
        }
        if self.bytes > MAX_BYTES {
            return too_many(MAX_BYTES, "bytes in its manifests");
        }
        self.seen.insert(manifest.digest);
        let blobs = match parts(self.source, &manifest)? {
            Parts::Image { config, layers } => {
                std::iter::once(*config).chain(layers).filter(|blob| !is_foreign(blob)).collect()
            }
            Parts::Index(index) => {
                for descriptor in index.manifests {
                    if !self.seen.contains(&descriptor.digest) {
                        let child = self.source.manifest(&descriptor)?;
                        self.visit(child, depth - 1)?;
                    }
                }
                Vec::new()
            }
        };
        self.nodes.push(Node { manifest, blobs });
        Ok(())
    }
}

/// Layers that lie elsewhere and may not be passed on, as Windows had them.
fn is_foreign(blob: &Descriptor) -> bool {
    blob.media_type.contains(".foreign.") || blob.media_type.contains(".nondistributable.")
}

fn parts(source: &dyn Source, manifest: &Manifest) -> Result<Parts, Error> {
    manifest.parts().map_err(|error| Error::Manifest { name: source.name().into(), source: error })
}

/// The images of an index, however deep, or the one image.
pub(super) fn leaves(source: &dyn Source) -> Result<Vec<Leaf>, Error> {
    let root = source.root();
    let mut leaves = Vec::new();
    find_leaves(source, root.clone(), root.descriptor(), MAX_DEPTH, &mut leaves)?;
    Ok(leaves)
}

fn find_leaves(
    source: &dyn Source,
    manifest: Manifest,
    descriptor: Descriptor,
    depth: usize,
    leaves: &mut Vec<Leaf>,
) -> Result<(), Error> {
    let name = || source.name().to_owned();
    if depth == 0 {
        let what = "indexes, each in another";
        return Err(Error::TooMany { name: name(), limit: MAX_DEPTH as u64, what });
    }
    if leaves.len() as u64 >= MAX_MANIFESTS {
        return Err(Error::TooMany { name: name(), limit: MAX_MANIFESTS, what: "manifests" });
    }
    match parts(source, &manifest)? {
        Parts::Index(index) => {
            for descriptor in index.manifests {
                let child = source.manifest(&descriptor)?;
                find_leaves(source, child, descriptor, depth - 1, leaves)?;
            }
        }
        Parts::Image { config, .. } => {
            let platform = match &descriptor.platform {
                Some(platform) => platform.clone(),
                None => platform_of(source, &config)?,
            };
            leaves.push(Leaf { manifest, descriptor, platform });
        }
    }
    Ok(())
}

/// What an image's configuration says. Its fields have the names of those of a platform.
fn platform_of(source: &dyn Source, config: &Descriptor) -> Result<Platform, Error> {
    let bytes = document(source, config, MAX_CONFIG)?;
    let platform: Option<Platform> = serde_json::from_slice(&bytes).ok();
    platform
        .filter(|platform| !platform.os.is_empty() && !platform.architecture.is_empty())
        .ok_or_else(|| Error::NoPlatform { name: source.name().into() })
}

/// The one image for `wanted`.
fn choose(source: &dyn Source, wanted: &Platform) -> Result<Manifest, Error> {
    let leaves = leaves(source)?;
    let mut fitting: Vec<&Leaf> = leaves.iter().filter(|leaf| leaf.platform.fits(wanted)).collect();
    let (name, wanted) = (source.name().to_owned(), wanted.to_string());
    fitting.dedup_by_key(|leaf| leaf.manifest.digest);
    match fitting[..] {
        [leaf] => Ok(leaf.manifest.clone()),
        [] => {
            let there: BTreeSet<String> = leaves
                .iter()
                .filter(|leaf| !leaf.platform.is_unknown())
                .map(|leaf| format!("`{}`", leaf.platform))
                .collect();
            let there = there.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
            Err(Error::Platform { name, wanted, there })
        }
        _ => Err(Error::Ambiguous { name, wanted, count: fitting.len() }),
    }
}
