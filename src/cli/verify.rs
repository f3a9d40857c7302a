//! `closure2img verify`: whether an image is what it says, and whole.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use closure2img::closure::{Location, Store};
use closure2img::inspect::{self, VerifyOptions};
use closure2img::progress::{counted, human};
use layering::StoreDir;
use serde_json::json;

use super::image_args::ImageArgs;

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    image: ImageArgs,

    /// Compare NAR hashes with the database of the store below DIR, too [default: with the image's own
    /// record or, where it has none, this machine's database]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Store paths may name others that are not in the image, as documentation may do
    #[arg(long)]
    allow_dangling: bool,

    /// Print what is wrong as JSON; docs/inspect.md has its fields
    #[arg(long)]
    json: bool,
}

/// An image with faults, which were told.
#[derive(Debug)]
pub(crate) struct Wrong {
    name: String,
    count: usize,
}

impl Wrong {
    pub(crate) fn hint() -> &'static str {
        "get or make the image anew"
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has {}", self.name, counted(self.count, "fault"))
    }
}

impl std::error::Error for Wrong {}

pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let image = args.image.open()?;
    let dir = image.store_dir().cloned().unwrap_or_else(StoreDir::default);
    let location = Location { chroot: args.store.clone(), ..Location::default() };
    let options = VerifyOptions {
        threads: args.image.threads(),
        store: Some(Store::called(&location, dir)),
        insist: args.store.is_some(),
        allow_dangling: args.allow_dangling,
    };
    let verified = inspect::verify(&image, &options)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let problems: Vec<_> = verified
            .problems
            .iter()
            .map(|it| json!({"kind": it.kind, "place": it.place, "text": it.text}))
            .collect();
        let found = json!({
            "version": 1,
            "image": image.name,
            "format": image.format.name(),
            "ok": problems.is_empty(),
            "problems": problems,
            "layers": image.layers.len(),
            "packed": verified.packed,
            "unpacked": verified.unpacked,
            "entries": verified.entries,
            "store_paths": verified.paths,
            "nar_hashes": {"right": verified.nars, "unknown": verified.unknown},
            "dangling": verified.dangling,
        });
        writeln!(out, "{found}")?;
    } else {
        for problem in &verified.problems {
            writeln!(out, "{}: {}", plain(&problem.place), plain(&problem.text))?;
        }
        if verified.problems.is_empty() {
            let files = counted(verified.entries, "entry").replace("entrys", "entries");
            writeln!(
                out,
                "ok: {}, {} of {}, {files}; {}, NAR hashes of {} right, of {} unknown",
                counted(image.layers.len(), "layer"),
                human(verified.packed),
                human(verified.unpacked),
                counted(verified.paths, "store path"),
                verified.nars,
                verified.unknown,
            )?;
        }
        for dangling in &verified.dangling {
            writeln!(out, "note: {}, which is not in the image", plain(dangling))?;
        }
    }
    out.flush()?;
    match verified.problems.len() {
        0 => Ok(()),
        count => Err(Wrong { name: image.name.clone(), count }.into()),
    }
}

/// One line without control characters, as names from archives may hold any.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
