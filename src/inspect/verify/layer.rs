//! A layer by itself: digest, size, diff ID, media type, and whether it is a tar to its end.

use super::{Problem, chain};
use crate::aci::check::Report;
use crate::inspect::Error;
use crate::inspect::contents::{Contents, Questions, read};
use crate::inspect::image::{Image, Layer};
use crate::inspect::stream::{Streamed, Sum, Wanted};
use crate::untar::{Bomb, Fault, Packing};

/// What came of reading a layer.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) problems: Vec<Problem>,
    pub(super) packed: u64,
    pub(super) unpacked: u64,
    pub(super) contents: Contents,
    /// Whether all of it was seen.
    pub(super) is_whole: bool,
    /// What an ACI is as such.
    pub(super) aci: Option<Report>,
}

/// Reads the layer with this number.
pub(super) fn check(image: &Image, at: usize) -> Checked {
    let layer = &image.layers[at];
    let questions = Questions { nars: true, mentions: true, files: false };
    // What is not packed is its own tar: its digest is the diff ID, and hashed once.
    let plain = Packing::of_layer(layer.descriptor().map_or("", |it| &it.media_type));
    let sum = match image.sum() {
        Sum::DiffId => {
            layer.diff_id().filter(|_| plain != Some(Packing::None)).map(|_| Sum::DiffId)
        }
        Sum::ImageId => Some(Sum::ImageId),
    };
    let (streamed, contents) = match read(image, layer, questions, Wanted { sum, all: true }) {
        Ok(read) => read,
        Err(error) => {
            let problems = vec![Problem::new(kind_of(&error), layer.name(), chain(&error))];
            return Checked { problems, ..Checked::default() };
        }
    };
    let mut problems = bytes(layer, &streamed);
    match &streamed.entries {
        Ok(()) => {}
        // That was told.
        Err(_) if streamed.read.is_err() => {}
        Err(Error::Layer { source, .. }) => {
            let kind = if matches!(source, Fault::Escapes { .. }) { "escape" } else { "tar" };
            problems.push(Problem::new(kind, layer.name(), chain(source)));
        }
        Err(error) => problems.push(Problem::new(kind_of(error), layer.name(), chain(error))),
    }
    Checked {
        is_whole: streamed.read.is_ok() && streamed.entries.is_ok(),
        problems,
        packed: streamed.packed,
        unpacked: streamed.unpacked,
        contents,
        aci: streamed.aci,
    }
}

/// What is wrong with the blob apart from what is in it.
fn bytes(layer: &Layer, streamed: &Streamed<Error>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = layer.name();
    if let Err(error) = &streamed.read {
        let kind = if Bomb::is(error) { "bomb" } else { "blob" };
        problems.push(Problem::new(kind, &name, chain(error)));
    }
    let Some(descriptor) = layer.descriptor() else { return problems };
    let told = Packing::of_layer(&descriptor.media_type);
    if let Some(told) = told.filter(|&told| told != streamed.packing) {
        let (got, expected) = (streamed.packing.name(), told.name());
        let text = format!("it is packed with `{got}`, its type says `{expected}`");
        problems.push(Problem::new("media-type", &name, text));
    }
    let Some(expected) = layer.diff_id().filter(|_| streamed.read.is_ok()) else { return problems };
    let got = match told {
        Some(Packing::None) => Some(descriptor.digest),
        _ => streamed.diff_id,
    };
    if let Some(got) = got.filter(|&got| got != expected) {
        let text = format!("its tar has digest `{got}`, the configuration says `{expected}`");
        problems.push(Problem::new("diff-id", &name, text));
    }
    problems
}

fn kind_of(error: &Error) -> &'static str {
    match error {
        Error::TooMany { .. } => "bomb",
        _ => "blob",
    }
}
