//! What was made, told to whoever goes on with it: references and JSON on stdout for programs, the
//! rest on stderr for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use closure2img::image::{Image, ImageLayer, ImageName, Images, Packing};
use closure2img::progress::{Event, Progress, counted, human};
use registry::Blob;
use serde_json::{Value, json};

use super::args::{Format, OciArgs};
use super::timed::Timed;

/// Images that are there.
pub(super) struct Made<'a> {
    pub(super) args: &'a OciArgs,
    pub(super) images: &'a Images,
    /// Its name inside an archive.
    pub(super) name: Option<&'a ImageName>,
    /// Whether it says what to run.
    pub(super) runs: bool,
    /// Whether the file or directory was there before, and the same.
    pub(super) was_there: bool,
}

impl Made<'_> {
    /// Tells of the file or directory, if there is one.
    pub(super) fn tell_written(&self, progress: &dyn Progress) {
        let Some(output) = self.args.output.as_deref().filter(|path| *path != Path::new("-"))
        else {
            return;
        };
        let file = output.display();
        let mut text = match self.was_there {
            true => format!("{file} is up to date: {}", self.summary()),
            false => format!("wrote {file}: {}", self.summary()),
        };
        // Of an archive with several, docker loads none.
        if let (Some(name), Format::Archive | Format::Docker, Images::One(image)) =
            (self.name, self.args.format, self.images)
        {
            // Docker loads zstd only from version 23 on.
            let zstd = |layer: &ImageLayer| layer.packing() == Packing::Zstd;
            let loader = if image.layers.iter().any(zstd) { "podman" } else { "docker" };
            let program = if self.runs { "" } else { " PROGRAM" };
            let name = name.as_str();
            let _ =
                write!(text, "\n  {loader} load -i {file} && {loader} run --rm {name}{program}");
        }
        progress.report(Event::Made { text: &text });
    }

    /// Tells of the references that were pushed.
    pub(super) fn tell_pushed(&self, pushed: &[String], progress: &dyn Progress) -> io::Result<()> {
        if self.args.json {
            return Ok(());
        }
        progress.report(Event::Made { text: &format!("pushed {}", self.summary()) });
        let mut out = io::stdout().lock();
        for reference in pushed {
            writeln!(out, "{reference}")?;
        }
        out.flush()
    }

    /// With `--json`, tells everything.
    pub(super) fn tell_all(&self, pushed: &[String], timed: Option<&Timed>) -> anyhow::Result<()> {
        if !self.args.json {
            return Ok(());
        }
        let mut result = match self.images {
            Images::One(image) => described(image),
            Images::Several { images, index } => {
                let manifests = images.iter().map(described).collect::<Vec<_>>();
                json!({"digest": index.digest.to_string(), "manifests": manifests})
            }
        };
        result["output"] = json!(self.args.output);
        result["name"] = json!(self.name.map(ImageName::as_str));
        result["pushed"] = json!(pushed);
        if let Some(timed) = timed {
            result["timings"] = timed.json();
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{result}")?;
        Ok(out.flush()?)
    }

    fn summary(&self) -> String {
        let mut seen = BTreeSet::new();
        let layers = self.images.all().iter().flat_map(|image| &image.layers);
        let sizes: Vec<u64> =
            layers.filter(|layer| seen.insert(layer.digest())).map(Blob::size).collect();
        let size = sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size));
        let for_whom = match self.images {
            Images::One(image) => image.platform.architecture.clone(),
            Images::Several { images, .. } => {
                let each = images.iter().map(|image| image.platform.to_string());
                each.collect::<Vec<_>>().join(", ")
            }
        };
        format!("{}, {}, {for_whom}", counted(sizes.len(), "layer"), human(size))
    }
}

/// An image for programs to read.
fn described(image: &Image) -> Value {
    let layers = image.layers.iter().map(|layer| {
        let paths = match layer {
            ImageLayer::Own(layer) => layer.paths.len(),
            ImageLayer::Base(_) => 0,
        };
        json!({
            "digest": layer.digest().to_string(),
            "diff_id": layer.diff_id().to_string(),
            "size": layer.size(),
            "paths": paths,
            "base": matches!(layer, ImageLayer::Base(_)),
        })
    });
    json!({
        "digest": image.digest().to_string(),
        "image_id": image.config.digest().to_string(),
        "architecture": image.platform.architecture,
        "platform": image.platform.to_string(),
        "layers": layers.collect::<Vec<_>>(),
    })
}
