//! Threads that compress blocks for whichever layer has one ready, so that one huge layer keeps
//! every core as busy as many small ones.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

use super::compress::{self, Compression, Piece};

/// A block to compress.
pub(crate) struct Job {
    pub(crate) block: Vec<u8>,
    pub(crate) filled: usize,
    pub(crate) last: bool,
    pub(crate) compression: Compression,
    /// Which block of its layer it is, from 0.
    pub(crate) index: usize,
    pub(crate) reply: Sender<Done>,
}

/// A block compressed, and its buffer for the next one.
pub(crate) struct Done {
    pub(crate) index: usize,
    pub(crate) block: Vec<u8>,
    pub(crate) piece: io::Result<Piece>,
}

/// Where jobs are left. The threads end when the pool is dropped.
pub(crate) struct Pool {
    jobs: Sender<Job>,
    window: usize,
}

impl Pool {
    /// Starts `threads` threads that live as long as `scope` and take from `queue`.
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        queue: &'scope Queue,
        threads: usize,
    ) -> Self {
        let (jobs, taken) = mpsc::channel();
        *queue.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(job) = queue.take() {
                    run(job);
                }
            });
        }
        // Two blocks more than threads: one being read, one being written.
        Self { jobs, window: threads + 2 }
    }

    /// How many blocks of one layer may be under way.
    pub(crate) fn window(&self) -> usize {
        self.window
    }

    pub(crate) fn submit(&self, job: Job) {
        // The threads outlive the pool, so somebody listens; if one panicked, the reply is missed
        // and says so.
        let _ = self.jobs.send(job);
    }
}

/// The receiving end that the threads share.
#[derive(Default)]
pub(crate) struct Queue(Mutex<Option<Receiver<Job>>>);

impl Queue {
    fn take(&self) -> Option<Job> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.recv().ok()
    }
}

fn run(job: Job) {
    let piece = compress::block(job.compression, &job.block[..job.filled], job.last);
    // Nobody waits for it when its layer has failed meanwhile.
    let _ = job.reply.send(Done { index: job.index, block: job.block, piece });
}
