//! What an image is and has.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use layering::StorePath;

use super::contents::{Contents, Questions, What, read};
use super::description::{
    Copies, DeadWeight, Description, FileDescription, LayerDescription, LayerRead, PathDescription,
};
use super::graph::References;
use super::image::{Image, Layer};
use super::merged::{Merged, duplicates};
use super::places::in_store;
use super::stream::{Sum, Wanted};
use super::{Error, parallel};
use crate::untar::Packing;

/// How many of its largest files are told of each store path.
const BIGGEST: usize = 3;
/// Equal files of fewer bytes in all are not worth telling.
const WORTH_TELLING: u64 = 64 << 10;

/// Describes an image by its documents and, `with_files`, by what is in its layers, which are read by
/// several threads.
pub fn describe(
    image: &Image,
    with_files: bool,
    threads: NonZeroUsize,
) -> Result<Description, Error> {
    let told = References::told(image);
    if !with_files {
        let layers = image.layers.iter().map(LayerDescription::told).collect();
        return Ok(Description { layers, references: told, ..Description::default() });
    }
    let questions = Questions {
        nars: false,
        mentions: told.as_ref().is_none_or(|told| told.roots.is_empty()),
        files: true,
    };
    let read_one = |at: usize| -> Result<_, Error> {
        let layer = &image.layers[at];
        let wanted =
            Wanted { sum: Some(image.sum()).filter(|&sum| sum == Sum::ImageId), all: false };
        let (streamed, contents) = read(image, layer, questions, wanted)?;
        streamed.read.map_err(|source| Error::Blob { layer: layer.name(), source })?;
        streamed.entries.map_err(|error| error.of_layer(layer))?;
        Ok(((streamed.packing, streamed.unpacked), contents, streamed.aci))
    };
    let (mut heads, mut contents, mut aci) = (Vec::new(), Vec::new(), None);
    for (head, found, report) in parallel(image, threads, read_one)? {
        heads.push(head);
        contents.push(found);
        aci = aci.or(report);
    }
    let references = match told {
        // An AppImage does not say what it is for; the files outside the store do.
        Some(told) if told.roots.is_empty() => {
            let roots = References::found(image, &contents).roots;
            References { roots, ..told }
        }
        Some(told) => told,
        None => References::found(image, &contents),
    };
    let mut layers = Vec::new();
    for ((layer, (packing, unpacked)), contents) in image.layers.iter().zip(heads).zip(&contents) {
        layers.push(LayerDescription::of_read(image, layer, packing, unpacked, contents));
    }
    let merged = Merged::new(&contents);
    let dead_weight = dead_weight(&references, &layers, &merged, &contents);
    let files = merged.seen.iter().map(|(path, (layer, what))| file(path, *layer, what));
    Ok(Description {
        layers,
        dead_weight: Some(dead_weight),
        files: Some(files.collect()),
        references: Some(references),
        aci,
    })
}

impl LayerDescription {
    fn told(layer: &Layer) -> Self {
        let told = &layer.told;
        let paths = told.paths.iter().enumerate().map(|(at, path)| PathDescription {
            path: path.clone(),
            nar_size: told.records.get(at).and_then(|record| record.nar_size),
            size: None,
            biggest: Vec::new(),
            files: 0,
        });
        Self {
            digest: layer.descriptor().map(|it| it.digest),
            diff_id: told.diff_id,
            media_type: layer.descriptor().map(|it| it.media_type.clone()),
            size: layer.size(),
            key: told.key.map(|key| (key, told.recipe.clone())),
            machines: told.machines.clone(),
            read: None,
            paths: paths.collect(),
        }
    }

    fn of_read(
        image: &Image,
        layer: &Layer,
        packing: Packing,
        unpacked: u64,
        contents: &Contents,
    ) -> Self {
        let mut described = Self::told(layer);
        let mut files: BTreeMap<&StorePath, Vec<(&[u8], u64)>> =
            contents.paths.keys().map(|path| (path, Vec::new())).collect();
        let (mut outside, mut whiteouts) = (0, 0);
        for item in &contents.items {
            let size = match item.what {
                What::File { size, .. } => size,
                What::Whiteout | What::Opaque => {
                    whiteouts += 1;
                    continue;
                }
                _ => continue,
            };
            let place = in_store(&item.path, image.store_dir());
            let path = place
                .as_ref()
                .and_then(|place| std::str::from_utf8(place.path).ok()?.parse::<StorePath>().ok());
            match (path.and_then(|path| files.get_mut(&path)), place) {
                (Some(files), Some(place)) => files.push((place.inner, size)),
                _ => outside += size,
            }
        }
        described.read = Some(LayerRead {
            packing,
            unpacked,
            entries: contents.items.len(),
            outside,
            whiteouts,
        });
        let mut told: BTreeMap<StorePath, PathDescription> =
            described.paths.into_iter().map(|it| (it.path.clone(), it)).collect();
        described.paths = files
            .into_iter()
            .map(|(path, mut files)| {
                let nar_size = told.remove(path).and_then(|told| told.nar_size);
                let size = files.iter().map(|(_, size)| size).sum();
                let count = files.len();
                files.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
                files.truncate(BIGGEST);
                let biggest = files.into_iter().map(|(inner, size)| (inner.to_vec(), size));
                let path = path.clone();
                PathDescription {
                    path,
                    nar_size,
                    size: Some(size),
                    biggest: biggest.collect(),
                    files: count,
                }
            })
            .collect();
        described
    }
}

fn dead_weight(
    references: &References,
    layers: &[LayerDescription],
    merged: &Merged<'_>,
    contents: &[Contents],
) -> DeadWeight {
    let sizes: BTreeMap<&StorePath, u64> = layers
        .iter()
        .flat_map(|layer| &layer.paths)
        .map(|path| (&path.path, path.size.unwrap_or(0)))
        .collect();
    let dead = references.dead().into_iter();
    let mut paths: Vec<(StorePath, u64)> =
        dead.map(|path| (path.clone(), sizes.get(path).copied().unwrap_or(0))).collect();
    paths.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let mut hidden: Vec<_> =
        merged.hidden.iter().map(|it| (it.path.to_vec(), it.size, it.layer, it.by)).collect();
    hidden.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let same = duplicates(contents);
    let duplicates = same
        .into_iter()
        .filter(|it| it.wasted() >= WORTH_TELLING)
        .map(|it| {
            let files = it.files.into_iter().map(|(layer, path)| (layer, path.to_vec()));
            Copies { size: it.size, files: files.collect() }
        })
        .collect();
    DeadWeight { paths, hidden, duplicates }
}

fn file(path: &[u8], layer: usize, what: &What) -> FileDescription {
    let (kind, size, target) = match what {
        What::Directory => ("directory", None, None),
        What::File { size, .. } => ("file", Some(*size), None),
        What::Symlink(target) => ("symlink", None, Some(target.to_vec())),
        What::HardLink(target) => ("hardlink", None, Some(target.to_vec())),
        What::Special(kind) => (*kind, None, None),
        // Orders are not seen.
        What::Whiteout | What::Opaque => ("whiteout", None, None),
    };
    FileDescription { path: path.to_vec(), kind, size, target, layer }
}
