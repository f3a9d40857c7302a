//! `closure2img diff`: what is different between two images or plans, and what it costs to pull.

use std::io::Write;

use clap::Args;
use closure2img::diff::{By, Bytes, Diff, Paths, Versioned, diff};
use closure2img::earlier::{Earlier, Kind};
use closure2img::image::Machine;
use closure2img::progress::human;
use layering::{StoreDir, StorePath};
use serde_json::{Value, json};

use super::display::table;
use super::earlier::{in_registry, read};
use super::registry_args::RegistryArgs;

#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// Image archive, layout, plan (of `plan --json`), or image in a registry
    #[arg(value_name = "OLD")]
    old: String,

    /// What it is compared with
    #[arg(value_name = "NEW")]
    new: String,

    /// Machine whose image is meant where there are several [default: this one]
    #[arg(long, value_name = "ARCH")]
    arch: Option<Machine>,

    #[command(flatten)]
    registry: RegistryArgs,

    /// Print the differences as JSON; docs/diff.md has its fields
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DiffArgs) -> anyhow::Result<()> {
    let machine = args.arch.clone().unwrap_or_else(Machine::host);
    let named = [&args.old, &args.new].map(|text| in_registry(text));
    let registries = args.registry.registries(named.iter().flatten())?;
    let old = read(&args.old, &registries, &machine)?;
    let new = read(&args.new, &registries, &machine)?;
    let found = diff(&old, &new)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", to_json(&found, &old, &new))?;
        return Ok(out.flush()?);
    }
    if let Some(paths) = &found.paths {
        drop(out);
        show_paths(paths)?;
        out = std::io::stdout().lock();
        writeln!(
            out,
            "paths   {} changed, {} added, {} removed, {} the same",
            paths.changed.len(),
            paths.added.len(),
            paths.removed.len(),
            paths.same
        )?;
    } else {
        writeln!(out, "paths   unknown: not both images say which store paths they have")?;
    }
    let layers = &found.layers;
    let shared = layers.shared.iter().filter(|shared| **shared).count();
    writeln!(
        out,
        "layers  {shared} shared, {} new, {} gone, by {}",
        layers.shared.len() - shared,
        layers.dropped,
        match layers.by {
            By::Digest => "digest",
            By::Paths => "their paths",
        }
    )?;
    let pull = match (layers.pull, layers.total) {
        (Bytes::Blobs(pull), Bytes::Blobs(all)) => {
            format!("{} of {} as sent", human(pull), human(all))
        }
        (Bytes::Nars(pull), Bytes::Nars(all)) => {
            format!("{} of {} uncompressed", human(pull), human(all))
        }
        (Bytes::Blobs(pull), _) => format!("{} as sent", human(pull)),
        (Bytes::Nars(pull), _) => format!("{} uncompressed", human(pull)),
        (Bytes::Unknown, _) => "unknown: neither digests nor sizes are written there".into(),
    };
    writeln!(out, "pull    {pull}")?;
    Ok(out.flush()?)
}

/// Versions first, since they are what one looks for; then what came, went, and was rebuilt.
fn show_paths(paths: &Paths) -> std::io::Result<()> {
    let mut rows = vec![["", "name", "old", "new"].map(String::from)];
    let is_rebuilt = |old: &StorePath, new: &StorePath| old.named().version == new.named().version;
    let row = |sign: &str, old: Option<&StorePath>, new: Option<&StorePath>| {
        let package = old.or(new).map(|path| path.named().package()).unwrap_or_default();
        let version = |path: Option<&StorePath>| match path.map(Versioned::named) {
            Some(named) => named.version.unwrap_or("-").to_owned(),
            None => String::new(),
        };
        [sign.into(), package, version(old), version(new)]
    };
    for (old, new) in paths.changed.iter().filter(|(old, new)| !is_rebuilt(old, new)) {
        rows.push(row("~", Some(old), Some(new)));
    }
    rows.extend(paths.added.iter().map(|path| row("+", None, Some(path))));
    rows.extend(paths.removed.iter().map(|path| row("-", Some(path), None)));
    for (old, new) in paths.changed.iter().filter(|(old, new)| is_rebuilt(old, new)) {
        let [sign, package, before, _] = row("~", Some(old), Some(new));
        rows.push([sign, package, before, "rebuilt".into()]);
    }
    if rows.len() == 1 {
        return Ok(());
    }
    table([false; 4], &rows)?;
    writeln!(std::io::stdout())
}

fn to_json(found: &Diff, old: &Earlier, new: &Earlier) -> Value {
    let side = |it: &Earlier| {
        let kind = match it.kind {
            Kind::Plan => "plan",
            Kind::Image => "image",
        };
        json!({"name": it.name, "kind": kind, "layers": it.layers.len()})
    };
    let of = |it: &Earlier| {
        let dir = it.store_dir.clone().unwrap_or_default();
        move |path: &StorePath| described(&dir, path)
    };
    let (before, after) = (of(old), of(new));
    let list = |paths: &[StorePath], describe: &dyn Fn(&StorePath) -> Value| {
        paths.iter().map(describe).collect::<Vec<_>>()
    };
    let paths = found.paths.as_ref().map(|paths| {
        let changed = paths.changed.iter().map(|(old, new)| {
            json!({"name": new.named().package(), "old": before(old), "new": after(new)})
        });
        json!({
            "changed": changed.collect::<Vec<_>>(),
            "added": list(&paths.added, &after),
            "removed": list(&paths.removed, &before),
            "same": paths.same,
        })
    });
    let layers = new.layers.iter().zip(&found.layers.shared).map(|(layer, shared)| {
        let blob = layer.blob.as_ref();
        json!({
            "shared": shared,
            "paths": layer.paths.len(),
            "diff_id": layer.diff_id.map(|digest| digest.to_string()),
            "digest": blob.map(|blob| blob.digest.to_string()),
            "size": blob.map(|blob| blob.size),
            "nar_size": layer.nar_size,
        })
    });
    json!({
        "version": 1,
        "old": side(old),
        "new": side(new),
        "paths": paths,
        "layers": layers.collect::<Vec<_>>(),
        "layers_by": match found.layers.by { By::Digest => "digest", By::Paths => "paths" },
        "layers_gone": found.layers.dropped,
        "pull": bytes(found.layers.pull),
        "total": bytes(found.layers.total),
    })
}

fn bytes(bytes: Bytes) -> Value {
    match bytes {
        Bytes::Blobs(bytes) => json!({"bytes": bytes, "of": "blobs"}),
        Bytes::Nars(bytes) => json!({"bytes": bytes, "of": "nars"}),
        Bytes::Unknown => Value::Null,
    }
}

fn described(dir: &StoreDir, path: &StorePath) -> Value {
    let named = path.named();
    json!({
        "path": dir.join(path),
        "name": named.stem,
        "version": named.version,
        "output": named.output,
    })
}
