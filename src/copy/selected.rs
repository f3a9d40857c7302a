//! What is to be copied: of all that a source has, the manifests and blobs that belong to one image
//! or index.

use std::collections::BTreeSet;

use registry::{Descriptor, Manifest, Parts, Platform};

use super::Error;
use super::source::{Source, document};
use crate::parallel::in_parallel;

/// An index in an index is taken; one that goes on so is an attack.
const MAX_DEPTH: usize = 4;
/// Manifests of one index; the largest that are known have some dozens.
const MAX_MANIFESTS: u64 = 2000;
/// Bytes of all of them.
const MAX_BYTES: u64 = 256 << 20;
/// The most that is read of a configuration.
pub(super) const MAX_CONFIG: u64 = 16 << 20;
/// Manifests that are asked for at once.
const AT_ONCE: usize = 16;
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
                let mut left = index.manifests;
                left.retain(|descriptor| !self.seen.contains(&descriptor.digest));
                for some in left.chunks(AT_ONCE) {
                    let order: Vec<usize> = (0..some.len()).collect();
                    let get = |at: usize| self.source.manifest(&some[at]);
                    for child in in_parallel(&order, AT_ONCE, get)? {
                        // It may have come with another one meanwhile.
                        if !self.seen.contains(&child.digest) {
                            self.visit(child, depth - 1)?;
                        }
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

pub(crate) fn parts(source: &dyn Source, manifest: &Manifest) -> Result<Parts, Error> {
    manifest.parts().map_err(|error| Error::Manifest { name: source.name().into(), source: error })
}

/// The images of an index, however deep, or the one image.
pub(super) fn leaves(source: &dyn Source) -> Result<Vec<Leaf>, Error> {
    let root = source.root();
    let mut leaves = Vec::new();
    find_leaves(source, root.clone(), root.descriptor(), MAX_DEPTH, &|_| true, &mut leaves)?;
    Ok(leaves)
}

fn find_leaves(
    source: &dyn Source,
    manifest: Manifest,
    descriptor: Descriptor,
    depth: usize,
    is_of_use: &dyn Fn(&Platform) -> bool,
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
                if descriptor.platform.as_ref().is_none_or(is_of_use) {
                    let child = source.manifest(&descriptor)?;
                    find_leaves(source, child, descriptor, depth - 1, is_of_use, leaves)?;
                }
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

/// One image of a source.
pub(crate) struct Chosen {
    pub(crate) manifest: Manifest,
    /// What an index says of its platform.
    pub(crate) listed: Option<Platform>,
    /// Of an index, the platforms of all images and their manifests; attestations are none.
    pub(crate) platforms: Vec<(Platform, registry::Digest)>,
}

/// The image of `source` that is for `wanted` or, if nobody said, of several the one for `host`.
pub(crate) fn chosen(
    source: &dyn Source,
    wanted: Option<&Platform>,
    host: &Platform,
) -> Result<Chosen, Error> {
    let root = source.root();
    let Parts::Index(index) = parts(source, root)? else {
        let mut chosen = Chosen { manifest: root.clone(), listed: None, platforms: Vec::new() };
        if wanted.is_some() {
            chosen.manifest = choose(source, wanted.unwrap_or(host))?;
        }
        return Ok(chosen);
    };
    let images = || {
        let is_image = |it: &&Descriptor| it.platform.as_ref().is_none_or(|it| !it.is_unknown());
        index.manifests.iter().filter(is_image)
    };
    let manifest = match (&images().collect::<Vec<_>>()[..], wanted) {
        // The only one, unless it is not what was asked for.
        ([only], None) if !only.is_index() => source.manifest(only)?,
        _ => choose(source, wanted.unwrap_or(host))?,
    };
    let leaf = images().find(|descriptor| descriptor.digest == manifest.digest);
    let listed = leaf.and_then(|descriptor| descriptor.platform.clone());
    let platforms = images().filter_map(|it| Some((it.platform.clone()?, it.digest))).collect();
    Ok(Chosen { manifest, listed, platforms })
}

/// The one image for `wanted`. The others of an index that says for whom they are stay where they are.
pub(super) fn choose(source: &dyn Source, wanted: &Platform) -> Result<Manifest, Error> {
    let root = source.root();
    let fits = |platform: &Platform| platform.fits(wanted);
    let mut fitting = Vec::new();
    find_leaves(source, root.clone(), root.descriptor(), MAX_DEPTH, &fits, &mut fitting)?;
    fitting.retain(|leaf| fits(&leaf.platform));
    fitting.dedup_by_key(|leaf| leaf.manifest.digest);
    let (name, wanted) = (source.name().to_owned(), wanted.to_string());
    match &fitting[..] {
        [leaf] => Ok(leaf.manifest.clone()),
        [] => {
            let there: BTreeSet<String> = leaves(source)?
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use registry::{Blob, Digest, Index};
    use serde_json::json;

    use super::*;
    use crate::earlier;

    const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    /// Manifests by their digests.
    struct Memory {
        manifests: BTreeMap<Digest, Manifest>,
        root: Manifest,
    }

    impl Source for Memory {
        fn name(&self) -> &'static str {
            "memory"
        }

        fn root(&self) -> &Manifest {
            &self.root
        }

        fn annotations(&self) -> BTreeMap<String, String> {
            BTreeMap::new()
        }

        fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
            let (name, document) = ("memory".to_owned(), descriptor.digest.to_string());
            let found = self.manifests.get(&descriptor.digest).cloned();
            Ok(found.ok_or(earlier::Error::Missing { name, document })?)
        }

        fn blob(&self, descriptor: &Descriptor) -> Result<Box<dyn Blob>, Error> {
            let document = descriptor.digest.to_string();
            Err(earlier::Error::Missing { name: "memory".into(), document }.into())
        }
    }

    fn image(layer: &str) -> Manifest {
        let blob =
            |text: &str| Descriptor::new("x/y", Digest::of(text.as_bytes()), text.len() as u64);
        let foreign = Descriptor {
            media_type: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into(),
            ..blob("elsewhere")
        };
        let layers = [blob(layer), blob("common"), foreign];
        Manifest::new(IMAGE, json!({"config": blob("{}"), "layers": layers}).to_string())
    }

    fn index(named: &[(&Manifest, Option<&str>)]) -> Manifest {
        let manifests = named.iter().map(|(manifest, platform)| {
            let platform = platform.map(|text| text.parse().unwrap());
            Descriptor { platform, ..manifest.descriptor() }
        });
        Index { manifests: manifests.collect(), ..Index::default() }.to_manifest()
    }

    fn memory(all: &[&Manifest]) -> Memory {
        let manifests = all.iter().map(|manifest| (manifest.digest, (*manifest).clone())).collect();
        Memory { manifests, root: all[all.len() - 1].clone() }
    }

    #[test]
    fn what_is_named_comes_first_and_each_once() {
        let [one, two] = ["one", "twotwo"].map(image);
        let inner = index(&[(&two, None)]);
        let root = index(&[(&inner, None), (&two, None), (&one, None), (&one, None)]);
        let source = memory(&[&one, &two, &inner, &root]);
        let selected = Selected::of(&source, None).unwrap();
        let order: Vec<Digest> = selected.nodes().iter().map(|node| node.manifest.digest).collect();
        assert_eq!(order, [two.digest, inner.digest, one.digest, root.digest]);
        assert_eq!(selected.root().digest, root.digest);
        let sizes: Vec<u64> =
            Selected::blobs(selected.nodes()).iter().map(|blob| blob.size).collect();
        assert_eq!((sizes, selected.size()), (vec![6, 6, 3, 2], (4, 17)));
    }

    #[test]
    fn a_platform_is_chosen_however_deep() {
        let [one, two, other] = ["one", "two", "other"].map(image);
        let inner = index(&[(&two, Some("linux/arm/v7")), (&other, Some("linux/arm/v6"))]);
        let root =
            index(&[(&one, Some("linux/amd64")), (&inner, None), (&one, Some("unknown/unknown"))]);
        let source = memory(&[&one, &two, &other, &inner, &root]);
        let chosen = |platform: &str| Selected::of(&source, Some(&platform.parse().unwrap()));
        assert_eq!(chosen("linux/arm/v7").unwrap().root().digest, two.digest);
        assert_eq!(chosen("linux/amd64").unwrap().root().digest, one.digest);
        assert!(matches!(chosen("linux/arm").map(drop), Err(Error::Ambiguous { count: 2, .. })));
        let error = chosen("linux/s390x").map(drop).unwrap_err().to_string();
        assert!(
            error.ends_with("only for `linux/amd64`, `linux/arm/v6`, `linux/arm/v7`"),
            "{error}"
        );
    }

    #[test]
    fn what_goes_too_deep_or_is_not_there_is_told() {
        let one = image("one");
        let mut nested = vec![one.clone()];
        for _ in 0..MAX_DEPTH {
            nested.push(index(&[(&nested[nested.len() - 1], None)]));
        }
        let all: Vec<&Manifest> = nested.iter().collect();
        let deep = memory(&all);
        assert!(matches!(Selected::of(&deep, None).map(drop), Err(Error::TooMany { .. })));
        let platform = "linux/amd64".parse().unwrap();
        assert!(matches!(
            Selected::of(&deep, Some(&platform)).map(drop),
            Err(Error::TooMany { .. })
        ));
        let sparse = memory(&[&index(&[(&one, None)])]);
        let error = Selected::of(&sparse, None).map(drop).unwrap_err().to_string();
        assert!(error.contains("is missing"), "{error}");
        let lying = memory(&[&Manifest::new(INDEX, one.bytes.clone())]);
        assert!(matches!(Selected::of(&lying, None).map(drop), Err(Error::Manifest { .. })));
    }
}
