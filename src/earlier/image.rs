//! From whatever names an image to its layers: index, manifest, configuration.
//!
//! The same for images in registries, layouts and archives, which differ only in how a document is
//! got by its digest.

use std::collections::{BTreeMap, BTreeSet};

use registry::Digest;
use serde::Deserialize;
use serde_json::from_slice;

use super::history::{self, History};
use super::{Earlier, EarlierBlob, EarlierLayer, Error, Kind};
use crate::image::Machine;

/// The most that is read of one configuration or manifest: 50,000 paths have 5 MB.
pub(super) const MAX_DOCUMENT: u64 = 16 << 20;

/// Containers' archives have an index that names an index that names manifests.
const MAX_DEPTH: usize = 4;

/// Where an image's documents are got by their digests, which they are checked against.
pub(super) trait Documents {
    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error>;
    fn config(&self, digest: &Digest) -> Result<Vec<u8>, Error>;
}

/// An index or a manifest.
#[derive(Deserialize)]
struct Document {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    platform: Option<Platform>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Platform {
    architecture: String,
    os: String,
}

/// The image that `bytes`, called `document`, names: an index or a manifest.
pub(super) fn read(
    mut bytes: Vec<u8>,
    document: &str,
    name: &str,
    machine: &Machine,
    documents: &dyn Documents,
) -> Result<Earlier, Error> {
    let mut document = document.to_owned();
    let unexpected = |place: &str, got: String, expected: &str| Error::Unexpected {
        name: name.into(),
        place: place.into(),
        got,
        expected: expected.into(),
    };
    for _ in 0..MAX_DEPTH {
        let parsed: Document = from_slice(&bytes).map_err(|source| Error::Json {
            name: name.into(),
            document: document.clone(),
            source,
        })?;
        match (parsed.manifests, parsed.config) {
            (Some(manifests), _) => {
                let digest = choose(&manifests, name, machine)?.digest(name, &document)?;
                bytes = documents.manifest(&digest)?;
                document = digest.to_string();
            }
            (None, Some(config)) => {
                let config = config.digest(name, &document)?;
                return manifest(&config, parsed.layers, name, documents);
            }
            (None, None) => {
                return Err(unexpected(
                    &document,
                    "something else".into(),
                    "a manifest or an index",
                ));
            }
        }
    }
    Err(unexpected(&document, format!("{MAX_DEPTH} indexes, each in another"), "a manifest"))
}

/// The manifest for `machine` among those of an index.
fn choose<'a>(
    manifests: &'a [Descriptor],
    name: &str,
    machine: &Machine,
) -> Result<&'a Descriptor, Error> {
    let mut seen = BTreeSet::new();
    // Attestations, which BuildKit puts beside images, are for no platform that there is.
    let images: Vec<&Descriptor> = manifests
        .iter()
        .filter(|one| one.platform.as_ref().is_none_or(|platform| platform.os != "unknown"))
        .filter(|one| seen.insert(&one.digest))
        .collect();
    if let [only] = images[..] {
        return Ok(only);
    }
    let fits = |one: &&&Descriptor| {
        one.platform
            .as_ref()
            .is_some_and(|it| it.os == "linux" && it.architecture == machine.as_str())
    };
    let fitting: Vec<&&Descriptor> = images.iter().filter(fits).collect();
    match fitting[..] {
        [one] => Ok(one),
        [] if images.is_empty() => Err(Error::Several { name: name.into(), count: 0 }),
        [] => {
            let there: BTreeSet<String> = images.iter().map(|one| one.shown_platform()).collect();
            let there = there.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
            Err(Error::Platform { name: name.into(), wanted: machine.as_str().into(), there })
        }
        _ => Err(Error::Several { name: name.into(), count: fitting.len() }),
    }
}

/// How many platforms a message lists.
const SHOWN: usize = 20;

fn manifest(
    config: &Digest,
    layers: Vec<Descriptor>,
    name: &str,
    documents: &dyn Documents,
) -> Result<Earlier, Error> {
    let bytes = documents.config(config)?;
    let History { store_dir, layers: described } =
        history::parse(&bytes, name, &config.to_string())?;
    let blobs: Vec<Option<EarlierBlob>> = layers.into_iter().map(Descriptor::blob).collect();
    // What is in a registry may be no image at all: a chart, a signature.
    let mut described = described.unwrap_or_else(|| vec![EarlierLayer::default(); blobs.len()]);
    if described.len() != blobs.len() {
        return Err(Error::Unexpected {
            name: name.into(),
            place: "the manifest".into(),
            got: format!("{} layers", blobs.len()),
            expected: format!("{}, as in the configuration", described.len()),
        });
    }
    for (layer, blob) in described.iter_mut().zip(blobs) {
        layer.blob = blob;
    }
    Earlier::new(name, Kind::Image, store_dir, described)
}

impl Descriptor {
    fn digest(&self, name: &str, document: &str) -> Result<Digest, Error> {
        self.digest.parse().map_err(|_| Error::Unexpected {
            name: name.into(),
            place: format!("`{document}`"),
            got: format!("the digest `{}`", self.digest.chars().take(100).collect::<String>()),
            expected: "one of SHA-256".into(),
        })
    }

    /// The blob of a layer; others' may have digests of other kinds.
    fn blob(self) -> Option<EarlierBlob> {
        let digest = self.digest.parse().ok()?;
        let annotations = self.annotations.unwrap_or_default();
        Some(EarlierBlob { digest, size: self.size, media_type: self.media_type, annotations })
    }

    fn shown_platform(&self) -> String {
        match &self.platform {
            None => "no stated platform".into(),
            Some(Platform { os, architecture }) => {
                format!("`{}`", format!("{os}/{architecture}").chars().take(60).collect::<String>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    /// Documents by their digests.
    #[derive(Default)]
    struct Memory(BTreeMap<Digest, Vec<u8>>);

    impl Memory {
        fn add(&mut self, value: &Value) -> String {
            let bytes = value.to_string().into_bytes();
            let digest = Digest::of(&bytes);
            self.0.insert(digest, bytes);
            digest.to_string()
        }
    }

    impl Documents for Memory {
        fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
            let missing = || Error::Missing { name: "i".into(), document: digest.to_string() };
            self.0.get(digest).cloned().ok_or_else(missing)
        }

        fn config(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
            self.manifest(digest)
        }
    }

    fn image(memory: &mut Memory, diff_ids: usize, layers: usize) -> String {
        let id = Digest::of(b"").to_string();
        let config = memory.add(&json!({"rootfs": {"diff_ids": vec![&id; diff_ids]}}));
        let layers = vec![json!({"digest": id, "size": 7, "mediaType": "t"}); layers];
        memory.add(&json!({"config": {"digest": config}, "layers": layers}))
    }

    fn of(memory: &Memory, index: &Value) -> Result<Earlier, Error> {
        let machine = "arm64".parse().unwrap();
        read(index.to_string().into_bytes(), "index.json", "i", &machine, memory)
    }

    fn entry(digest: &str, arch: &str) -> Value {
        let os = if arch == "unknown" { "unknown" } else { "linux" };
        json!({"digest": digest, "platform": {"architecture": arch, "os": os}})
    }

    #[test]
    fn the_platform_decides() {
        let mut memory = Memory::default();
        let [one, two] = [1, 2].map(|count| image(&mut memory, count, count));
        let both = json!({"manifests": [entry(&one, "amd64"), entry(&two, "arm64")]});
        assert_eq!(of(&memory, &both).unwrap().layers.len(), 2);
        // An index in an index, with an attestation beside the only image.
        let inner =
            memory.add(&json!({"manifests": [entry(&one, "amd64"), entry(&two, "unknown")]}));
        let outer = json!({"manifests": [{"digest": inner}]});
        let earlier = of(&memory, &outer).unwrap();
        assert_eq!(earlier.layers[0].blob.as_ref().unwrap().size, 7);
        assert!(!earlier.has_plan());
        let neither = json!({"manifests": [entry(&one, "amd64"), entry(&two, "s390x")]});
        let error = of(&memory, &neither).unwrap_err().to_string();
        assert!(error.contains("`linux/arm64`, only for `linux/amd64`, `linux/s390x`"), "{error}");
        let twice = json!({"manifests": [entry(&one, "arm64"), entry(&two, "arm64")]});
        assert!(matches!(of(&memory, &twice), Err(Error::Several { count: 2, .. })));
    }

    #[test]
    fn nonsense_is_told() {
        let mut memory = Memory::default();
        let uneven = image(&mut memory, 1, 2);
        let mut deep = uneven.clone();
        for _ in 0..5 {
            deep = memory.add(&json!({"manifests": [{"digest": deep}]}));
        }
        for (index, says) in [
            (json!({"manifests": [{"digest": uneven}]}), "got 2 layers, expected 1"),
            (json!({"manifests": [{"digest": deep}]}), "each in another"),
            (json!({"manifests": [{"digest": "md5:1"}]}), "expected one of SHA-256"),
            (json!({"manifests": []}), "0 images"),
            (json!({}), "expected a manifest or an index"),
            (json!([]), "not valid JSON"),
        ] {
            let error = of(&memory, &index).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
