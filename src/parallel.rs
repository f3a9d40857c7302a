//! The same work for many things, on several threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::timings::{self, Stage, time};

/// What `work` says for each number, sorted by number; `order` is that of beginning. Nothing is
/// begun after a failure, and of several failures that of the lowest number is told.
pub(crate) fn in_parallel<T: Send, E: Send>(
    order: &[usize],
    threads: usize,
    work: impl Fn(usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results = Mutex::new(Vec::with_capacity(order.len()));
    let origin = timings::origin();
    let worker = || {
        let _watched = origin.watch("worker");
        while !failed.load(Ordering::Relaxed)
            && let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let result = work(index);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    time(Stage::Wait, || {
        thread::scope(|scope| {
            for _ in 0..threads.min(order.len()) {
                scope.spawn(worker);
            }
        });
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
