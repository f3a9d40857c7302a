//! What is different between two images or plans: paths, layers, and bytes to pull.
//!
//! Pure. A path of the new one that the old one lacks is paired with one that the old one alone
//! has, of the same name and output: that is a change of version, or of the same version rebuilt.

mod names;

use std::collections::BTreeSet;

use layering::StorePath;
use registry::Digest;

use crate::earlier::{Earlier, EarlierLayer, Kind};
pub use names::{Named, Versioned};

/// The differences between an old and a new image or plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// Which paths differ; `None` if one of the two does not say which paths it has.
    pub paths: Option<Paths>,
    /// Which layers differ, and what they weigh.
    pub layers: Layers,
}

/// Paths that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// In both under the same name with other content: old and new, sorted by name.
    pub changed: Vec<(StorePath, StorePath)>,
    /// In the new one alone, sorted by name.
    pub added: Vec<StorePath>,
    /// In the old one alone, sorted by name.
    pub removed: Vec<StorePath>,
    /// How many are in both.
    pub same: usize,
}

/// Layers that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// For each layer of the new one, whether the old one has it.
    pub shared: Vec<bool>,
    /// By what layers were told apart.
    pub by: By,
    /// Layers that the old one alone has.
    pub dropped: usize,
    /// What whoever has the old one must pull for the new one.
    pub pull: Bytes,
    /// All of the new one.
    pub total: Bytes,
}

/// What makes two layers the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Digests of their blobs or tars.
    Digest,
    /// The set of their store paths, where one of the two is a plan.
    Paths,
}

/// A number of bytes, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// Blobs as they are sent, compressed if they are.
    Blobs(u64),
    /// NARs: about what an uncompressed layer has.
    Nars(u64),
    /// Nobody wrote it down.
    Unknown,
}

/// Why two cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{plan}` is a plan, and `{image}` does not say which store paths it has")]
pub struct Incomparable {
    plan: String,
    image: String,
}

impl Incomparable {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        format!("compare `{}` with another image, by its layers' digests", self.image)
    }
}

/// Compares two images or plans.
pub fn diff(old: &Earlier, new: &Earlier) -> Result<Diff, Incomparable> {
    for (plan, image) in [(old, new), (new, old)] {
        if plan.kind == Kind::Plan && image.kind == Kind::Image && !image.has_plan() {
            return Err(Incomparable { plan: plan.name.clone(), image: image.name.clone() });
        }
    }
    // A plan of nothing is a plan: only images can be silent.
    let silent = |it: &Earlier| it.kind == Kind::Image && !it.has_plan();
    let paths = (!silent(old) && !silent(new)).then(|| paths(old, new));
    Ok(Diff { paths, layers: layers(old, new) })
}

fn paths(old: &Earlier, new: &Earlier) -> Paths {
    let [before, after] = [old, new].map(|it| it.paths().collect::<BTreeSet<_>>());
    let same = before.intersection(&after).count();
    let gone = before.difference(&after).copied().cloned().collect();
    let come = after.difference(&before).copied().cloned().collect();
    let names::Pairs { changed, added, removed } = names::pair(gone, come);
    Paths { changed, added, removed, same }
}

fn layers(old: &Earlier, new: &Earlier) -> Layers {
    let images = old.kind == Kind::Image && new.kind == Kind::Image;
    let by = if images { By::Digest } else { By::Paths };
    let shared: Vec<bool> =
        new.layers.iter().map(|layer| old.layers.iter().any(|it| is_same(it, layer, by))).collect();
    let dropped = old
        .layers
        .iter()
        .filter(|layer| !new.layers.iter().any(|it| is_same(it, layer, by)))
        .count();
    let fresh = new.layers.iter().zip(&shared).filter(|(_, shared)| !**shared);
    let pull = bytes(&fresh.map(|(layer, _)| layer).collect::<Vec<_>>());
    let total = bytes(&new.layers.iter().collect::<Vec<_>>());
    // Nothing is nothing, of the kind that all of it would be.
    let pull = match (pull, total) {
        (Bytes::Blobs(0), Bytes::Nars(_)) => Bytes::Nars(0),
        (pull, _) => pull,
    };
    Layers { shared, by, dropped, pull, total }
}

/// Whether whoever has the one need not pull the other.
fn is_same(one: &EarlierLayer, other: &EarlierLayer, by: By) -> bool {
    match by {
        By::Paths => one.paths == other.paths,
        By::Digest => {
            let blob = |it: &EarlierLayer| it.blob.as_ref().map(|blob| blob.digest);
            let same = |a: Option<Digest>, b| a == b && a.is_some();
            // Engines know layers by diff IDs: the same tar compressed otherwise is not pulled.
            same(one.diff_id, other.diff_id) || same(blob(one), blob(other))
        }
    }
}

/// The size of layers: of blobs where all are known, else of NARs where those are.
fn bytes(layers: &[&EarlierLayer]) -> Bytes {
    let sum = |of: &dyn Fn(&EarlierLayer) -> Option<u64>| {
        layers.iter().try_fold(0_u64, |sum, layer| Some(sum.saturating_add(of(layer)?)))
    };
    let blobs = sum(&|layer| layer.blob.as_ref().map(|blob| blob.size));
    let nars = || sum(&|layer| layer.nar_size);
    blobs.map(Bytes::Blobs).or_else(|| nars().map(Bytes::Nars)).unwrap_or(Bytes::Unknown)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::earlier::EarlierBlob;

    fn path(number: u32, name: &str) -> StorePath {
        format!("{number:0>32}-{name}").parse().unwrap()
    }

    fn earlier(kind: Kind, layers: Vec<EarlierLayer>) -> Earlier {
        let any = layers.iter().any(|layer| !layer.paths.is_empty());
        Earlier { name: "it".into(), kind, store_dir: any.then(Default::default), layers }
    }

    fn layer(paths: &[&StorePath], size: u64, digest: &str) -> EarlierLayer {
        let digest = Digest::of(digest.as_bytes());
        EarlierLayer {
            paths: paths.iter().copied().cloned().collect(),
            blob: Some(EarlierBlob {
                digest,
                size,
                media_type: "t".into(),
                annotations: BTreeMap::new(),
            }),
            diff_id: Some(digest),
            ..EarlierLayer::default()
        }
    }

    fn planned(paths: &[&StorePath], size: u64) -> EarlierLayer {
        EarlierLayer {
            paths: paths.iter().copied().cloned().collect(),
            nar_size: Some(size),
            ..EarlierLayer::default()
        }
    }

    #[test]
    fn images_share_by_digest() {
        let [a, b, c] = [path(1, "a-1"), path(2, "b-1"), path(3, "b-2")];
        let old = earlier(Kind::Image, vec![layer(&[&a], 5, "a"), layer(&[&b], 6, "b")]);
        let new = earlier(Kind::Image, vec![layer(&[&a], 5, "a"), layer(&[&c], 7, "c")]);
        let Diff { paths, layers } = diff(&old, &new).unwrap();
        assert_eq!(paths.unwrap().changed, [(b, c)]);
        assert_eq!((layers.shared, layers.dropped), (vec![true, false], 1));
        assert_eq!((layers.pull, layers.total), (Bytes::Blobs(7), Bytes::Blobs(12)));
    }

    #[test]
    fn plans_share_by_paths() {
        let [a, b] = [path(1, "a-1"), path(2, "b-1")];
        let old = earlier(Kind::Image, vec![layer(&[&a], 5, "a")]);
        let new = earlier(Kind::Plan, vec![planned(&[&a], 50), planned(&[&b], 60)]);
        let Diff { paths, layers } = diff(&old, &new).unwrap();
        assert_eq!(paths.unwrap().added, [b]);
        assert_eq!((layers.by, layers.pull), (By::Paths, Bytes::Nars(60)));
        let same = diff(&new, &new).unwrap().layers;
        assert_eq!((same.pull, same.total), (Bytes::Nars(0), Bytes::Nars(110)));
    }

    #[test]
    fn silent_images_have_layers() {
        let silent = earlier(Kind::Image, vec![layer(&[], 5, "a")]);
        let found = diff(&silent, &silent).unwrap();
        assert_eq!((found.paths, found.layers.shared), (None, vec![true]));
        let plan = earlier(Kind::Plan, vec![planned(&[&path(1, "a")], 1)]);
        assert!(diff(&plan, &silent).is_err());
        assert!(diff(&silent, &plan).is_err());
    }
}
