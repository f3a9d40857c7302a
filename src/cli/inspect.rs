//! `closure2img inspect`: what an image is and has.

use std::io::Write;

use anyhow::Context;
use clap::Args;
use closure2img::copy::Attached;
use closure2img::inspect::{self, Copies, Description, From, Image, LayerDescription, References};
use closure2img::progress::{counted, human};
use layering::StorePath;
use serde_json::{Map, Value};

use super::display::{aligned, plain, table};
use super::image_args::{ImageArgs, shown};
use super::inspect_json;

/// How many store paths, files or copies a list shows that has more.
const SHOWN: usize = 10;

#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    image: ImageArgs,

    /// List all files that a container would see, with their layers; of an image in a registry, this
    /// reads its layers
    #[arg(long)]
    files: bool,

    /// Show which layer brings a store path or file, and why it is there; PATH is its full name, or
    /// for a store path HASH-NAME or NAME
    #[arg(long, value_name = "PATH", conflicts_with = "files")]
    path: Option<String>,

    /// Print everything as JSON; docs/inspect.md has its fields
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<()> {
    let image = args.image.open()?;
    // Layers that are far away are read only if there is no other way.
    let mut with_files = args.files || image.is_local();
    let mut described = inspect::describe(&image, with_files, args.image.threads())?;
    if let Some(wanted) = &args.path {
        let is_known = |described: &Description| !found(&image, described, wanted).is_empty();
        if !with_files && (described.references.is_none() || !is_known(&described)) {
            with_files = true;
            described = inspect::describe(&image, with_files, args.image.threads())?;
        }
        return why(args, &image, &described, wanted);
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let mut told = inspect_json::image(&image, &described, args.files);
        let mut facts = inspect::facts(&image, &described)?;
        if !facts.is_empty() {
            let signature = inspect::signature(&image, None).map(|it| it.json());
            facts.insert("signature".into(), signature.into());
            told["facts"] = facts.into();
        }
        writeln!(out, "{told}")?;
        return Ok(out.flush()?);
    }
    if args.files {
        for file in described.files.iter().flatten() {
            let size = file.size.map(|size| size.to_string()).unwrap_or_default();
            let target = file.target.as_ref().map(|target| {
                let text = shown(target);
                format!(" -> {}", text.strip_prefix('/').unwrap_or(&text))
            });
            let (layer, kind, path) = (file.layer + 1, file.kind, shown(&file.path));
            writeln!(out, "{layer:>3} {kind:<9} {size:>12} {path}{}", target.unwrap_or_default())?;
        }
        return Ok(out.flush()?);
    }
    out.write_all(head(&image, &described, &inspect::facts(&image, &described)?).as_bytes())?;
    drop(out);
    layers(&described)?;
    paths(&image, &described)?;
    dead_weight(&image, &described)
}

/// What it is: one fact a line.
fn head(image: &Image, described: &Description, facts: &Map<String, Value>) -> String {
    let mut rows = vec![[image.format.name().to_owned(), image.name.clone()]];
    let mut say = |what: &str, text: String| rows.push([what.to_owned(), plain(&text)]);
    if let Some(oci) = &image.oci {
        say("platform", oci.platform.to_string());
        if oci.platforms.len() > 1 {
            let all: Vec<String> = oci.platforms.iter().map(|(it, _)| it.to_string()).collect();
            say("of", all.join(", "));
        }
        say("digest", oci.root.digest.to_string());
        if oci.manifest.digest != oci.root.digest {
            say("manifest", oci.manifest.digest.to_string());
        }
        say("image ID", oci.config.digest.to_string());
        if let Some(created) = &oci.created {
            say("created", created.clone());
        }
        let keys = ["Entrypoint", "Cmd", "User", "WorkingDir", "Env", "ExposedPorts", "Volumes"];
        let more = oci.run.keys().map(String::as_str).filter(|key| !keys.contains(key));
        for key in keys.into_iter().chain(more) {
            match oci.run.get(key) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) if text.is_empty() => {}
                Some(Value::String(text)) => say(key, text.clone()),
                Some(value) => say(key, value.to_string()),
            }
        }
        for (key, value) in &oci.annotations {
            say("annotation", format!("{key}={value}"));
        }
        match image.attached() {
            Ok(all) => {
                for Attached { digest, kind, by } in all {
                    say("attached", format!("{kind}, {digest} (by {by})"));
                }
            }
            // Who may pull need not be let in there.
            Err(error) => say("attached", format!("not known: {error}")),
        }
    }
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_null()) {
        say(&name.replace('_', " "), value.as_str().map_or_else(|| value.to_string(), Into::into));
    }
    if !facts.is_empty() {
        let signature = inspect::signature(image, None);
        say("signature", signature.map_or_else(|| "none".into(), |it| it.text()));
    }
    let packed: u64 = described.layers.iter().map(|layer| layer.size).sum();
    let read: Option<u64> =
        described.layers.iter().map(|layer| Some(layer.read.as_ref()?.unpacked)).sum();
    let count = counted(described.layers.len(), "layer");
    match read {
        Some(unpacked) => {
            let ratio = ratio(packed, unpacked);
            say(
                "size",
                format!("{} in {count}, {} unpacked ({ratio})", human(packed), human(unpacked)),
            );
        }
        None => say("size", format!("{} in {count}", human(packed))),
    }
    aligned([false; 2], &rows)
}

/// How many times smaller, to the tenth.
fn ratio(packed: u64, unpacked: u64) -> String {
    let tenths = unpacked.saturating_mul(10) / packed.max(1);
    format!("{}.{}x", tenths / 10, tenths % 10)
}

fn layers(described: &Description) -> anyhow::Result<()> {
    let mut rows = vec![
        ["layer", "size", "unpacked", "ratio", "entries", "paths", "digest", "made by"]
            .map(String::from),
    ];
    for (at, layer) in described.layers.iter().enumerate() {
        let read = layer.read.as_ref();
        let text = |value: Option<String>| value.unwrap_or_else(|| "?".into());
        let digest = layer.digest.map(|digest| digest.to_string()).unwrap_or_default();
        let maker = match &layer.key {
            Some((_, Some(recipe))) => format!("closure2img, {recipe}"),
            Some((_, None)) => "closure2img".into(),
            None => String::new(),
        };
        rows.push([
            (at + 1).to_string(),
            human(layer.size),
            text(read.map(|read| human(read.unpacked))),
            text(read.map(|read| ratio(layer.size, read.unpacked))),
            text(read.map(|read| read.entries.to_string())),
            layer.paths.len().to_string(),
            digest.chars().take("sha256:".len() + 12).collect(),
            maker,
        ]);
    }
    writeln!(std::io::stdout())?;
    Ok(table([true, true, true, true, true, true, false, false], &rows)?)
}

/// The largest store paths, each with its largest files.
fn paths(image: &Image, described: &Description) -> anyhow::Result<()> {
    let mut all: Vec<_> = described
        .layers
        .iter()
        .enumerate()
        .flat_map(|(at, layer)| layer.paths.iter().map(move |path| (at, path)))
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    let size = |path: &inspect::PathDescription| path.size.or(path.nar_size).unwrap_or(0);
    all.sort_by(|(_, a), (_, b)| size(b).cmp(&size(a)).then_with(|| a.path.cmp(&b.path)));
    let mut out = std::io::stdout().lock();
    let count = counted(all.len(), "store path");
    let sum: u64 = all.iter().map(|(_, path)| size(path)).sum();
    let dir = image.store_dir().map(|dir| format!(" in {dir}")).unwrap_or_default();
    writeln!(out, "\n{count}{dir}, {}; the largest:", human(sum))?;
    let mut rows = Vec::new();
    for (at, path) in all.iter().take(SHOWN) {
        let biggest = path.biggest.iter().map(|(inner, size)| {
            let name = shown(inner);
            format!("{} {}", name.strip_prefix('/').unwrap_or(&name), human(*size))
        });
        let biggest: Vec<String> = biggest.collect();
        rows.push([
            human(size(path)),
            (at + 1).to_string(),
            path.path.to_string(),
            biggest.join(", "),
        ]);
    }
    out.write_all(aligned([true, true, false, false], &rows).as_bytes())?;
    if all.len() > SHOWN {
        writeln!(out, "and {} more (`--json` has all)", all.len() - SHOWN)?;
    }
    Ok(out.flush()?)
}

fn dead_weight(image: &Image, described: &Description) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let Some(dead) = &described.dead_weight else {
        if !image.is_local() {
            writeln!(out, "\nfiles were not read: `--files` reads the layers")?;
        }
        return Ok(());
    };
    let [paths, hidden, copies] = dead.sums();
    if paths + hidden + copies == 0 && dead.paths.is_empty() {
        writeln!(out, "\nno dead weight")?;
        return Ok(());
    }
    writeln!(out, "\ndead weight")?;
    if !dead.paths.is_empty() {
        writeln!(
            out,
            "  {} in {} that nothing refers to",
            human(paths),
            counted(dead.paths.len(), "store path")
        )?;
        for (path, size) in dead.paths.iter().take(SHOWN) {
            writeln!(out, "    {:>9}  {path}", human(*size))?;
        }
    }
    if !dead.hidden.is_empty() {
        writeln!(
            out,
            "  {} in {} that layers above hide or remove",
            human(hidden),
            counted(dead.hidden.len(), "file")
        )?;
        for (path, size, layer, by) in dead.hidden.iter().take(SHOWN) {
            let name = shown(path);
            writeln!(
                out,
                "    {:>9}  {name} (layer {}, gone in {})",
                human(*size),
                layer + 1,
                by + 1
            )?;
        }
    }
    if !dead.duplicates.is_empty() {
        writeln!(out, "  {} in copies of files", human(copies))?;
        for Copies { size, files } in dead.duplicates.iter().take(SHOWN) {
            let (first, rest) = (shown(&files[0].1), files.len() - 1);
            writeln!(
                out,
                "    {:>9}  {first} and {}",
                human(*size),
                counted(rest, "more").replace("mores", "more")
            )?;
        }
    }
    Ok(out.flush()?)
}

/// Store paths that `wanted` may mean, with their layers.
fn found<'a>(
    image: &Image,
    described: &'a Description,
    wanted: &str,
) -> Vec<(usize, &'a StorePath, &'a LayerDescription)> {
    let base = match image.store_dir() {
        Some(dir) => wanted.strip_prefix(dir.as_str()).unwrap_or(wanted),
        None => wanted.rsplit_once("/store/").map_or(wanted, |(_, base)| base),
    };
    let base = base.trim_start_matches('/').split('/').next().unwrap_or_default();
    let layers = described.layers.iter().enumerate();
    let all =
        layers.flat_map(|(at, layer)| layer.paths.iter().map(move |it| (at, &it.path, layer)));
    all.filter(|(_, path, _)| {
        path.as_str() == base || path.name() == wanted || path.stem() == wanted
    })
    .collect()
}

fn why(
    args: &InspectArgs,
    image: &Image,
    described: &Description,
    wanted: &str,
) -> anyhow::Result<()> {
    let paths = found(image, described, wanted);
    let name = wanted.trim_start_matches('/').as_bytes();
    let file = described.files.iter().flatten().find(|file| file.path == name);
    if paths.is_empty() && file.is_none() {
        let hint = "`closure2img inspect --files` lists what it has";
        return Err(super::report::NotThere { hint })
            .with_context(|| format!("`{}` has no `{wanted}`", image.name));
    }
    let none = References::default();
    let references = described.references.as_ref().unwrap_or(&none);
    let mut out = std::io::stdout().lock();
    if args.json {
        let found = inspect_json::why(image, references, &paths, file);
        writeln!(out, "{found}")?;
        return Ok(out.flush()?);
    }
    if let Some(file) = file {
        let size = file.size.map(|size| format!(", {}", human(size))).unwrap_or_default();
        writeln!(out, "{} {}: layer {}{size}", file.kind, shown(&file.path), file.layer + 1)?;
        if let Some(target) = &file.target {
            writeln!(out, "  leads to {}", String::from_utf8_lossy(target).escape_debug())?;
        }
    }
    for (layer, path, _) in paths {
        writeln!(out, "store path {path}: layer {}", layer + 1)?;
        match references.why(path) {
            Some(chain) if chain.len() == 1 => writeln!(out, "  the image is for it")?,
            Some(chain) => {
                for (depth, step) in chain.iter().enumerate() {
                    let arrow = if depth > 0 { "└─ " } else { "" };
                    writeln!(out, "  {}{arrow}{step}", "   ".repeat(depth.saturating_sub(1)))?;
                }
            }
            None => writeln!(out, "  nothing that the image is for needs it")?,
        }
        let referrers = references.referrers(path);
        if !referrers.is_empty() {
            let some: Vec<String> = referrers.iter().take(SHOWN).map(ToString::to_string).collect();
            let more = referrers.len() - some.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            writeln!(out, "  referred to by {}{more}", some.join(", "))?;
        }
    }
    if references.from == From::Bytes {
        writeln!(out, "(the image does not say what refers to what: it was found in its files)")?;
    }
    Ok(out.flush()?)
}
