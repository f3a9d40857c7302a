//! Making layers, side by side, each in one pass over what goes into it; and not making those that
//! are known.

use std::cmp::Reverse;
use std::sync::Arc;
use std::{slice, thread};

use registry::Digest;
use sha2::Sha256;

use super::compress::Compression;
use super::duplicates::Duplicates;
use super::layer::{Content, Layer, LayerOptions, Layers};
use super::on_demand::OnDemand;
use super::pool::{Pool, Queue};
use super::recall::Recalled;
use super::source::Source;
use super::spool::{Room, Spool};
use super::storage::Storage;
use super::{Error, measure, tar_stream};
use crate::cache::KnownLayer;
use crate::parallel::in_parallel;
use crate::progress::{Event, Progress, Silent};
use crate::timings::{Stage, time};

/// What making layers needs to know.
pub struct Work<'a> {
    /// Recipes of the layers, bottom first.
    pub sources: &'a [Source],
    /// What is known of each.
    pub recalled: &'a [Recalled],
    /// How they are made.
    pub options: LayerOptions,
    /// Where they are kept.
    pub storage: &'a Storage<'a>,
    /// Whether somebody will want the blob of a known layer.
    pub wanted: &'a (dyn Fn(&KnownLayer) -> bool + Sync),
}

/// Makes a layer of each source, or takes it from what is known. `done` is told of each as soon as
/// it is there, in any order, and says whether to go on.
pub fn build(
    work: &Work<'_>,
    progress: &dyn Progress,
    done: &(dyn Fn(&Arc<Layer>) -> bool + Sync),
) -> Result<Layers, Error> {
    let Work { sources, options, storage, .. } = work;
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|&index| Reverse(sources[index].weight()));
    let spool = storage.spool();
    // Hashing kept blobs takes as many threads as there are; making layers has its own idea of it.
    let known = in_parallel(&order, options.threads.get(), |index| {
        let layer = work.known(index, spool).map(Arc::new);
        match &layer {
            Some(layer) if !done(layer) => Err(Error::Stopped),
            _ => Ok(layer),
        }
    })?;
    // The largest first, so that none is left to the end alone.
    order.retain(|&index| known[index].is_none());
    let made = match order.is_empty() {
        true => Vec::new(),
        false => time(Stage::Tar, || make(work, &order, progress, done))?,
    };
    if !made.is_empty()
        && let Some(cache) = spool.cache()
    {
        cache.trim();
    }
    let mut made = made.into_iter();
    // Both are in the order of the sources.
    let layers = known.into_iter().filter_map(|layer| layer.or_else(|| made.next()));
    Ok(Layers::new(layers.collect()))
}

/// All layers, if each of them is known; none is made.
pub fn of_known(
    sources: &[Source],
    recalled: &[Recalled],
    options: LayerOptions,
    spool: &Spool,
) -> Option<Layers> {
    let storage = &Storage::Spool(spool);
    let work = Work { sources, recalled, options, storage, wanted: &|_| false };
    let layers = (0..sources.len()).map(|index| work.known(index, spool).map(Arc::new));
    Some(Layers::new(layers.collect::<Option<_>>()?))
}

impl Work<'_> {
    /// The layer, if it need not be made now.
    fn known(&self, index: usize, spool: &Spool) -> Option<Layer> {
        let (source, options) = (&self.sources[index], self.options);
        let recalled = &self.recalled[index];
        let known = recalled.known.clone()?;
        let content = if (self.wanted)(&known) {
            Content::Here(spool.kept(&known.digest, known.size)?)
        } else {
            Content::OnDemand(Arc::new(OnDemand::new(source, options, spool, &known)))
        };
        Some(Layer::known(source, recalled.tar, known, options.compression, content))
    }
}

/// Makes the layers with these numbers, in this order; the result is sorted by number.
fn make(
    work: &Work<'_>,
    order: &[usize],
    progress: &dyn Progress,
    done: &(dyn Fn(&Arc<Layer>) -> bool + Sync),
) -> Result<Vec<Arc<Layer>>, Error> {
    let Work { sources, options, storage, recalled, .. } = work;
    progress.report(Event::Layers {
        count: order.len(),
        bytes: order.iter().map(|&index| sources[index].weight()).fold(0, u64::saturating_add),
    });
    let rooms = storage.rooms(sources, *options, |index| {
        let made = order.contains(&index);
        recalled[index].known.as_ref().filter(|_| !made).map(|known| known.size)
    })?;
    let threads = options.threads.get();
    let (readers, compressors) = match options.compression {
        Compression::None => (threads, 0),
        // Reading and hashing are ten times as fast as compressing; a second reader hides the
        // pauses between layers. More would only hold more memory.
        _ => (2 + threads / 8, threads),
    };
    let queue = Queue::default();
    thread::scope(|scope| {
        let pool = Pool::start(scope, &queue, compressors, readers);
        in_parallel(order, readers, |index| {
            let (room, duplicates) = match &rooms {
                Some(rooms) => rooms[index].clone(),
                None => (storage.spool().room(options.compression)?, None),
            };
            let layer = one(&sources[index], *options, duplicates, &pool, room, progress)?;
            progress.report(Event::LayerDone { size: layer.size });
            storage.spool().remember(recalled[index].key(&layer), &layer);
            let layer = Arc::new(layer);
            if done(&layer) { Ok(layer) } else { Err(Error::Stopped) }
        })
    })
}

/// Makes a single layer with threads of its own.
pub(super) fn alone(source: &Source, options: LayerOptions, room: Room) -> Result<Layer, Error> {
    let queue = Queue::default();
    thread::scope(|scope| {
        let compressors = match options.compression {
            Compression::None => 0,
            _ => options.threads.get(),
        };
        let pool = Pool::start(scope, &queue, compressors, 1);
        one(source, options, None, &pool, room, &Silent)
    })
}

/// Makes a layer; which of its files are the same is found out unless it is known.
fn one(
    source: &Source,
    options: LayerOptions,
    duplicates: Option<Arc<Duplicates>>,
    pool: &Pool,
    room: Room,
    progress: &dyn Progress,
) -> Result<Layer, Error> {
    let duplicates = match duplicates {
        Some(duplicates) => duplicates,
        None => Arc::new(measure::duplicates(source, options)?),
    };
    let (sources, codec) = (slice::from_ref(source), options.compression.into());
    let (blob, seen) =
        tar_stream::build::<Sha256>(sources, codec, options, &duplicates, pool, room, progress)?;
    let known = KnownLayer {
        diff_id: blob.tar,
        digest: blob.digest.unwrap_or(blob.tar),
        size: blob.size,
        annotations: blob.annotations,
        machines: seen.machines,
        omitted: seen.omitted,
        home: None,
    };
    let key: Option<Digest> = source.key(options, &seen.nar_hashes);
    let layer = Layer::known(source, key, known, options.compression, Content::Here(blob.content));
    Ok(Layer { nar_hashes: seen.nar_hashes, ..layer })
}
