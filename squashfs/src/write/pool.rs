//! Threads that work on what they are given, and answers that come when they are asked for. Whoever
//! waits for an answer works meanwhile: that makes it one of the threads.

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
    /// What whoever waits works with.
    own: Mutex<Worker>,
}

#[derive(Default)]
struct Queue<'a> {
    /// What is to be done before all else.
    urgent: VecDeque<Job<'a>>,
    jobs: VecDeque<Job<'a>>,
    /// How many threads have nothing to do.
    idle: usize,
    closed: bool,
}

/// An answer to come.
pub(super) struct Ticket<T>(Receiver<Result<T, Error>>);

impl<T> Ticket<T> {
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
    /// Does `work` with as many threads at its service as there are codecs, this one among them.
    pub(super) fn run<T>(own: Codec, others: Vec<Codec>, work: impl FnOnce(&Self) -> T) -> T {
        let pool = Self {
            queue: Mutex::default(),
            changed: Condvar::new(),
            own: Mutex::new(Worker::new(own)),
        };
        thread::scope(|scope| {
            let pool = &pool;
            for codec in others {
                scope.spawn(move || pool.serve(Worker::new(codec)));
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
        let mut queue = lock(&self.queue);
        let list = if urgent { &mut queue.urgent } else { &mut queue.jobs };
        list.push_back(job);
        let wake = queue.idle > 0;
        drop(queue);
        if wake {
            self.changed.notify_one();
        }
        Ticket(receiver)
    }

    /// Waits for an answer, at work unless there is none.
    pub(super) fn wait<T>(&self, ticket: &Ticket<T>) -> Result<T, Error> {
        loop {
            if let Some(answer) = ticket.poll() {
                return answer;
            }
            let job = lock(&self.queue).take();
            match job {
                Some(job) => job(&mut lock(&self.own)),
                None => return ticket.0.recv().unwrap_or(Err(Error::Thread)),
            }
        }
    }

    fn serve(&self, mut worker: Worker) {
        let _close = Close(self);
        while let Some(job) = self.next() {
            job(&mut worker);
        }
    }

    fn next(&self) -> Option<Job<'a>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.take() {
                return Some(job);
            }
            queue.idle += 1;
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

impl<'a> Queue<'a> {
    fn take(&mut self) -> Option<Job<'a>> {
        self.urgent.pop_front().or_else(|| self.jobs.pop_front())
    }
}

impl Worker {
    fn new(codec: Codec) -> Self {
        Self { codec, buffer: Vec::new() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever leaves closes the pool: when all is done, or when something went wrong, so that nobody
/// waits for an answer that does not come.
struct Close<'p, 'a>(&'p Pool<'a>);

impl Drop for Close<'_, '_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.closed = true;
        let unasked = (mem::take(&mut queue.urgent), mem::take(&mut queue.jobs));
        drop(queue);
        drop(unasked);
        self.0.changed.notify_all();
    }
}
