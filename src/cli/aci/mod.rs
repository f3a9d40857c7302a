//! `closure2img aci`: App Container Images from the closures of roots.

mod args;
mod meaning;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use closure2img::aci::{self, How, Layer, Made, Manifest, Order, Place, Site};
use closure2img::gpg::Key;
use closure2img::image::{LayerOptions, Whiteouts};
use closure2img::output::{OutputError, parent};
use closure2img::progress::{Event, Progress, counted, human};
use serde_json::{Value, json};

pub(crate) use args::AciArgs;

use super::display::total;
use super::report::Usage;

/// Where images go.
enum Target {
    Stdout,
    File(PathBuf),
    Site(Site),
}

/// Makes the image, or several, and tells by what the last is known.
pub(crate) fn run(args: &AciArgs) -> anyhow::Result<()> {
    let target = args.target()?;
    // Before any work.
    let key = args.sign.as_deref().map(Key::find).transpose()?;
    let progress = args.closure.progress();
    let progress = &*progress;
    let mut closure = args.closure.closure(false, progress)?;
    closure.fill(false, args.closure.threads())?;
    let nar_size = total(closure.paths.iter().map(|info| info.nar_size));
    progress.report(Event::Closure { paths: closure.paths.len(), nar_size });
    let (store_dir, real_dir) = (closure.store_dir().clone(), closure.store.real_dir().to_owned());
    let mut order = args.order(closure, progress)?;
    if !args.thin {
        tell_hidden(&order.manifest, store_dir.as_str(), progress);
    }
    let mounts = args.thin.then(|| order.thin(&store_dir, &real_dir));
    let how = How {
        compression: args.compress,
        options: LayerOptions {
            // Layers' own; the compression of the file is `How`'s.
            compression: closure2img::image::Compression::None,
            whiteouts: Whiteouts::Keep,
            dedup: !args.no_dedup,
            verify: args.verify,
            threads: args.closure.threads(),
        },
        sign: key.as_ref(),
    };
    let path = target.path(&order.manifest)?;
    let manifest = order.manifest.clone();
    let (layers, top) = make(args, order, how, &target, path.as_deref(), progress)?;
    let id = top.id.to_string();
    let described = described(&manifest, &layers, &top, path.as_deref());
    let summary = path.as_deref().map(|path| summary(&layers, &top, path));
    commit(how, &target, &manifest, layers, top, path.as_deref(), mounts)?;
    if let Some(text) = &summary {
        progress.report(Event::Made { text });
    }
    if let Some(file) = &args.id_file {
        aci::write_file(file, format!("{id}\n").as_bytes())?;
    }
    match (&target, args.json) {
        (Target::Stdout, _) => progress.report(Event::Made { text: &id }),
        (_, true) => writeln!(io::stdout().lock(), "{described}")?,
        (_, false) => writeln!(io::stdout().lock(), "{id}")?,
    }
    Ok(())
}

impl AciArgs {
    /// Where images go, after what no single flag can know was checked.
    fn target(&self) -> anyhow::Result<Target> {
        if let Some(dir) = &self.discovery_dir {
            let site = Site::new(dir, self.discovery_url.as_deref());
            let hint = "write it as `--discovery-url https://example.com/images`";
            return Ok(Target::Site(site.map_err(|error| Usage::new(error.to_string(), hint))?));
        }
        let Some(path) = &self.output else {
            let hint = "write a file with `-o app.aci`, or a folder with `--discovery-dir DIR`";
            return Err(Usage::new("there is nowhere to put the image", hint).into());
        };
        if path == Path::new("-") {
            self.check_stdout()?;
            return Ok(Target::Stdout);
        }
        // As the specification wants it, whatever the compression. Devices and pipes have the names that they have.
        let special = fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir());
        if path.extension().is_none_or(|it| it != "aci") && !special {
            let text = format!("`{}` does not end in `.aci`", path.display());
            let named = path.with_extension("aci");
            return Err(Usage::new(text, format!("call it `{}`", named.display())).into());
        }
        Ok(Target::File(path.clone()))
    }

    fn check_stdout(&self) -> Result<(), Usage> {
        let hint = "name a file with `-o app.aci`";
        let more = [
            (self.json, "--json"),
            (self.sign.is_some(), "--sign"),
            (self.split_layers.is_some(), "--split-layers"),
            (self.thin, "--thin"),
        ];
        if let Some((_, flag)) = more.iter().find(|(given, _)| *given) {
            return Err(Usage::new(format!("`{flag}` and `-o -` do not go together"), hint));
        }
        if io::stdout().is_terminal() {
            return Err(Usage::new("an image does not belong on a terminal", hint));
        }
        Ok(())
    }
}

impl Target {
    /// Where the image with this manifest goes, in a folder that is there.
    fn path(&self, manifest: &Manifest) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Stdout => Ok(None),
            Self::File(path) => Ok(Some(path.clone())),
            Self::Site(site) => {
                let path = site.image(manifest)?;
                make_dir(parent(&path))?;
                Ok(Some(path))
            }
        }
    }

    /// As [`Self::path`], for an image that the one at `top` is put upon.
    fn layer(&self, manifest: &Manifest, top: &Path) -> Result<PathBuf, aci::Error> {
        if let Self::Site(site) = self {
            let path = site.image(manifest)?;
            make_dir(parent(&path))?;
            return Ok(path);
        }
        let name = manifest.name();
        let last = name.rsplit('/').next().unwrap_or(name);
        Ok(top.with_file_name(format!("{last}.aci")))
    }
}

fn make_dir(dir: &Path) -> Result<(), OutputError> {
    fs::create_dir_all(dir).map_err(|source| OutputError::Write { path: dir.into(), source })
}

/// Makes what was ordered.
fn make(
    args: &AciArgs,
    order: Order,
    how: How<'_>,
    target: &Target,
    path: Option<&Path>,
    progress: &dyn Progress,
) -> Result<(Vec<Layer>, Made), aci::Error> {
    match path {
        Some(top) if args.split_layers.is_some() => {
            order.split(how, top, |manifest| target.layer(manifest, top), progress)
        }
        Some(path) => Ok((Vec::new(), order.whole(how, Place::File(path), progress)?)),
        None => Ok((Vec::new(), order.whole(how, Place::Stdout, progress)?)),
    }
}

/// Puts everything in place: layers first, so that nothing is ever there without what it is put upon.
fn commit(
    how: How<'_>,
    target: &Target,
    manifest: &Manifest,
    layers: Vec<Layer>,
    top: Made,
    path: Option<&Path>,
    mounts: Option<String>,
) -> anyhow::Result<()> {
    let mut names = String::new();
    for layer in layers {
        names.push_str(&file_name(&layer.path));
        layer.made.commit()?;
    }
    let split = !names.is_empty();
    top.commit()?;
    let Some(path) = path else { return Ok(()) };
    if split {
        names.push_str(&file_name(path));
        aci::write_file(&path.with_extension("order"), names.as_bytes())?;
    }
    if let Some(mounts) = mounts {
        aci::write_file(&path.with_extension("mounts"), mounts.as_bytes())?;
    }
    if let Target::Site(site) = target {
        if let Some(key) = how.sign {
            aci::write_file(&site.keys(), key.public())?;
        }
        let (page, text) = site.page(manifest.name(), how.sign.is_some());
        make_dir(parent(&page))?;
        aci::write_file(&page, text.as_bytes())?;
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| format!("{}\n", name.display()))
}

/// A mount point at the store, or above it, hides what the image brings: whoever runs it needs the same store there.
fn tell_hidden(manifest: &Manifest, store_dir: &str, progress: &dyn Progress) {
    for mount in manifest.mounts().iter().filter(|mount| mount.hides(store_dir)) {
        let text = format!(
            "whatever is mounted at `{}` (`{}`) hides the image's own `{store_dir}`: leave it out, or leave out the \
             store with `--thin`",
            mount.path, mount.name
        );
        progress.report(Event::Warning { text: &text });
    }
}

/// What was made, for people.
fn summary(layers: &[Layer], top: &Made, path: &Path) -> String {
    let mut text = format!("wrote {}: {}", path.display(), human(top.size));
    if !layers.is_empty() {
        let size = total(layers.iter().map(|layer| layer.made.size));
        text = format!("{text}, upon {} of {}", counted(layers.len(), "layer"), human(size));
        // Or it does not look at the images that it has.
        text.push_str("\n  rkt fetch --pull-policy=new FILE, in the order of ");
        text.push_str(&path.with_extension("order").display().to_string());
    }
    text
}

fn described(manifest: &Manifest, layers: &[Layer], top: &Made, path: Option<&Path>) -> Value {
    let layer = |layer: &Layer| {
        json!({
            "name": layer.name,
            "id": layer.made.id.to_string(),
            "size": layer.made.size,
            "output": layer.path,
            "paths": layer.paths.len(),
        })
    };
    json!({
        "name": manifest.name(),
        "id": top.id.to_string(),
        "size": top.size,
        "output": path,
        "os": manifest.label("os"),
        "arch": manifest.label("arch"),
        "version": manifest.label("version"),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
}
