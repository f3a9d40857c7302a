//! Blobs on their way to registries, while others are still being made.
//!
//! Requests are bound by latency, so many blobs are under way at once; their bodies wait for one of a few turns, since
//! they share one line. The largest blob that waits goes first, since one that starts last would be waited for alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use crate::auth::lock;
use crate::{Blob, Client, Digest, Error, Progress};

/// Blobs under way at once. Measured with 50 ms of latency: 16 take half as long again, 64 gain nothing.
const UNDER_WAY: usize = 32;

/// Takes blobs; given to the work of [`sending`].
pub struct Queue<'a> {
    state: Mutex<State<'a>>,
    changed: Condvar,
}

#[derive(Default)]
struct State<'a> {
    waiting: BinaryHeap<Job<'a>>,
    /// Nothing more will come.
    closed: bool,
    failure: Option<Error>,
}

struct Job<'a> {
    client: &'a Client,
    blob: Arc<dyn Blob + 'a>,
    source: Option<String>,
}

impl Job<'_> {
    fn order(&self) -> (u64, Reverse<Digest>) {
        (self.blob.size(), Reverse(self.blob.digest()))
    }
}

impl Ord for Job<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Job<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Job<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Job<'_> {}

impl<'a> Queue<'a> {
    /// Sees to it that the repository of `client` gets `blob`, perhaps from the repository `source` of its registry.
    /// Answers at once; `false` if sending has failed and nothing more is wanted.
    pub fn add(&self, client: &'a Client, blob: Arc<dyn Blob + 'a>, source: Option<&str>) -> bool {
        let source = source.map(ToOwned::to_owned);
        let mut state = lock(&self.state);
        state.waiting.push(Job { client, blob, source });
        let wanted = state.failure.is_none();
        drop(state);
        self.changed.notify_one();
        wanted
    }

    fn next(&self) -> Option<Job<'a>> {
        let mut state = lock(&self.state);
        loop {
            if state.failure.is_some() {
                return None;
            }
            if let Some(job) = state.waiting.pop() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(&self, failure: Option<Error>) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.failure = state.failure.take().or(failure);
        drop(state);
        self.changed.notify_all();
    }
}

/// Runs `work`, which fills the queue, and sends meanwhile. Returns when all is in place, or with what failed first;
/// what has begun is finished.
pub fn sending<'a, T, E: From<Error>>(
    progress: &dyn Progress,
    work: impl FnOnce(&Queue<'a>) -> Result<T, E>,
) -> Result<T, E> {
    let queue = Queue { state: Mutex::default(), changed: Condvar::new() };
    let result = thread::scope(|scope| {
        for _ in 0..UNDER_WAY {
            scope.spawn(|| {
                while let Some(job) = queue.next() {
                    let placed =
                        job.client.ensure_blob_from(&*job.blob, job.source.as_deref(), progress);
                    if let Err(error) = placed {
                        queue.end(Some(error));
                    }
                }
            });
        }
        // However the work ends, the threads must learn of it.
        let closing = Closing(&queue);
        let result = work(&queue);
        if result.is_err() {
            lock(&queue.state).waiting.clear();
        }
        drop(closing);
        result
    });
    // What went wrong first is what sending says: work that it stopped has nothing to tell.
    match queue.state.into_inner().unwrap_or_else(PoisonError::into_inner).failure {
        Some(error) => Err(error.into()),
        None => result,
    }
}

struct Closing<'a, 'b>(&'a Queue<'b>);

impl Drop for Closing<'_, '_> {
    fn drop(&mut self) {
        self.0.end(None);
    }
}
