//! `closure2img verify`: whether an image is what it says, and whole.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use closure2img::closure::{Location, Store};
use closure2img::inspect::{self, Outcome, Problem, VerifyOptions};
use closure2img::progress::{counted, human};
use layering::StoreDir;
use serde_json::{Value, json};

use super::display::plain;
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

    /// Fail unless the ACI or AppImage is signed by a key in FILE, as `gpg --export` writes it [default: an
    /// AppImage by the key in it, an ACI by whichever of the user's keys; that it is not signed, or by a key
    /// that is not known, is no fault]
    #[arg(long, value_name = "FILE")]
    signed_by: Option<PathBuf>,

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
        keys: args.signed_by.as_deref().map(keys).transpose()?,
    };
    let verified = inspect::verify(&image, &options)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let list = |all: &[Problem]| -> Vec<Value> {
            let one = |it: &Problem| json!({"kind": it.kind, "place": it.place, "text": it.text});
            all.iter().map(one).collect()
        };
        let found = json!({
            "version": 1,
            "image": image.name,
            "format": image.format.name(),
            "ok": verified.problems.is_empty(),
            "problems": list(&verified.problems),
            "notes": list(&verified.notes),
            "signature": verified.signature.as_ref().map(inspect::Signature::json),
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
        let good = verified.signature.filter(|it| it.outcome() == Outcome::Good);
        if let Some(signature) = good {
            writeln!(out, "signature: {}", plain(&signature.text()))?;
        }
        for note in &verified.notes {
            writeln!(out, "note: {}: {}", plain(&note.place), plain(&note.text))?;
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

/// Public keys: some kilobytes each.
fn keys(file: &Path) -> anyhow::Result<Vec<u8>> {
    const LIMIT: u64 = 16 << 20;
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|open| open.take(LIMIT).read_to_end(&mut bytes));
    read.with_context(|| format!("reading `{}`", file.display()))?;
    Ok(bytes)
}
