//! An image configuration's history: which layer has which store paths, and who made it.
//!
//! This program and nixpkgs' dockerTools both write `store paths: [...]` as the comment of a layer,
//! the one as JSON, the other as Python prints a list. Only ours has a key. Of an image on top of
//! another (`base=N`), the first N layers are the other's: whoever made them, they are no part of
//! the plan.

use std::collections::BTreeSet;

use layering::{StoreDir, StorePath};
use serde::Deserialize;

use super::{EarlierLayer, Error};
use crate::image::PathRecord;

const COMMENT: &str = "store paths: ";
const MAKER: &str = "closure2img";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    rootfs: Option<RootFs>,
    history: Option<Vec<Entry>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RootFs {
    diff_ids: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    created_by: Option<String>,
    comment: Option<String>,
    empty_layer: Option<bool>,
}

/// What a configuration says.
pub(crate) struct History {
    /// The store of all paths, if there are any.
    pub(crate) store_dir: Option<StoreDir>,
    /// The layers, bottom first; `None` if this is no configuration of an image.
    pub(crate) layers: Option<Vec<EarlierLayer>>,
}

/// Reads the layers from a configuration.
pub(crate) fn parse(bytes: &[u8], name: &str, document: &str) -> Result<History, Error> {
    let configuration: Configuration = serde_json::from_slice(bytes)
        .map_err(|source| Error::Json { name: name.into(), document: document.into(), source })?;
    let Some(diff_ids) = configuration.rootfs.and_then(|rootfs| rootfs.diff_ids) else {
        return Ok(History { store_dir: None, layers: None });
    };
    // What has another digest than SHA-256 is not ours, and not wrong either.
    let mut layers: Vec<EarlierLayer> = diff_ids
        .iter()
        .map(|text| EarlierLayer { diff_id: text.parse().ok(), ..EarlierLayer::default() })
        .collect();
    let mut history = configuration.history.unwrap_or_default();
    history.retain(|entry| entry.empty_layer != Some(true));
    let mut names = Names::new(name);
    // Histories are optional and may lack entries: then nobody knows whose the others are.
    if history.len() == layers.len() {
        // Ours first, as they say which store it is.
        let base = history.iter().rev().find_map(Entry::base).unwrap_or(0).min(layers.len());
        let (below, ours) = layers.split_at_mut(base);
        let own = history.split_off(base);
        for (index, (layer, entry)) in ours.iter_mut().zip(own).enumerate() {
            let place = |at: usize| format!("layer {}, path {}", base + index + 1, at + 1);
            entry.read(layer, &mut names, place)?;
        }
        let mut seen: BTreeSet<StorePath> =
            ours.iter().flat_map(|layer| layer.paths.iter().cloned()).collect();
        for (layer, entry) in below.iter_mut().zip(history).rev() {
            entry.read_theirs(layer, &mut names);
            // What is on top is what a container sees.
            layer.paths.retain(|path| seen.insert(path.clone()));
        }
    }
    Ok(History { store_dir: names.store_dir, layers: Some(layers) })
}

impl Entry {
    /// What is behind the maker's name, if that is us.
    fn by_us(&self) -> Option<&str> {
        let rest = self.created_by.as_deref()?.strip_prefix(MAKER)?;
        (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
    }

    /// How many layers of another image are below, if this says so.
    fn base(&self) -> Option<usize> {
        let mut words = self.by_us()?.split_ascii_whitespace();
        words.find_map(|word| word.strip_prefix("base="))?.parse().ok()
    }

    fn read(
        &self,
        layer: &mut EarlierLayer,
        names: &mut Names<'_>,
        place: impl Fn(usize) -> String,
    ) -> Result<(), Error> {
        let Some(words) = self.by_us() else {
            self.read_theirs(layer, names);
            return Ok(());
        };
        let Some(list) = self.list() else { return Ok(()) };
        let paths: Vec<String> = serde_json::from_str(list).map_err(|source| Error::Json {
            name: names.name.into(),
            document: "the list of store paths in the history".into(),
            source,
        })?;
        layer.paths = names.paths(&paths, place)?;
        // Later versions may say more.
        for word in words.split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("nar-size", size)) => layer.nar_size = size.parse().ok(),
                Some(("recipe", recipe)) => layer.recipe = Some(recipe.into()),
                Some(("machine", machine)) => layer.machines.push(machine.into()),
                Some(("paths", records)) => layer.records = read_records(records, paths.len()),
                Some(_) => {}
                None => layer.key = layer.key.or_else(|| word.parse().ok()),
            }
        }
        Ok(())
    }

    /// Reads what others write. That may be anything: what cannot be read is not ours to judge.
    fn read_theirs(&self, layer: &mut EarlierLayer, names: &mut Names<'_>) {
        let Some(list) = self.list() else { return };
        // No name in a store has quotes, so that a list of Python's is nearly JSON.
        let paths: Vec<String> =
            serde_json::from_str(&list.replace('\'', "\"")).unwrap_or_default();
        let mut theirs = Names { name: names.name, store_dir: names.store_dir.clone() };
        if let Ok(read) = theirs.paths(&paths, |_| String::new()) {
            names.store_dir = theirs.store_dir;
            layer.paths = read;
        }
    }

    fn list(&self) -> Option<&str> {
        self.comment.as_deref()?.strip_prefix(COMMENT)
    }
}

/// The records of so many paths. What is not to be understood may be of a later version.
fn read_records(text: &str, count: usize) -> Vec<PathRecord> {
    let records: Result<Vec<PathRecord>, _> = text.split(',').map(str::parse).collect();
    records.ok().filter(|records| records.len() == count).unwrap_or_default()
}

/// Parses the full store paths of one image or plan, which must agree on the store.
pub(super) struct Names<'a> {
    name: &'a str,
    /// The store of the paths so far.
    pub(super) store_dir: Option<StoreDir>,
}

/// How much of a wrong path goes into an error.
const SHOWN: usize = 200;

impl<'a> Names<'a> {
    pub(super) fn new(name: &'a str) -> Self {
        Self { name, store_dir: None }
    }

    /// The paths; `place` tells where the one with this number stands.
    pub(super) fn paths(
        &mut self,
        texts: &[String],
        place: impl Fn(usize) -> String,
    ) -> Result<Vec<StorePath>, Error> {
        let mut paths = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            paths.push(self.path(text).map_err(|expected| Error::Unexpected {
                name: self.name.into(),
                place: place(at),
                got: format!("`{}`", text.chars().take(SHOWN).collect::<String>()),
                expected,
            })?);
        }
        Ok(paths)
    }

    /// The path, or what was expected in its place.
    fn path(&mut self, text: &str) -> Result<StorePath, String> {
        let none = |error: &dyn std::fmt::Display| format!("a store path: {error}");
        let (dir, base) =
            text.rsplit_once('/').ok_or_else(|| "a store path with its store".to_owned())?;
        let path = base.parse().map_err(|error| none(&error))?;
        match &self.store_dir {
            Some(known) if known.as_str() == dir => {}
            Some(known) => return Err(format!("a path in `{known}`, as those before")),
            None => {
                // A directory with more slashes at its end would come out as another text.
                let store: StoreDir = dir.parse().map_err(|error| none(&error))?;
                if store.as_str() != dir {
                    return Err("a store path without `//`".into());
                }
                self.store_dir = Some(store);
            }
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn path(name: &str) -> String {
        format!("/nix/store/{:0>32}-{name}", 1)
    }

    fn layers(history: &Value, count: usize) -> Result<History, Error> {
        let config = json!({"rootfs": {"diff_ids": vec![ID; count]}, "history": history});
        parse(config.to_string().as_bytes(), "image", "config")
    }

    fn ours(names: &[&str]) -> Value {
        let paths: Vec<String> = names.iter().map(|name| path(name)).collect();
        json!({
            "created_by": format!("closure2img {ID}"),
            "comment": format!("store paths: {}", Value::from(paths)),
        })
    }

    #[test]
    fn entries_are_paired_with_layers() {
        let root = json!({"created_by": "closure2img", "comment": "files outside the store"});
        let history = json!([ours(&["a"]), {"empty_layer": true}, ours(&["b", "c"]), root]);
        let History { store_dir, layers } = layers(&history, 3).unwrap();
        let layers = layers.unwrap();
        assert_eq!(store_dir.unwrap().as_str(), "/nix/store");
        assert_eq!(layers.iter().map(|layer| layer.paths.len()).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(layers[0].key, ID.parse().ok());
        assert_eq!(layers[2].key, None);
        assert!(layers.iter().all(|layer| layer.diff_id.is_some()));
    }

    #[test]
    fn what_a_layer_was_made_of_and_how_is_told() {
        let mut entry = ours(&["a"]);
        entry["created_by"] =
            format!("closure2img {ID} nar-size=7 recipe=gzip:6/2 machine=386 machine=amd64 new=1")
                .into();
        let read = layers(&json!([entry]), 1).unwrap().layers.unwrap();
        assert_eq!((read[0].nar_size, read[0].recipe.as_deref()), (Some(7), Some("gzip:6/2")));
        assert_eq!(read[0].machines, ["386", "amd64"]);
    }

    #[test]
    fn an_image_without_a_plan_is_no_error() {
        for history in [
            Value::Null,
            json!([ours(&["a"])]),
            json!([{"created_by": "RUN make"}, {}]),
            json!([{"comment": "store paths: ['not a path']"}, {"comment": "store paths: x"}]),
        ] {
            let read = layers(&history, 2).unwrap();
            assert!(read.store_dir.is_none(), "{history}");
            assert_eq!(read.layers.unwrap().len(), 2);
        }
        assert!(parse(b"{}", "image", "config").unwrap().layers.is_none());
    }

    #[test]
    fn dockertools_writes_a_list_as_python_does() {
        let comment = format!("store paths: ['{}', '{}']", path("a"), path("b"));
        let read = layers(&json!([{"created_by": "", "comment": comment}]), 1).unwrap();
        let layer = &read.layers.unwrap()[0];
        assert_eq!((layer.paths.len(), layer.key), (2, None));
    }

    #[test]
    fn layers_of_an_image_underneath_are_no_part_of_the_plan() {
        // The one underneath is ours as well, and even has a path that is on top of it again.
        let on_top = |names: &[&str], base: usize| {
            let mut entry = ours(names);
            entry["created_by"] = format!("closure2img {ID} nar-size=7 base={base}").into();
            entry
        };
        let history = json!([{"empty_layer": true}, on_top(&["x"], 9), ours(&["a", "b"]),
            {"created_by": "RUN", "empty_layer": true}, on_top(&["b", "c"], 2)]);
        let layers = layers(&history, 3).unwrap().layers.unwrap();
        let names = |layer: &EarlierLayer| {
            layer.paths.iter().map(|path| path.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            layers.iter().map(names).collect::<Vec<_>>(),
            [vec!["x"], vec!["a"], vec!["b", "c"]]
        );
        let keys: Vec<bool> = layers.iter().map(|layer| layer.key.is_some()).collect();
        assert_eq!(keys, [false, false, true]);
        assert_eq!(layers[2].nar_size, Some(7));
        // More than there are is nonsense, and costs the plan alone.
        let read = super::tests::layers(&json!([on_top(&["a"], 99)]), 1).unwrap();
        assert_eq!(read.layers.unwrap()[0].key, None);
    }

    #[test]
    fn a_list_of_ours_must_be_right() {
        let entry = |comment: &str| json!([{"created_by": "closure2img", "comment": comment}]);
        for comment in ["store paths: [", "store paths: [\"/nix/store/x\"]", "store paths: [1]"] {
            assert!(layers(&entry(comment), 1).is_err(), "{comment}");
        }
    }
}
