//! Writing an image: as one tar that every loader takes, as Docker's own tar, or as a directory.
//!
//! Sources: OCI image-spec, "Image Layout"; Docker, "docker image save" (`manifest.json`). The one
//! archive is both at once: `docker load`, `podman load` and the `oci-archive:` and
//! `docker-archive:` transports read the same file.

use std::collections::BTreeSet;
use std::io::{self, Write};

use registry::{Blob, Digest, Index, Reference};
use serde_json::json;

use super::compress::Packing;
use super::content::Content;
use super::images::Images;
use super::layer::Layer;
use super::manifest::{Dialect, Image, canonical};
use super::spool::Spool;
use super::stack::ImageLayer;
use super::storage::Storage;
use super::tar;
use crate::output::AtomicFile;
use crate::progress::{Event, Progress};

/// The name of an image within an archive: `NAME:TAG` as the user will say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    text: String,
    reference: Reference,
}

/// Why a text does not name an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ImageNameError {
    #[error(transparent)]
    Reference(#[from] registry::ReferenceError),
    #[error("`{0}` has a digest, which is the image's own to say")]
    Digest(String),
}

impl ImageName {
    /// Checks that it is a name and a tag; the tag is `latest` if there is none.
    pub fn parse(text: &str) -> Result<Self, ImageNameError> {
        let reference: Reference = text.parse()?;
        if reference.digest().is_some() {
            return Err(ImageNameError::Digest(text.into()));
        }
        let last = text.rsplit('/').next().unwrap_or_default();
        let text = if last.contains(':') { text.into() } else { format!("{text}:latest") };
        Ok(Self { text, reference })
    }

    /// A name for whoever did not give one: that of a store path, with its version as tag.
    pub fn of_store_path(name: &str) -> Option<Self> {
        // As Nix's `parseDrvName`: the version begins at the first dash before a non-letter.
        let dash = name.match_indices('-').map(|(at, _)| at);
        let split = dash
            .into_iter()
            .find(|&at| name[at + 1..].bytes().next().is_some_and(|b| !b.is_ascii_alphabetic()));
        let (name, version) = split.map_or((name, "latest"), |at| (&name[..at], &name[at + 1..]));
        let clean = |text: &str, keep: &[u8]| -> String {
            let fit = |c: char| {
                if c.is_ascii_alphanumeric() || keep.contains(&(c as u8)) { c } else { '-' }
            };
            text.chars().map(fit).collect()
        };
        let name = clean(&name.to_ascii_lowercase(), b"-");
        let tag = clean(version, b"-._");
        Self::parse(&format!("{}:{}", name.trim_matches('-'), tag.trim_start_matches(['-', '.'])))
            .ok()
    }

    /// As the user says it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn tag(&self) -> &str {
        self.text.rsplit(':').next().unwrap_or_default()
    }
}

/// Where blobs are in a layout.
pub(crate) const BLOBS: [&str; 2] = ["blobs", "blobs/sha256"];

/// What a layout begins with.
pub(crate) const INDEX: &str = "index.json";

/// The place of a blob in a layout.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The layers of all images, each once, and what their files are called. Ours come first, as they
/// may be in place already.
fn layers(images: &Images, name: impl Fn(&ImageLayer) -> String) -> Vec<(String, Content<'_>)> {
    let mut seen = BTreeSet::new();
    let all = || images.all().iter().flat_map(|image| &image.layers);
    let is_own = |layer: &&ImageLayer| matches!(layer, ImageLayer::Own(_));
    let own_first = all().filter(is_own).chain(all().filter(|layer| !is_own(layer)));
    own_first
        .filter(|layer| seen.insert(layer.digest()))
        .map(|layer| (name(layer), Content::of(layer)))
        .collect()
}

/// The files of an OCI image layout: layers first, as they are there first.
pub(crate) fn layout_files<'a>(
    images: &'a Images,
    name: Option<&ImageName>,
) -> Vec<(String, Content<'a>)> {
    let layers = layers(images, |layer| blob_name(&layer.digest()));
    let mut seen = BTreeSet::new();
    let documents = images.all().iter().flat_map(|image| [&image.config, &image.manifest]);
    let documents = documents
        .filter(|document| seen.insert(document.digest()))
        .map(|document| (blob_name(&document.digest()), document.bytes().to_vec()));
    let index = images.index().map(|index| (blob_name(&index.digest), index.bytes.clone()));
    let fixed = [
        (INDEX.into(), index_json(images, name)),
        ("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
    ];
    let documents = documents.chain(index).chain(fixed);
    let documents = documents.map(|(name, bytes)| (name, Content::Bytes(bytes)));
    layers.into_iter().chain(documents).collect()
}

/// An image layout that is a Docker archive, too, if it is of one image.
fn both<'a>(images: &'a Images, name: Option<&ImageName>) -> Vec<(String, Content<'a>)> {
    let mut files = layout_files(images, name);
    if let Images::One(image) = images {
        let manifest = docker_json(image, name, &blob_name(&image.config.digest()), |layer| {
            blob_name(&layer.digest())
        });
        files.push(("manifest.json".into(), Content::Bytes(manifest)));
    }
    files
}

/// The only image, if it is to be in Docker's own form.
fn is_docker(images: &Images) -> Option<&Image> {
    match images {
        Images::One(image) if image.dialect == Dialect::Docker => Some(image),
        _ => None,
    }
}

/// The files of an archive, in order.
pub(super) fn archive_files<'a>(
    images: &'a Images,
    name: Option<&ImageName>,
) -> Vec<(String, Content<'a>)> {
    match is_docker(images) {
        Some(image) => docker(images, image, name),
        None => both(images, name),
    }
}

fn docker<'a>(
    images: &'a Images,
    image: &Image,
    name: Option<&ImageName>,
) -> Vec<(String, Content<'a>)> {
    let layer_name = |layer: &ImageLayer| match layer.packing() {
        Packing::None => format!("{}.tar", layer.digest().hex()),
        Packing::Gzip => format!("{}.tar.gz", layer.digest().hex()),
        Packing::Zstd => format!("{}.tar.zst", layer.digest().hex()),
    };
    let config = format!("{}.json", image.config.digest().hex());
    let manifest = docker_json(image, name, &config, layer_name);
    let mut files = layers(images, layer_name);
    files.push((config, Content::Bytes(image.config.bytes().to_vec())));
    files.push(("manifest.json".into(), Content::Bytes(manifest)));
    files
}

fn docker_json(
    image: &Image,
    name: Option<&ImageName>,
    config: &str,
    layer_name: impl Fn(&ImageLayer) -> String,
) -> Vec<u8> {
    let layers: Vec<String> = image.layers.iter().map(layer_name).collect();
    docker_manifest(config, &layers, name.map(ImageName::as_str))
}

/// Room for layers in an archive that is to be a file.
pub fn storage<'a>(dialect: Dialect, file: &'a AtomicFile, spool: &'a Spool) -> Storage<'a> {
    // Only the length of a name matters, and all digests have the same.
    let (start, header): (u64, fn(u64) -> u64) = match dialect {
        Dialect::Oci => ((BLOBS.len() * tar::BLOCK) as u64, |size| {
            header_length(&blob_name(&Digest::of(b"")), size)
        }),
        Dialect::Docker => {
            (0, |size| header_length(&format!("{}.tar", Digest::of(b"").hex()), size))
        }
    };
    match file.regular() {
        Some((file, path)) => Storage::Archive { file, path, start, header, spool },
        None => Storage::Spool(spool),
    }
}

fn header_length(name: &str, size: u64) -> u64 {
    let mut header = Vec::new();
    tar::header(&mut header, name.as_bytes(), 0o644, tar::Kind::File { size });
    header.len() as u64
}

/// Where an archive goes.
pub enum Out<'a> {
    /// Anything that takes bytes.
    Stream(&'a mut dyn Write),
    /// A file, in which layers may stand already ([`storage`]).
    File(&'a mut AtomicFile),
}

impl Out<'_> {
    fn write(&mut self) -> &mut dyn Write {
        match self {
            Self::Stream(out) => *out,
            Self::File(file) => *file,
        }
    }

    /// Passes over `layer` if it stands at `offset` already.
    fn skip(&mut self, layer: &Layer, offset: u64) -> io::Result<bool> {
        let Self::File(file) = self else { return Ok(false) };
        let there = file.regular().is_some_and(|(file, _)| layer.is_at(file, offset));
        if there {
            file.skip(layer.size)?;
        }
        Ok(there)
    }
}

/// Writes the images as one tar: an OCI layout that, of one image, `docker load` reads, too, or
/// Docker's own form.
pub fn write_archive(
    images: &Images,
    name: Option<&ImageName>,
    out: &mut Out<'_>,
    progress: &dyn Progress,
) -> io::Result<()> {
    let files = archive_files(images, name);
    let dirs = if is_docker(images).is_some() { &[][..] } else { &BLOBS[..] };
    let mut header = Vec::new();
    for dir in dirs {
        tar::header(&mut header, dir.as_bytes(), 0o755, tar::Kind::Directory);
    }
    progress.report(Event::Write { bytes: files.iter().map(|(_, content)| content.size()).sum() });
    let mut offset = 0;
    for (name, content) in &files {
        let size = content.size();
        tar::header(&mut header, name.as_bytes(), 0o644, tar::Kind::File { size });
        out.write().write_all(&header)?;
        offset += header.len() as u64;
        header.clear();
        let in_place = match content {
            Content::Layer(layer) => out.skip(layer, offset)?,
            Content::Bytes(_) | Content::Base(_) => false,
        };
        if in_place {
            progress.report(Event::Written { bytes: size });
        } else {
            content.copy(out.write(), progress)?;
        }
        let padding = tar::padding(size);
        out.write().write_all(padding)?;
        offset += size + padding.len() as u64;
    }
    out.write().write_all(&tar::TRAILER)?;
    out.write().flush()
}

fn index_json(images: &Images, name: Option<&ImageName>) -> Vec<u8> {
    let mut root = images.descriptor();
    if let Some(name) = name {
        root.annotations = [
            ("org.opencontainers.image.ref.name".to_owned(), name.tag().to_owned()),
            // By which containerd names what it imports.
            ("io.containerd.image.name".to_owned(), name.reference.to_string()),
        ]
        .into();
    }
    Index { manifests: vec![root], ..Index::default() }.to_manifest().bytes
}

pub(crate) fn docker_manifest(config: &str, layers: &[String], name: Option<&str>) -> Vec<u8> {
    let tags: Vec<&str> = name.into_iter().collect();
    canonical(&json!([{"Config": config, "Layers": layers, "RepoTags": tags}]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_tag() {
        assert_eq!(ImageName::parse("app").unwrap().as_str(), "app:latest");
        assert_eq!(ImageName::parse("host:5000/app").unwrap().as_str(), "host:5000/app:latest");
        assert_eq!(ImageName::parse("host:5000/app:1").unwrap().tag(), "1");
        assert!(ImageName::parse("App").is_err());
    }

    #[test]
    fn store_paths_give_names() {
        let name = |path: &str| ImageName::of_store_path(path).map(|name| name.text);
        assert_eq!(name("hello-2.12.1").as_deref(), Some("hello:2.12.1"));
        assert_eq!(
            name("python3.11-requests-2.31.0").as_deref(),
            Some("python3-11-requests:2.31.0")
        );
        assert_eq!(name("My_App").as_deref(), Some("my-app:latest"));
        assert_eq!(name("app-1.0+git?x").as_deref(), Some("app:1.0-git-x"));
        assert_eq!(name("---"), None);
    }
}
