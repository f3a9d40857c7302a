//! Images in one tar, packed or not: OCI layouts, and what `docker save` and skopeo write.
//!
//! An archive that is both at once is read as a layout, since that has the blobs' digests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use registry::Digest;
use serde::Deserialize;

use super::content::checked;
use super::history::{self, History};
use super::image::{self, Documents, MAX_DOCUMENT};
use super::tar_index::{Input, TarIndex};
use super::{Earlier, EarlierBlob, Error, Kind};
use crate::image::Machine;
use crate::image::archive::{INDEX, blob_name};

/// Docker's own list of images.
const DOCKER: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    layers: Vec<String>,
}

struct Archive {
    name: String,
    index: TarIndex,
}

/// Reads the image in `file`, which begins with `head` and stands at its start.
pub(super) fn read(
    file: File,
    head: &[u8],
    path: &Path,
    machine: &Machine,
) -> Result<Earlier, Error> {
    let name = path.display().to_string();
    let failed = |source| Error::Read { file: path.into(), source };
    let input = match head {
        [0x1f, 0x8b, ..] => Input::Packed(Box::new(MultiGzDecoder::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let unpacked = zstd::stream::read::Decoder::new(file).map_err(failed)?;
            Input::Packed(Box::new(unpacked) as Box<dyn Read>)
        }
        _ => Input::plain(file).map_err(failed)?,
    };
    let index = TarIndex::read(input, &name, path)?;
    let archive = Archive { name, index };
    if archive.index.has(INDEX) {
        let index = archive.document(INDEX)?;
        return image::read(index.to_vec(), INDEX, &archive.name, machine, &archive);
    }
    if archive.index.has(DOCKER) {
        return archive.docker();
    }
    Err(Error::Format {
        name: archive.name,
        got: "a tar without `index.json` and `manifest.json`".into(),
        expected: "an image",
    })
}

impl Archive {
    fn document(&self, document: &str) -> Result<&[u8], Error> {
        let (name, limit) = (self.name.clone(), MAX_DOCUMENT);
        self.index.document(document).ok_or_else(|| match self.index.is_too_large(document) {
            true => Error::TooLarge { name, document: document.into(), limit },
            false => Error::Missing { name, document: document.into() },
        })
    }

    /// The image of Docker's own form, whose layers have no descriptors.
    fn docker(&self) -> Result<Earlier, Error> {
        let images: Vec<DockerImage> =
            serde_json::from_slice(self.document(DOCKER)?).map_err(|source| Error::Json {
                name: self.name.clone(),
                document: DOCKER.into(),
                source,
            })?;
        let [image] = &images[..] else {
            return Err(Error::Several { name: self.name.clone(), count: images.len() });
        };
        let mut config = self.document(&image.config)?.to_vec();
        if let Some(digest) = digest_in(&image.config) {
            config = checked(config, &image.config, &self.name, &digest)?;
        }
        let History { store_dir, layers } = history::parse(&config, &self.name, &image.config)?;
        let mut layers = layers.unwrap_or_default();
        if layers.len() != image.layers.len() {
            return Err(Error::Unexpected {
                name: self.name.clone(),
                place: format!("`{DOCKER}`"),
                got: format!("{} layers", image.layers.len()),
                expected: format!("{}, as in the configuration", layers.len()),
            });
        }
        for (layer, file) in layers.iter_mut().zip(&image.layers) {
            layer.blob = self.blob(file);
        }
        Earlier::new(&self.name, Kind::Image, store_dir, layers)
    }

    /// A layer's blob, where the file's name says which it is.
    fn blob(&self, file: &str) -> Option<EarlierBlob> {
        let media_type = match file.split_once(".tar")?.1 {
            "" => "application/vnd.docker.image.rootfs.diff.tar",
            ".gz" => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            _ => return None,
        };
        let (digest, size) = (digest_in(file)?, self.index.size(file)?);
        Some(EarlierBlob {
            digest,
            size,
            media_type: media_type.into(),
            annotations: BTreeMap::new(),
        })
    }
}

/// The digest in a name such as `blobs/sha256/HEX`, `HEX.json`, `HEX.tar.gz` or `sha256:HEX`.
fn digest_in(file: &str) -> Option<Digest> {
    let base = file.rsplit('/').next().unwrap_or(file);
    let stem = base.split('.').next().unwrap_or(base);
    format!("sha256:{}", stem.strip_prefix("sha256:").unwrap_or(stem)).parse().ok()
}

impl Documents for Archive {
    fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let document = blob_name(digest);
        checked(self.document(&document)?.to_vec(), &document, &self.name, digest)
    }

    fn config(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.manifest(digest)
    }
}
