//! Threads that work on what they are given, and answers that come when they are asked for.

use std::collections::VecDeque;
use std::mem;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Error;
use super::codec::Codec;

/// What a thread works with.
pub(super) struct Worker {
    pub(super) codec: Codec,
    pub(super) buffer: Vec<u8>,
}

type Job<'a> = Box<dyn FnOnce(&mut Worker) + Send + 'a>;

/// Work to do.
pub(super) struct Pool<'a> {
    queue: Mutex<Queue<'a>>,
    changed: Condvar,
}

struct Queue<'a> {
    /// What is to be done before all else.
    urgent: VecDeque<Job<'a>>,
    jobs: VecDeque<Job<'a>>,
    closed: bool,
}

/// An answer to come.
pub(super) struct Ticket<T>(Receiver<Result<T, Error>>);

impl<T> Ticket<T> {
    /// Waits for the answer.
    pub(super) fn wait(self) -> Result<T, Error> {
        self.0.recv().unwrap_or(Err(Error::Thread))
    }

    /// The answer, if it is there.
    pub(super) fn poll(&self) -> Option<Result<T, Error>> {
        match self.0.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(Error::Thread)),
        }
    }
}

impl<'a> Pool<'a> {
    /// Does `work` with a thread for each codec at its service.
    pub(super) fn run<T>(codecs: Vec<Codec>, work: impl FnOnce(&Self) -> T) -> T {
        let queue = Queue { urgent: VecDeque::new(), jobs: VecDeque::new(), closed: false };
        let pool = Self { queue: Mutex::new(queue), changed: Condvar::new() };
        thread::scope(|scope| {
            let pool = &pool;
            for codec in codecs {
                scope.spawn(move || pool.serve(Worker { codec, buffer: Vec::new() }));
            }
            let _close = Close(pool);
            work(pool)
        })
    }

    /// Has something done, before all else or after what was asked for before.
    pub(super) fn ask<T: Send + 'a>(
        &self,
        urgent: bool,
        work: impl FnOnce(&mut Worker) -> Result<T, Error> + Send + 'a,
    ) -> Ticket<T> {
        let (sender, receiver) = channel();
        let job = Box::new(move |worker: &mut Worker| {
            // Nobody may wait any more, since something else failed.
            let _ = sender.send(work(worker));
        });
        let mut queue = self.lock();
        let list = if urgent { &mut queue.urgent } else { &mut queue.jobs };
        list.push_back(job);
        drop(queue);
        self.changed.notify_one();
        Ticket(receiver)
    }

    fn serve(&self, mut worker: Worker) {
        let _close = Close(self);
        while let Some(job) = self.next() {
            job(&mut worker);
        }
    }

    fn next(&self) -> Option<Job<'a>> {
        let mut queue = self.lock();
        loop {
            let Queue { urgent, jobs, closed } = &mut *queue;
            if *closed {
                return None;
            }
            if let Some(job) = urgent.pop_front().or_else(|| jobs.pop_front()) {
                return Some(job);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<'a>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever leaves closes the pool: when all is done, or when something went wrong, so that nobody
/// waits for an answer that does not come.
struct Close<'p, 'a>(&'p Pool<'a>);

impl Drop for Close<'_, '_> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        let unasked = (mem::take(&mut queue.urgent), mem::take(&mut queue.jobs));
        drop(queue);
        drop(unasked);
        self.0.changed.notify_all();
    }
}
