//! Layers: made side by side, each in one pass over what goes into it.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use layering::StorePath;
use registry::Digest;

use super::compress::Compression;
use super::machine::Machines;
use super::pool::{Pool, Queue};
use super::source::Source;
use super::spool::{Spool, Spooled};
use super::tar_stream::{self, Built};
use super::{Error, Whiteouts};
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
    /// What its tar was made from ([`Source::key`]).
    pub key: Option<Digest>,
    content: Spooled,
}

impl Layer {
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
}

/// How layers are made.
#[derive(Clone, Copy, Debug)]
pub struct LayerOptions {
    /// Compression of the blobs.
    pub compression: Compression,
    /// What to do with names that mean something else in a layer.
    pub whiteouts: Whiteouts,
    /// How many threads work; the result is the same for any number.
    pub threads: NonZeroUsize,
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
    spool: &Spool,
    progress: &dyn Progress,
    done: &(dyn Fn(&Arc<Layer>) -> bool + Sync),
) -> Result<Layers, Error> {
    progress.report(Event::Layers {
        count: sources.len(),
        bytes: sources.iter().map(Source::weight).sum(),
    });
    // The largest first, so that none is left to the end alone.
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(sources[index].weight()));
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results = Mutex::new(Vec::with_capacity(sources.len()));
    let queue = Queue::default();
    thread::scope(|scope| {
        let threads = options.threads.get();
        let (readers, compressors) = match options.compression {
            Compression::None => (threads, 0),
            // Reading and hashing are ten times as fast as compressing; a second reader hides the
            // pauses between layers. More would only hold more memory.
            Compression::Gzip(_) | Compression::Zstd(_) => (2 + threads / 8, threads),
        };
        let pool = Arc::new(Pool::start(scope, &queue, compressors));
        for _ in 0..readers.min(sources.len()) {
            let pool = Arc::clone(&pool);
            let (order, next, failed, results) = (&order, &next, &failed, &results);
            scope.spawn(move || {
                while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let result = one(&sources[index], options, &pool, spool, progress);
                    match &result {
                        Ok((layer, _)) => {
                            progress.report(Event::LayerDone { size: layer.size });
                            if !done(layer) {
                                failed.store(true, Ordering::Relaxed);
                            }
                        }
                        Err(_) => failed.store(true, Ordering::Relaxed),
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    let mut all = Layers { layers: Vec::new(), machines: Machines::default(), omitted: Vec::new() };
    for (_, result) in results {
        let (layer, seen) = result?;
        all.layers.push(layer);
        all.machines.merge(seen.machines);
        all.omitted.extend(seen.omitted);
    }
    if all.layers.len() < sources.len() {
        return Err(Error::Stopped);
    }
    all.omitted.sort();
    Ok(all)
}

/// What a layer's files told, apart from its bytes.
struct Seen {
    machines: Machines,
    omitted: Vec<String>,
}

fn one(
    source: &Source,
    options: LayerOptions,
    pool: &Pool,
    spool: &Spool,
    progress: &dyn Progress,
) -> Result<(Arc<Layer>, Seen), Error> {
    let LayerOptions { compression, whiteouts, .. } = options;
    let Built { blob, machines, omitted } =
        tar_stream::build(source, compression, whiteouts, pool, spool, progress)?;
    let layer = Layer {
        paths: source.paths(),
        diff_id: blob.diff_id,
        digest: blob.digest,
        size: blob.size,
        compression,
        key: source.key(whiteouts),
        content: blob.content,
    };
    Ok((Arc::new(layer), Seen { machines, omitted }))
}
