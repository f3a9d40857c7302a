//! What `inspect --json` prints; docs/inspect.md has it for readers.

use closure2img::copy::Attached;
use closure2img::inspect::{
    Copies, DeadWeight, Description, FileDescription, From, Image, LayerDescription, Oci,
    References,
};
use layering::{StoreDir, StorePath};
use serde_json::{Value, json};

/// All that is known of an image; its files only if they are asked for.
pub(super) fn image(image: &Image, described: &Description, with_files: bool) -> Value {
    let dir = image.store_dir().cloned().unwrap_or_default();
    let layers: Vec<Value> = described.layers.iter().map(|it| layer(&dir, it)).collect();
    let mut value = json!({
        "version": 1,
        "image": image.name,
        "format": image.format.name(),
        "layers": layers,
        "size": described.layers.iter().map(|layer| layer.size).sum::<u64>(),
        "store_dir": image.store_dir().map(ToString::to_string),
        "references": described.references.as_ref().map(|it| references(&dir, it)),
        "dead_weight": described.dead_weight.as_ref().map(|it| dead_weight(&dir, it)),
    });
    if let Some(oci) = &image.oci {
        value["oci"] = documents(oci);
        let attached = image.attached().ok();
        value["oci"]["attached"] =
            attached.map(|all| all.iter().map(one_attached).collect()).unwrap_or_default();
    }
    if with_files {
        let files = described.files.iter().flatten();
        value["files"] = files.map(file).collect();
    }
    value
}

fn documents(oci: &Oci) -> Value {
    let platforms: Vec<Value> = oci
        .platforms
        .iter()
        .map(|(platform, digest)| {
            json!({"platform": platform.to_string(), "manifest": digest.to_string()})
        })
        .collect();
    json!({
        "digest": oci.root.digest.to_string(),
        "manifest": oci.manifest.digest.to_string(),
        "media_type": oci.manifest.media_type,
        "config_digest": oci.config.digest.to_string(),
        "platform": oci.platform.to_string(),
        "platforms": platforms,
        "created": oci.created,
        "config": oci.run,
        "annotations": oci.annotations,
    })
}

fn one_attached(attached: &Attached) -> Value {
    let Attached { digest, kind, by } = attached;
    json!({"digest": digest.to_string(), "kind": kind, "by": by})
}

fn layer(dir: &StoreDir, layer: &LayerDescription) -> Value {
    let paths: Vec<Value> = layer
        .paths
        .iter()
        .map(|path| {
            let biggest =
                path.biggest.iter().map(|(inner, size)| json!({"path": text(inner), "size": size}));
            json!({
                "path": dir.join(&path.path),
                "nar_size": path.nar_size,
                "size": path.size,
                "files": path.size.map(|_| path.files),
                "biggest": biggest.collect::<Vec<_>>(),
            })
        })
        .collect();
    let read = layer.read.as_ref();
    json!({
        "digest": layer.digest.map(|it| it.to_string()),
        "diff_id": layer.diff_id.map(|it| it.to_string()),
        "media_type": layer.media_type,
        "size": layer.size,
        "compression": read.map(|read| read.packing.name()),
        "unpacked": read.map(|read| read.unpacked),
        "entries": read.map(|read| read.entries),
        "outside_store": read.map(|read| read.outside),
        "whiteouts": read.map(|read| read.whiteouts),
        "key": layer.key.as_ref().map(|(key, _)| key.to_string()),
        "recipe": layer.key.as_ref().and_then(|(_, recipe)| recipe.clone()),
        "machines": layer.machines,
        "paths": paths,
    })
}

fn references(dir: &StoreDir, references: &References) -> Value {
    let of = references.of.iter().map(|(path, of)| {
        let of: Vec<String> = of.iter().map(|it| dir.join(it)).collect();
        (dir.join(path), json!(of))
    });
    json!({
        "from": match references.from { From::Image => "image", From::Bytes => "files" },
        "roots": references.roots.iter().map(|it| dir.join(it)).collect::<Vec<_>>(),
        "of": of.collect::<serde_json::Map<_, _>>(),
    })
}

fn dead_weight(dir: &StoreDir, dead: &DeadWeight) -> Value {
    let [paths, hidden, copies] = dead.sums();
    json!({
        "bytes": {"paths": paths, "hidden": hidden, "duplicates": copies},
        "paths": dead.paths.iter().map(|(path, size)| json!({"path": dir.join(path), "size": size})).collect::<Vec<_>>(),
        "hidden": dead.hidden.iter().map(|(path, size, layer, by)| {
            json!({"path": text(path), "size": size, "layer": layer, "hidden_by": by})
        }).collect::<Vec<_>>(),
        "duplicates": dead.duplicates.iter().map(|Copies { size, files }| {
            let files: Vec<Value> = files.iter().map(|(layer, path)| json!({"path": text(path), "layer": layer})).collect();
            json!({"size": size, "files": files})
        }).collect::<Vec<_>>(),
    })
}

fn file(file: &FileDescription) -> Value {
    json!({
        "path": text(&file.path),
        "kind": file.kind,
        "size": file.size,
        "target": file.target.as_ref().map(|target| String::from_utf8_lossy(target).into_owned()),
        "layer": file.layer,
    })
}

/// Who brings a path, and why.
pub(super) fn why(
    image: &Image,
    references: &References,
    paths: &[(usize, &StorePath, &LayerDescription)],
    found: Option<&FileDescription>,
) -> Value {
    let dir = image.store_dir().cloned().unwrap_or_default();
    let all = |paths: &[StorePath]| paths.iter().map(|it| dir.join(it)).collect::<Vec<_>>();
    let paths: Vec<Value> = paths
        .iter()
        .map(|(layer, path, _)| {
            let referrers: Vec<StorePath> =
                references.referrers(path).into_iter().cloned().collect();
            json!({
                "path": dir.join(path),
                "layer": layer,
                "why": references.why(path).map(|chain| all(&chain)),
                "referrers": all(&referrers),
            })
        })
        .collect();
    json!({"version": 1, "image": image.name, "paths": paths, "file": found.map(file)})
}

/// Names that are not UTF-8 are told with marks in place of what is not.
fn text(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}
