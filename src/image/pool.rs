//! Threads that compress blocks for whichever layer has one ready, so that one huge layer keeps
//! every core as busy as many small ones.
//!
//! Blocks under way are counted over all layers together: a single layer may have them all, and
//! memory stays the same however many layers are made at a time.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use super::compress::{Codec, Compressor, Piece};
use super::lazy::{self, Packed, Unit};
use crate::timings::{self, Stage, time};

/// A block to compress.
pub(crate) struct Job {
    pub(crate) block: Vec<u8>,
    pub(crate) filled: usize,
    pub(crate) last: bool,
    pub(crate) codec: Codec,
    /// Where to cut it, if it is for a lazy format.
    pub(crate) units: Vec<Unit>,
    /// Which block of its layer it is, from 0.
    pub(crate) index: usize,
    pub(crate) reply: Sender<Done>,
}

/// A block compressed, and its buffer for the next one.
pub(crate) struct Done {
    pub(crate) index: usize,
    pub(crate) block: Vec<u8>,
    /// With what became of its units.
    pub(crate) piece: io::Result<(Piece, Vec<Packed>)>,
}

/// Where jobs are left. The threads end when the pool is dropped.
pub(crate) struct Pool {
    jobs: Sender<Job>,
    /// Blocks that may still be put under way.
    free: Mutex<usize>,
    freed: Condvar,
}

impl Pool {
    /// Starts `threads` threads that live as long as `scope` and take from `queue`, for `readers`
    /// threads that fill blocks.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        queue: &'scope Queue,
        threads: usize,
        readers: usize,
    ) -> Self {
        let (jobs, taken) = mpsc::channel();
        *lock(&queue.0) = Some(taken);
        let origin = timings::origin();
        for _ in 0..threads {
            let origin = origin.clone();
            scope.spawn(move || {
                let _watched = origin.watch_in("compressor", Stage::Wait);
                let mut compressor = Compressor::default();
                while let Some(job) = queue.take() {
                    timings::count(Stage::Compress, job.filled);
                    time(Stage::Compress, || run(job, &mut compressor));
                }
            });
        }
        // One for each thread to work on, and two for each reader: one waiting for a thread, one
        // waiting to be written.
        Self { jobs, free: Mutex::new(threads + 2 * readers), freed: Condvar::new() }
    }

    fn submit(&self, job: Job) {
        // The threads outlive the pool, so somebody listens.
        let _ = self.jobs.send(job);
    }
}

/// The blocks of one layer that are under way.
pub(crate) struct UnderWay<'a> {
    pool: &'a Pool,
    count: usize,
}

impl<'a> UnderWay<'a> {
    pub(crate) fn new(pool: &'a Pool) -> Self {
        Self { pool, count: 0 }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether one more may be put under way. A layer that has none waits for its turn; one that
    /// has some must collect those first, or all would wait for each other.
    pub(crate) fn reserve(&mut self) -> bool {
        let mut free = lock(&self.pool.free);
        while *free == 0 {
            if self.count > 0 {
                return false;
            }
            let freed = time(Stage::Wait, || self.pool.freed.wait(free));
            free = freed.unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        self.count += 1;
        true
    }

    /// Puts a block under way, for which room was reserved.
    pub(crate) fn submit(&self, job: Job) {
        self.pool.submit(job);
    }

    /// One of them is written.
    pub(crate) fn release(&mut self) {
        self.count -= 1;
        *lock(&self.pool.free) += 1;
        self.pool.freed.notify_one();
    }
}

/// A layer that fails must not keep others waiting.
impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        while self.count > 0 {
            self.release();
        }
    }
}

/// The receiving end that the threads share.
#[derive(Default)]
pub(crate) struct Queue(Mutex<Option<Receiver<Job>>>);

impl Queue {
    fn take(&self) -> Option<Job> {
        lock(&self.0).as_ref()?.recv().ok()
    }
}

fn run(job: Job, compressor: &mut Compressor) {
    let Job { block, filled, last, codec, units, index, reply } = job;
    // Whoever waits for the block must hear of it, whatever happens.
    let input = &block[..filled];
    let compressed = AssertUnwindSafe(|| match codec.lazy() {
        Some((_, compression)) => lazy::compress(compressor, compression, input, &units),
        None => compressor.block(codec, input, last).map(|piece| (piece, Vec::new())),
    });
    let piece = catch_unwind(compressed).unwrap_or_else(|_| {
        // Its state is whatever the panic left.
        *compressor = Compressor::default();
        Err(io::Error::other("the compressor panicked"))
    });
    // Nobody waits when the layer has failed meanwhile.
    let _ = reply.send(Done { index, block, piece });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
