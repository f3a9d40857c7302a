//! What archives and layouts have beside blobs, and how a blob gets there.

use std::io::{self, Read};

use registry::{Descriptor, Index, Parts};

use super::Error;
use super::selected::{Node, Selected};
use super::source::IMAGE_NAME;
use crate::image::archive::{INDEX, blob_name, docker_manifest};
use crate::output::OutputError;

/// Media types of images' configurations.
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// Bytes that are copied at a time.
const COPIED: usize = 256 * 1024;

/// Names and contents of the files that are not blobs. `index.json` names the last manifest.
pub(super) fn documents(image: &Selected<'_>) -> Vec<(String, Vec<u8>)> {
    let manifests = image
        .nodes()
        .iter()
        .map(|Node { manifest, .. }| (blob_name(&manifest.digest), manifest.bytes.clone()));
    let mut root = image.root().descriptor();
    root.annotations = image.source.annotations();
    let index = Index { manifests: vec![root], ..Index::default() };
    let fixed = [
        (INDEX.to_owned(), index.to_manifest().bytes),
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
    ];
    manifests.chain(fixed).collect()
}

/// Docker's list of images, by which `docker load` reads an archive, if it is one image.
pub(super) fn for_docker(image: &Selected<'_>) -> Option<(String, Vec<u8>)> {
    let Ok(Parts::Image { config, layers }) = image.root().parts() else { return None };
    // Charts and signatures are no images.
    if !CONFIGS.contains(&config.media_type.as_str()) {
        return None;
    }
    let layers: Vec<String> = layers.iter().map(|layer| blob_name(&layer.digest)).collect();
    let annotations = image.source.annotations();
    let name = annotations.get(IMAGE_NAME).map(String::as_str);
    Some(("manifest.json".to_owned(), docker_manifest(&blob_name(&config.digest), &layers, name)))
}

/// Hands a blob's bytes to `take`, each piece with its offset. They are right unless this fails.
pub(super) fn copy_blob(
    image: &Selected<'_>,
    descriptor: &Descriptor,
    mut take: impl FnMut(&[u8], u64) -> Result<(), OutputError>,
) -> Result<(), Error> {
    let failed = |source| Error::read(image.source.name(), descriptor.digest, source);
    let mut reader = image.source.blob(descriptor)?.open().map_err(failed)?;
    let mut buffer = vec![0; COPIED];
    let mut at = 0;
    loop {
        let count = match reader.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(failed)?,
        };
        if count == 0 {
            return Ok(());
        }
        take(&buffer[..count], at)?;
        at += count as u64;
    }
}
