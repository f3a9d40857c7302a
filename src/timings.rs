//! Where time goes: which thread did what for how long.
//!
//! A thread that is watched has a clock, which is always in one [`Stage`]: beginning another stops
//! the one before, so that the stages of a thread add up to its life. Threads that it starts ask for
//! a clock of their own. Where nobody watches, [`time`] finds that the thread has none, and that is
//! all it costs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a thread can be busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// All that comes before layers: closure, plan, questions to registries.
    Plan,
    /// Reading the contents of files.
    Read,
    /// Walking directories, opening files, tar headers, moving bytes.
    Tar,
    /// SHA-256 of layers, blobs, NARs and files that may be the same.
    Hash,
    /// Compressing.
    Compress,
    /// Waiting for others.
    Wait,
    /// Writing blobs and archives.
    Write,
    /// Sending to a registry, its answers included.
    Upload,
}

impl Stage {
    /// In the order of the work.
    pub const ALL: [Self; 8] = [
        Self::Plan,
        Self::Read,
        Self::Tar,
        Self::Hash,
        Self::Compress,
        Self::Wait,
        Self::Write,
        Self::Upload,
    ];

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Read => "read",
            Self::Tar => "tar",
            Self::Hash => "hash",
            Self::Compress => "compress",
            Self::Wait => "wait",
            Self::Write => "write",
            Self::Upload => "upload",
        }
    }
}

/// What one stage came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How long it took.
    pub time: Duration,
    /// How much went through, where that is counted.
    pub bytes: u64,
}

/// What all stages came to, in the order of [`Stage::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages([Spent; Stage::ALL.len()]);

impl Stages {
    /// What a stage came to.
    pub fn of(&self, stage: Stage) -> Spent {
        self.0[stage as usize]
    }

    /// The time of all stages together.
    pub fn time(&self) -> Duration {
        self.0.iter().map(|spent| spent.time).sum()
    }

    /// Adds others to these.
    pub fn add(&mut self, others: &Self) {
        for (spent, other) in self.0.iter_mut().zip(others.0) {
            spent.time += other.time;
            spent.bytes = spent.bytes.saturating_add(other.bytes);
        }
    }
}

/// The clock of one thread.
#[derive(Debug)]
struct Clock {
    stage: Stage,
    since: Instant,
    spent: Stages,
}

impl Clock {
    fn new(stage: Stage, now: Instant) -> Self {
        Self { stage, since: now, spent: Stages::default() }
    }

    /// Goes on with another stage; answers which one ends.
    fn switch(&mut self, stage: Stage, now: Instant) -> Stage {
        self.spent.0[self.stage as usize].time += now.saturating_duration_since(self.since);
        self.since = now;
        std::mem::replace(&mut self.stage, stage)
    }
}

/// What all threads spent. Copies are of the same.
#[derive(Clone, Debug, Default)]
pub struct Timings(Arc<Mutex<Ledger>>);

#[derive(Debug, Default)]
struct Ledger {
    /// Threads that have ended, and are to be gone on with under the same name.
    spent: BTreeMap<(&'static str, usize), Stages>,
    /// Those that run.
    running: BTreeSet<(&'static str, usize)>,
}

impl Timings {
    /// Watches this thread until the value that is returned is dropped. It is called by its kind
    /// and the lowest number that is free, from 1.
    pub fn watch(&self, kind: &'static str, stage: Stage) -> Watched {
        let mut ledger = lock(&self.0);
        let mut name = (kind, 1);
        while ledger.running.contains(&name) {
            name.1 += 1;
        }
        ledger.running.insert(name);
        drop(ledger);
        let clock = Clock::new(stage, Instant::now());
        let running = Running { timings: self.clone(), name, clock };
        LANE.with_borrow_mut(|lane| *lane = Some(running));
        Watched(PhantomData)
    }

    /// What was spent by threads that are no longer watched: `compressor 1`, and what it spent.
    pub fn threads(&self) -> Vec<(String, Stages)> {
        let ledger = lock(&self.0);
        let threads = ledger.spent.iter();
        threads.map(|((kind, number), spent)| (format!("{kind} {number}"), *spent)).collect()
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    static LANE: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// A thread being watched.
#[derive(Debug)]
struct Running {
    timings: Timings,
    name: (&'static str, usize),
    clock: Clock,
}

/// The thread may be ending, with whatever it was watched for.
impl Drop for Running {
    fn drop(&mut self) {
        self.clock.switch(self.clock.stage, Instant::now());
        let mut ledger = lock(&self.timings.0);
        ledger.running.remove(&self.name);
        ledger.spent.entry(self.name).or_default().add(&self.clock.spent);
    }
}

/// Ends the watch over this thread when dropped; stays with the thread.
#[derive(Debug)]
#[must_use]
pub struct Watched(PhantomData<*const ()>);

impl Drop for Watched {
    fn drop(&mut self) {
        unwatch();
    }
}

/// Ends the watch over this thread, if there is one.
fn unwatch() {
    let running = LANE.with_borrow_mut(Option::take);
    drop(running);
}

/// For threads that this one starts: whether it is watched, and what it is doing.
#[derive(Clone, Debug)]
pub(crate) struct Origin(Option<(Timings, Stage)>);

/// What this thread hands on to those that it starts.
pub(crate) fn origin() -> Origin {
    LANE.with_borrow(|lane| {
        Origin(lane.as_ref().map(|running| (running.timings.clone(), running.clock.stage)))
    })
}

impl Origin {
    /// Watches this thread, if the one that started it was; it begins with what that was doing.
    pub(crate) fn watch(&self, kind: &'static str) -> Option<Watched> {
        self.0.as_ref().map(|(timings, stage)| timings.watch(kind, *stage))
    }

    /// As [`Self::watch`], beginning with `stage`.
    pub(crate) fn watch_in(&self, kind: &'static str, stage: Stage) -> Option<Watched> {
        self.0.as_ref().map(|(timings, _)| timings.watch(kind, stage))
    }

    /// As [`Self::watch_in`] for a thread that nobody else watches, until [`end`].
    pub(crate) fn begin(&self, kind: &'static str, stage: Stage) {
        if LANE.with_borrow(Option::is_none)
            && let Some(watched) = self.watch_in(kind, stage)
        {
            std::mem::forget(watched);
        }
    }

    /// Does again what the thread that began this did, within another stage of it.
    pub(crate) fn resume<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some((_, stage)) => time(*stage, work),
            None => work(),
        }
    }
}

/// Ends the watch over this thread as one of that kind.
pub(crate) fn end(kind: &'static str) {
    if LANE.with_borrow(|lane| lane.as_ref().is_some_and(|running| running.name.0 == kind)) {
        unwatch();
    }
}

/// Does some work, which is of this stage.
pub fn time<T>(stage: Stage, work: impl FnOnce() -> T) -> T {
    let _within = Within(switch(stage));
    work()
}

/// Counts bytes that went through a stage.
pub(crate) fn count(stage: Stage, bytes: usize) {
    LANE.with_borrow_mut(|lane| {
        if let Some(running) = lane {
            let spent = &mut running.clock.spent.0[stage as usize];
            spent.bytes = spent.bytes.saturating_add(bytes as u64);
        }
    });
}

fn switch(stage: Stage) -> Option<Stage> {
    LANE.with_borrow_mut(|lane| {
        lane.as_mut().map(|running| running.clock.switch(stage, Instant::now()))
    })
}

/// Returns to the stage before, however the work ends.
struct Within(Option<Stage>);

impl Drop for Within {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            switch(before);
        }
    }
}

#[cfg(test)]
mod tests;
