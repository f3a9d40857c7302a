//! Visits all paths that can be reached from some roots, on several threads.
//!
//! What a path refers to is known only once it was read, so the work is found as it is done: idle
//! threads wait until another one finds a path that nobody has taken yet.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use layering::StorePath;

/// What the threads share.
struct State<T, E> {
    seen: HashSet<StorePath>,
    waiting: Vec<StorePath>,
    /// Threads that may still find something.
    busy: usize,
    done: Vec<T>,
    /// Of several failures that of the first path is kept.
    failed: Option<(StorePath, E)>,
}

struct Work<T, E> {
    state: Mutex<State<T, E>>,
    changed: Condvar,
}

/// What `visit` returns for each path that can be reached, in no particular order; the paths in
/// the second part of its result are visited too. Each thread has a reader of its own.
pub(super) fn reachable<R: Default, T: Send, E: Send>(
    roots: &[StorePath],
    threads: NonZeroUsize,
    visit: impl Fn(&mut R, &StorePath) -> Result<(T, Vec<StorePath>), E> + Sync,
) -> Result<Vec<T>, E> {
    let seen: HashSet<StorePath> = roots.iter().cloned().collect();
    let waiting = seen.iter().cloned().collect();
    let state = State { seen, waiting, busy: 0, done: Vec::new(), failed: None };
    let work = Work { state: Mutex::new(state), changed: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 1..threads.get() {
            scope.spawn(|| work.run(&visit));
        }
        work.run(&visit);
    });
    let state = work.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.failed {
        Some((_, error)) => Err(error),
        None => Ok(state.done),
    }
}

impl<T, E> Work<T, E> {
    fn run<R: Default>(
        &self,
        visit: &impl Fn(&mut R, &StorePath) -> Result<(T, Vec<StorePath>), E>,
    ) {
        let mut reader = R::default();
        while let Some(path) = self.take() {
            let result = visit(&mut reader, &path);
            let mut state = self.lock();
            state.busy -= 1;
            match result {
                Ok((value, found)) => {
                    state.done.push(value);
                    for path in found {
                        if state.seen.insert(path.clone()) {
                            state.waiting.push(path);
                        }
                    }
                }
                Err(error) => {
                    if state.failed.as_ref().is_none_or(|(first, _)| path < *first) {
                        state.failed = Some((path, error));
                    }
                }
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// The next path, as soon as there is one; none when all is done or something failed.
    fn take(&self) -> Option<StorePath> {
        let mut state = self.lock();
        loop {
            if state.failed.is_some() {
                return None;
            }
            if let Some(path) = state.waiting.pop() {
                state.busy += 1;
                return Some(path);
            }
            if state.busy == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A thread that panicked ends the whole scan, so nobody sees what it left behind.
    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(number: u32) -> StorePath {
        format!("{number:032}-n").parse().unwrap()
    }

    fn number(path: &StorePath) -> u32 {
        path.hash().parse().unwrap()
    }

    #[test]
    fn each_path_is_visited_once_on_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let visit = |(): &mut (), at: &StorePath| {
                let at = number(at);
                let next = [2 * at, 2 * at + 1, at].into_iter().filter(|n| *n < 500).map(path);
                Ok::<_, ()>((at, next.collect()))
            };
            let mut seen =
                reachable(&[path(1), path(1)], threads.try_into().unwrap(), visit).unwrap();
            seen.sort_unstable();
            assert_eq!(seen, (1..500).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_failure_ends_it() {
        let visit = |(): &mut (), at: &StorePath| match number(at) {
            9 => Err("nine"),
            at => Ok((at, vec![path(at + 1)])),
        };
        assert_eq!(reachable(&[path(1)], 3.try_into().unwrap(), visit), Err("nine"));
    }
}
