//! The closure: every path that is named is there, and is what it was when it was registered.

use std::collections::{BTreeMap, BTreeSet};

use layering::{StoreDir, StorePath};

use super::{Problem, Verified, VerifyOptions};
use crate::closure::{Database, NarHash, PathInfo};
use crate::inspect::contents::{Contents, What};
use crate::inspect::image::Image;
use crate::inspect::mentions::{Mentions, Stores};
use crate::inspect::merged::Merged;
use crate::inspect::places::in_store;

pub(super) fn check(
    image: &Image,
    layers: &[Contents],
    merged: &Merged<'_>,
    options: &VerifyOptions,
    is_whole: bool,
    verified: &mut Verified,
) {
    let paths: BTreeSet<&StorePath> = layers.iter().flat_map(|it| it.paths.keys()).collect();
    verified.paths = paths.len();
    let store = store_dir(image, layers);
    let seen: BTreeSet<&StorePath> = paths
        .iter()
        .copied()
        .filter(|path| {
            let name = store.join(path);
            merged.seen.contains_key(name.trim_start_matches('/').as_bytes())
        })
        .collect();
    nars(image, layers, options, is_whole, verified);
    if is_whole {
        told(image, layers, &seen, &store, verified);
        removed(image, layers, verified);
        references(image, layers, &seen, &store, options, verified);
    }
}

/// The store of the paths: as the image says, or as they lie in it.
fn store_dir(image: &Image, layers: &[Contents]) -> StoreDir {
    let found = layers.iter().find_map(|it| it.store.as_ref());
    let found = found.and_then(|dir| format!("/{}", String::from_utf8_lossy(dir)).parse().ok());
    image.store_dir().cloned().or(found).unwrap_or_default()
}

/// What the image says that it has, it has where it says.
fn told(
    image: &Image,
    layers: &[Contents],
    seen: &BTreeSet<&StorePath>,
    store: &StoreDir,
    verified: &mut Verified,
) {
    if image.is_told_wrong {
        let text = "it is not as closure2img writes it, so that nobody knows what the store paths should be";
        verified.problems.push(Problem::new("store-path", "/.closure2img", text));
    }
    for (number, layer) in image.layers.iter().enumerate() {
        let name = layer.name();
        for path in &layer.told.paths {
            let text = match (layers[number].paths.contains_key(path), seen.contains(path)) {
                (true, true) => continue,
                (true, false) => "a layer above removes it".to_owned(),
                (false, _) => format!("the history says that `{name}` has it, and it is not there"),
            };
            verified.problems.push(Problem::new("store-path", store.join(path), text));
        }
        // What others say of their layers need not be all.
        let is_all = image.oci.is_none() && !layer.told.paths.is_empty();
        if layer.told.key.is_some() || is_all {
            for path in layers[number].paths.keys().filter(|it| !layer.told.paths.contains(it)) {
                let text = format!("it is in `{name}`, of which the image does not say so");
                verified.problems.push(Problem::new("store-path", store.join(path), text));
            }
        }
    }
}

/// Nothing in a store ever goes.
fn removed(image: &Image, layers: &[Contents], verified: &mut Verified) {
    for (number, contents) in layers.iter().enumerate() {
        for item in &contents.items {
            let is_order = matches!(item.what, What::Whiteout | What::Opaque);
            if is_order && let Some(place) = in_store(&item.path, image.store_dir()) {
                // A path that goes as a whole is missing, if anybody needs it.
                if !place.inner.is_empty() {
                    let text = format!("the layer `{}` removes it", image.layers[number].name());
                    verified.problems.push(Problem::new("changed", super::shown(&item.path), text));
                }
            }
        }
    }
}

/// Every name of a store path, anywhere in the bytes, is that of one that is there.
fn references(
    image: &Image,
    layers: &[Contents],
    seen: &BTreeSet<&StorePath>,
    store: &StoreDir,
    options: &VerifyOptions,
    verified: &mut Verified,
) {
    let hashes: BTreeSet<&[u8]> = seen.iter().map(|path| path.hash().as_bytes()).collect();
    // Nobody vouches for what is kept from an image of before.
    let dead: BTreeSet<&StorePath> = image
        .told_paths()
        .filter(|(_, _, record)| record.is_some_and(|record| record.references.is_none()))
        .map(|(_, path, _)| path)
        .collect();
    let mut say = |place: String, name: &str, excused: bool| {
        let missing = format!("{store}/{name}");
        if excused || options.allow_dangling {
            verified.dangling.push(format!("{place} names {missing}"));
        } else {
            let text = format!("it refers to `{missing}`, which is not in the image");
            verified.problems.push(Problem::new("reference", place, text));
        }
    };
    for (path, found) in layers.iter().flat_map(|contents| &contents.paths) {
        for (_, name) in found.mentions.iter().filter(|(hash, _)| !hashes.contains(&hash[..])) {
            say(store.join(path), name, dead.contains(path));
        }
    }
    for (number, contents) in layers.iter().enumerate() {
        for (_, name) in contents.outside.iter().filter(|(hash, _)| !hashes.contains(&hash[..])) {
            let place = format!("files outside the store in {}", image.layers[number].name());
            say(place, name, false);
        }
    }
    let stores = Stores::new(image.store_dir());
    let mut mentions = Mentions::new(&stores);
    for text in image.oci.iter().flat_map(|oci| crate::inspect::graph::texts(&oci.run)) {
        mentions.feed(text.as_bytes());
        mentions.cut();
    }
    for (_, name) in mentions.into_found().iter().filter(|(hash, _)| !hashes.contains(&hash[..])) {
        say("the configuration".into(), name, false);
    }
    let own: Vec<_> = image.told_paths().skip_while(|(_, _, record)| record.is_none()).collect();
    for (_, path, record) in &own {
        let positions = record.and_then(|record| record.references.as_ref()).into_iter().flatten();
        for at in positions.filter(|&&at| at >= own.len()) {
            let text = format!("its record refers to path {at} of {}", own.len());
            verified.problems.push(Problem::new("reference", store.join(path), text));
        }
    }
}

/// NARs have the hashes that the image or the database has for them.
fn nars(
    image: &Image,
    layers: &[Contents],
    options: &VerifyOptions,
    is_whole: bool,
    verified: &mut Verified,
) {
    let recorded: BTreeMap<&StorePath, NarHash> = image
        .told_paths()
        .filter_map(|(_, path, record)| Some((path, record?.nar_hash?)))
        .collect();
    let registered = registered(image, layers, options, &recorded, verified);
    let store = store_dir(image, layers);
    for (path, found) in layers.iter().flat_map(|contents| &contents.paths) {
        let expected: Vec<(NarHash, &str)> = recorded
            .get(path)
            .map(|hash| (*hash, "the image says"))
            .into_iter()
            .chain(registered.get(path).map(|hash| (*hash, "the database says")))
            .collect();
        let place = || store.join(path);
        match found.nar {
            Some((_, got)) if !expected.is_empty() => {
                let wrong = expected.iter().find(|(hash, _)| *hash != got);
                match wrong {
                    None => verified.nars += 1,
                    Some((hash, who)) => {
                        let text = format!("its NAR has hash `{got}`, {who} `{hash}`");
                        verified.problems.push(Problem::new("nar-hash", place(), text));
                    }
                }
            }
            // That a layer ends too early was told.
            None if recorded.contains_key(path) && is_whole => {
                let text = "its files are not whole, or not in the order of its NAR";
                verified.problems.push(Problem::new("nar-hash", place(), text));
            }
            _ => verified.unknown += 1,
        }
    }
}

/// The hashes that the database has for paths that are to be looked up there.
fn registered(
    image: &Image,
    layers: &[Contents],
    options: &VerifyOptions,
    recorded: &BTreeMap<&StorePath, NarHash>,
    verified: &mut Verified,
) -> BTreeMap<StorePath, NarHash> {
    let Some(store) = &options.store else { return BTreeMap::new() };
    let database = Database::of(store);
    let is_same_store = *store.dir() == store_dir(image, layers);
    if !database.is_there() || !is_same_store {
        return BTreeMap::new();
    }
    let paths = layers.iter().flat_map(|contents| contents.paths.keys());
    let wanted = paths.filter(|path| options.insist || !recorded.contains_key(path));
    let mut infos: Vec<PathInfo> =
        wanted.map(|path| PathInfo::new(path.clone(), 0, Vec::new())).collect();
    if infos.is_empty() {
        return BTreeMap::new();
    }
    if let Err(error) = database.fill(&mut infos)
        && options.insist
    {
        let place = store.database().display().to_string();
        verified.problems.push(Problem::new("database", place, super::chain(&error)));
    }
    infos.into_iter().filter_map(|info| Some((info.path, info.nar_hash?))).collect()
}
