//! A tar that is a file by itself and no layer: made in one pass, like layers, by the same threads.

use std::thread;

use super::blob_writer::Blob;
use super::compress::Codec;
use super::duplicates::Duplicates;
use super::layer::LayerOptions;
use super::machine::Machines;
use super::pool::{Pool, Queue};
use super::source::Source;
use super::spool::{Room, Spooled};
use super::{Error, measure, tar_stream};
use crate::aci::ImageId;
use crate::aci::check::{Proof, Report};
use crate::progress::{Event, Progress};

/// Such a file.
#[derive(Debug)]
pub(crate) struct Single {
    /// SHA-512 of the tar.
    pub(crate) tar: ImageId,
    /// What is wrong with it as an ACI.
    pub(crate) report: Report,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its bytes.
    pub(crate) content: Spooled,
    /// For which machines the programs in it are.
    pub(crate) machines: Machines,
}

/// Makes a tar of all `sources`, in their order. Equal files are found within each source that has store paths.
pub(crate) fn single(
    sources: &[Source],
    codec: Codec,
    options: LayerOptions,
    room: Room,
    progress: &dyn Progress,
) -> Result<Single, Error> {
    let bytes = sources.iter().map(Source::weight).fold(0, u64::saturating_add);
    progress.report(Event::Layers { count: 1, bytes });
    let mut duplicates = Duplicates::default();
    for source in sources.iter().filter(|source| matches!(source, Source::Store { .. })) {
        duplicates.extend(measure::duplicates(source, options)?);
    }
    let compressors = if codec == Codec::NONE { 0 } else { options.threads.get() };
    let queue = Queue::default();
    let (blob, seen) = thread::scope(|scope| {
        let pool = Pool::start(scope, &queue, compressors, 1);
        tar_stream::build::<Proof>(sources, codec, options, &duplicates, &pool, room, progress)
    })?;
    let Blob { tar: (tar, report), size, content, .. } = blob;
    progress.report(Event::LayerDone { size });
    Ok(Single { tar, report, size, content, machines: seen.machines })
}
