//! What was made, told to whoever goes on with it: references and JSON on stdout for programs, the
//! rest on stderr for people.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use closure2img::image::{Compression, Image, ImageName};
use closure2img::progress::{Event, Progress, counted, human};
use registry::Blob;
use serde_json::json;

use super::args::{Format, OciArgs};

/// An image that is there.
pub(super) struct Made<'a> {
    pub(super) args: &'a OciArgs,
    pub(super) image: &'a Image,
    /// Its name inside an archive.
    pub(super) name: Option<&'a ImageName>,
    /// Whether it says what to run.
    pub(super) runs: bool,
}

impl Made<'_> {
    /// Tells of the file or directory, if there is one.
    pub(super) fn tell_written(&self, progress: &dyn Progress) {
        let Some(output) = self.args.output.as_deref().filter(|path| *path != Path::new("-"))
        else {
            return;
        };
        let file = output.display();
        let mut text = format!("wrote {file}: {}", self.summary());
        if let (Some(name), Format::Archive | Format::Docker) = (self.name, self.args.format) {
            // Docker loads zstd only from version 23 on.
            let loader = match self.args.compress {
                Compression::Zstd(_) => "podman",
                Compression::None | Compression::Gzip(_) => "docker",
            };
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
    pub(super) fn tell_all(&self, pushed: &[String]) -> anyhow::Result<()> {
        if !self.args.json {
            return Ok(());
        }
        let layers = self.image.layers.iter().map(|layer| {
            json!({
                "digest": layer.digest.to_string(),
                "diff_id": layer.diff_id.to_string(),
                "size": layer.size,
                "paths": layer.paths.len(),
            })
        });
        let result = json!({
            "digest": self.image.digest().to_string(),
            "image_id": self.image.config.digest().to_string(),
            "architecture": self.image.machine.as_str(),
            "layers": layers.collect::<Vec<_>>(),
            "output": self.args.output,
            "name": self.name.map(ImageName::as_str),
            "pushed": pushed,
        });
        let mut out = io::stdout().lock();
        writeln!(out, "{result}")?;
        Ok(out.flush()?)
    }

    fn summary(&self) -> String {
        let layers = &self.image.layers;
        let size: u64 = layers.iter().map(|layer| layer.size).sum();
        format!("{}, {}, {}", counted(layers.len(), "layer"), human(size), self.image.machine)
    }
}
