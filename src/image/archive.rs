//! Writing an image: as one tar that every loader takes, as Docker's own tar, or as a directory.
//!
//! Sources: OCI image-spec, "Image Layout"; Docker, "docker image save" (`manifest.json`). The one
//! archive is both at once: `docker load`, `podman load` and the `oci-archive:` and
//! `docker-archive:` transports read the same file.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use registry::{Blob, Digest, Reference};
use serde_json::json;

use super::compress::Compression;
use super::manifest::{Dialect, Image, canonical};
use super::tar;
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

/// A file of an archive or layout.
pub(crate) enum Content<'a> {
    Bytes(Vec<u8>),
    Blob(&'a dyn Blob),
}

impl Content<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob(blob) => blob.size(),
        }
    }

    /// Copies the content to `out`.
    pub(crate) fn write(&self, out: &mut dyn Write, progress: &dyn Progress) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(bytes),
            Self::Blob(blob) => {
                let mut reader = blob.open()?;
                let mut buffer =
                    vec![0; usize::try_from(blob.size().clamp(1, 1 << 20)).unwrap_or(1 << 20)];
                loop {
                    let count = reader.read(&mut buffer)?;
                    if count == 0 {
                        return Ok(());
                    }
                    out.write_all(&buffer[..count])?;
                    progress.report(Event::Written { bytes: count as u64 });
                }
            }
        }
    }
}

/// The files of an OCI image layout, each blob once; what describes it comes first.
pub(crate) fn layout_files<'a>(
    image: &'a Image,
    name: Option<&ImageName>,
) -> Vec<(String, Content<'a>)> {
    let mut files = vec![
        ("oci-layout".into(), Content::Bytes(br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())),
        ("index.json".into(), Content::Bytes(index(image, name))),
    ];
    let mut seen = BTreeSet::new();
    for blob in [&image.manifest as &dyn Blob, &image.config]
        .into_iter()
        .chain(image.layers.iter().map(|layer| &**layer as &dyn Blob))
    {
        if seen.insert(blob.digest()) {
            files.push((blob_name(&blob.digest()), Content::Blob(blob)));
        }
    }
    files
}

/// An image layout that is a Docker archive, too.
fn both<'a>(image: &'a Image, name: Option<&ImageName>) -> Vec<(String, Content<'a>)> {
    let mut files = layout_files(image, name);
    let layers: Vec<String> = image.layers.iter().map(|layer| blob_name(&layer.digest)).collect();
    let manifest = docker_manifest(&blob_name(&image.config.digest()), &layers, name);
    files.insert(2, ("manifest.json".into(), Content::Bytes(manifest)));
    files
}

fn docker<'a>(image: &'a Image, name: Option<&ImageName>) -> Vec<(String, Content<'a>)> {
    let config = format!("{}.json", image.config.digest().hex());
    let mut files = vec![(config.clone(), Content::Blob(&image.config))];
    let (mut seen, mut layers) = (BTreeSet::new(), Vec::new());
    for layer in &image.layers {
        let end = match layer.compression {
            Compression::None => "tar",
            Compression::Gzip(_) => "tar.gz",
            Compression::Zstd(_) => "tar.zst",
        };
        let file = format!("{}.{end}", layer.digest.hex());
        layers.push(file.clone());
        if seen.insert(layer.digest) {
            files.push((file, Content::Blob(&**layer)));
        }
    }
    files.insert(
        0,
        ("manifest.json".into(), Content::Bytes(docker_manifest(&config, &layers, name))),
    );
    files
}

/// Writes the image as one tar: an OCI layout that `docker load` reads, too, or Docker's own form.
pub fn write_archive(
    image: &Image,
    name: Option<&ImageName>,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> io::Result<()> {
    let files = match image.dialect {
        Dialect::Oci => both(image, name),
        Dialect::Docker => docker(image, name),
    };
    progress.report(Event::Write { bytes: files.iter().map(|(_, content)| content.size()).sum() });
    let mut header = Vec::new();
    let mut dirs = BTreeSet::new();
    for (name, content) in &files {
        header.clear();
        for (at, _) in name.match_indices('/') {
            if dirs.insert(&name[..at]) {
                tar::header(&mut header, &name.as_bytes()[..at], 0o755, tar::Kind::Directory);
            }
        }
        let size = content.size();
        tar::header(&mut header, name.as_bytes(), 0o644, tar::Kind::File { size });
        out.write_all(&header)?;
        content.write(out, progress)?;
        out.write_all(tar::padding(size))?;
    }
    out.write_all(&tar::TRAILER)?;
    out.flush()
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn index(image: &Image, name: Option<&ImageName>) -> Vec<u8> {
    let mut manifest = json!({
        "mediaType": image.dialect.manifest(),
        "digest": image.digest().to_string(),
        "size": image.manifest.size(),
        "platform": {"architecture": image.machine.as_str(), "os": "linux"},
    });
    if let Some(name) = name {
        manifest["annotations"] = json!({
            "org.opencontainers.image.ref.name": name.tag(),
            // By which containerd names what it imports.
            "io.containerd.image.name": name.reference.to_string(),
        });
    }
    canonical(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest],
    }))
}

fn docker_manifest(config: &str, layers: &[String], name: Option<&ImageName>) -> Vec<u8> {
    let tags: Vec<&str> = name.iter().map(|name| name.as_str()).collect();
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
