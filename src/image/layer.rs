//! Layers: made side by side, each in one pass over what goes into it.

use std::cmp::Reverse;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use layering::StorePath;
use registry::Digest;

use super::compress::Compression;
use super::duplicates::Duplicates;
use super::entries::Seen;
use super::machine::Machines;
use super::measure::{self, Outline};
use super::pool::{Pool, Queue};
use super::source::Source;
use super::spool::{Room, Spool, Spooled};
use super::{Error, Whiteouts, tar, tar_stream};
use crate::parallel::in_parallel;
use crate::progress::{Event, Progress};

/// A layer at rest: its blob and what describes it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The store paths in it, sorted; none for files outside the store.
    pub paths: Vec<StorePath>,
    /// Digest of the tar, by which the image configuration knows it.
    pub diff_id: Digest,
    /// Digest of the blob, by which the manifest knows it.
    pub digest: Digest,
    /// Size of the blob in bytes.
    pub size: u64,
    /// How the blob is compressed.
    pub compression: Compression,
    /// What its tar was made from, hashed: paths, their NAR hashes and the version of the recipe.
    pub key: Option<Digest>,
    /// Sum of the NAR sizes of its paths, as far as the plan knew them.
    pub nar_size: Option<u64>,
    content: Spooled,
}

impl Layer {
    /// Whether the blob stands in `file` at `offset`.
    pub(crate) fn is_at(&self, file: &Arc<File>, offset: u64) -> bool {
        self.content.is_at(file, offset)
    }

    /// A reader over the blob from its start.
    pub fn reader(&self) -> impl Read + Send + 'static {
        self.content.reader()
    }
}

impl registry::Blob for Layer {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.reader()))
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.content.reader_at(offset)))
    }
}

/// How layers are made.
#[derive(Clone, Copy, Debug)]
pub struct LayerOptions {
    /// Compression of the blobs.
    pub compression: Compression,
    /// What to do with names that mean something else in a layer.
    pub whiteouts: Whiteouts,
    /// Whether files of a layer with the same content and mode are stored once, as hard links.
    pub dedup: bool,
    /// Whether each store path's NAR is hashed while it is read, and must have the hash that it was
    /// registered with. Where that is not known, there is nothing to compare.
    pub verify: bool,
    /// How many threads work; the result is the same for any number.
    pub threads: NonZeroUsize,
}

/// Where layers are kept once they are made.
#[derive(Debug)]
pub enum Storage<'a> {
    /// In unnamed files.
    Spool(&'a Spool),
    /// In the archive that they are for, one behind the other, if their sizes are known
    /// beforehand; else in unnamed files.
    Archive {
        /// The archive.
        file: &'a Arc<File>,
        /// What to call it in a message.
        path: &'a Path,
        /// Where the header of the first layer begins.
        start: u64,
        /// How long the header of a layer of this size is.
        header: fn(u64) -> u64,
        /// For layers whose sizes are not known beforehand.
        spool: &'a Spool,
    },
}

impl Storage<'_> {
    /// Room for the layer of each source, and what had to be found out for that.
    fn rooms(
        &self,
        sources: &[Source],
        options: LayerOptions,
    ) -> Result<Vec<(Room, Option<Duplicates>)>, Error> {
        let spool = match self {
            Self::Archive { file, path, start, header, .. }
                if options.compression == Compression::None =>
            {
                let order: Vec<usize> = (0..sources.len()).collect();
                let outlines = in_parallel(&order, options.threads.get(), |index| {
                    measure::outline(&sources[index], options)
                })?;
                let mut at = *start;
                let rooms = outlines.into_iter().map(|Outline { size, duplicates }| {
                    let begin = at + header(size);
                    at = begin + size + tar::padding(size).len() as u64;
                    (Room::within(file, path, begin, size), Some(duplicates))
                });
                return Ok(rooms.collect());
            }
            Self::Archive { spool, .. } | Self::Spool(spool) => spool,
        };
        sources.iter().map(|_| Ok((spool.room()?, None))).collect()
    }
}

/// All layers of an image, and what was seen on the way.
#[derive(Clone, Debug)]
pub struct Layers {
    /// Bottom first.
    pub layers: Vec<Arc<Layer>>,
    /// For which machines the programs in them are.
    pub machines: Machines,
    /// Files left out because of [`Whiteouts::Omit`], sorted.
    pub omitted: Vec<String>,
}

/// Makes a layer of each source. `done` is told of each as soon as it is there, in any order, and
/// says whether to go on.
pub fn build(
    sources: &[Source],
    options: LayerOptions,
    storage: &Storage<'_>,
    progress: &dyn Progress,
    done: &(dyn Fn(&Arc<Layer>) -> bool + Sync),
) -> Result<Layers, Error> {
    progress.report(Event::Layers {
        count: sources.len(),
        bytes: sources.iter().map(Source::weight).fold(0, u64::saturating_add),
    });
    let rooms = storage.rooms(sources, options)?;
    // The largest first, so that none is left to the end alone.
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|&index| Reverse(sources[index].weight()));
    let threads = options.threads.get();
    let (readers, compressors) = match options.compression {
        Compression::None => (threads, 0),
        // Reading and hashing are ten times as fast as compressing; a second reader hides the
        // pauses between layers. More would only hold more memory.
        Compression::Gzip(_) | Compression::Zstd(_) => (2 + threads / 8, threads),
    };
    let queue = Queue::default();
    let built = thread::scope(|scope| {
        let pool = Pool::start(scope, &queue, compressors, readers);
        in_parallel(&order, readers, |index| {
            let (room, known) = &rooms[index];
            let (source, room) = (&sources[index], room.clone());
            let found;
            let duplicates = match known {
                Some(known) => known,
                None => {
                    found = measure::duplicates(source, options)?;
                    &found
                }
            };
            let (layer, seen) = one(source, options, duplicates, &pool, room, progress)?;
            progress.report(Event::LayerDone { size: layer.size });
            if done(&layer) { Ok((layer, seen)) } else { Err(Error::Stopped) }
        })
    })?;
    let mut all = Layers { layers: Vec::new(), machines: Machines::default(), omitted: Vec::new() };
    for (layer, seen) in built {
        all.layers.push(layer);
        all.machines.merge(seen.machines);
        all.omitted.extend(seen.omitted);
    }
    all.omitted.sort();
    Ok(all)
}

fn one(
    source: &Source,
    options: LayerOptions,
    duplicates: &Duplicates,
    pool: &Pool,
    room: Room,
    progress: &dyn Progress,
) -> Result<(Arc<Layer>, Seen), Error> {
    let LayerOptions { compression, whiteouts, dedup, .. } = options;
    let (blob, seen) = tar_stream::build(source, options, duplicates, pool, room, progress)?;
    let layer = Layer {
        paths: source.paths(),
        diff_id: blob.diff_id,
        digest: blob.digest,
        size: blob.size,
        compression,
        key: source.key(whiteouts, dedup, &seen.nar_hashes),
        nar_size: source.nar_size(),
        content: blob.content,
    };
    Ok((Arc::new(layer), seen))
}
