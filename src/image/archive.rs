//! Writing an image: as one tar that every loader takes, as Docker's own tar, or as a directory.
//!
//! Sources: OCI image-spec, "Image Layout"; Docker, "docker image save" (`manifest.json`). The one
//! archive is both at once: `docker load`, `podman load` and the `oci-archive:` and
//! `docker-archive:` transports read the same file.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use registry::{Blob, Digest, Index};
use serde_json::json;

use super::compress::Packing;
use super::content::Content;
use super::image_name::ImageName;
use super::images::Images;
use super::manifest::{Dialect, Image, canonical};
use super::spool::Spool;
use super::stack::ImageLayer;
use super::storage::Storage;
use super::tar;
use crate::output::{AtomicFile, Section};
use crate::parallel::in_parallel;
use crate::progress::{Event, Progress};

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

    /// Puts layers where they belong, several at a time, if that can be done: then nothing but what
    /// is between them is left to write. `members` are the archive's files.
    fn place(&self, members: &[Member<'_>], progress: &dyn Progress) -> io::Result<bool> {
        let Self::File(file) = self else { return Ok(false) };
        let Some((file, _)) = file.regular() else { return Ok(false) };
        let layers: Vec<usize> = (0..members.len())
            .filter(|&at| matches!(members[at].content, Content::Layer(_)))
            .collect();
        let threads = available_parallelism().map_or(1, NonZeroUsize::get);
        in_parallel(&layers, threads, |at| {
            let Member { content, offset, .. } = &members[at];
            match content {
                Content::Layer(layer) if layer.is_at(file, *offset) => {
                    progress.report(Event::Written { bytes: layer.size });
                    Ok(())
                }
                content => content.copy(&mut Section::new(file, *offset), progress),
            }
        })?;
        Ok(true)
    }

    /// Passes over what was placed.
    fn skip(&mut self, size: u64) -> io::Result<()> {
        match self {
            Self::Stream(_) => Err(io::ErrorKind::Unsupported.into()),
            Self::File(file) => file.skip(size),
        }
    }
}

/// A file of an archive.
struct Member<'a> {
    content: Content<'a>,
    /// What stands before its content.
    header: Vec<u8>,
    /// Where its content begins.
    offset: u64,
}

/// Writes the images as one tar: an OCI layout that, of one image, `docker load` reads, too, or
/// Docker's own form.
pub fn write_archive(
    images: &Images,
    name: Option<&ImageName>,
    out: &mut Out<'_>,
    progress: &dyn Progress,
) -> io::Result<()> {
    let dirs = if is_docker(images).is_some() { &[][..] } else { &BLOBS[..] };
    let mut header = Vec::new();
    for dir in dirs {
        tar::header(&mut header, dir.as_bytes(), 0o755, tar::Kind::Directory);
    }
    let mut end = 0;
    let members = archive_files(images, name).into_iter().map(|(name, content)| {
        let size = content.size();
        tar::header(&mut header, name.as_bytes(), 0o644, tar::Kind::File { size });
        let header = std::mem::take(&mut header);
        let offset = end + header.len() as u64;
        end = offset + size + tar::padding(size).len() as u64;
        Member { content, header, offset }
    });
    let members: Vec<Member<'_>> = members.collect();
    let bytes = members.iter().map(|member| member.content.size());
    progress.report(Event::Write { bytes: bytes.sum() });
    let placed = out.place(&members, progress)?;
    for Member { content, header, .. } in &members {
        out.write().write_all(header)?;
        let size = content.size();
        match content {
            Content::Layer(_) if placed => out.skip(size)?,
            content => content.copy(out.write(), progress)?,
        }
        out.write().write_all(tar::padding(size))?;
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
            ("io.containerd.image.name".to_owned(), name.reference().to_string()),
        ]
        .into();
    }
    Index { manifests: vec![root], ..Index::default() }.to_manifest().bytes
}

pub(crate) fn docker_manifest(config: &str, layers: &[String], name: Option<&str>) -> Vec<u8> {
    let tags: Vec<&str> = name.into_iter().collect();
    canonical(&json!([{"Config": config, "Layers": layers, "RepoTags": tags}]))
}
