//! Which failures pass by themselves, how long to wait for that, and when to give up.
//!
//! All policy is here: what is tried again is decided by the error, not by the place where it happened. Waits double
//! and are spread, so that a hundred clients which a registry turned away do not come back at the same moment; a wait
//! that the far side asks for (`Retry-After`, RFC 9110 section 10.2.3) is kept. What advances is never given up: only
//! failures without any progress between them are counted.

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, Event, Progress, Silent};

/// Tries in all, the first included.
const TRIES: u32 = 6;
/// As many while nobody has answered at all: a name with a typo should not cost half a minute.
const CONNECT_TRIES: u32 = 4;
/// The longest wait of our own choice.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait that a server can make us take. Docker Hub asks for 60 s.
const LONGEST_ASKED: Duration = Duration::from_secs(120);
/// So many new bytes in place are progress. Less would let a far side keep us for ever, byte by byte.
const ADVANCE: u64 = 1 << 20;

/// A moment at which all work is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    end: Instant,
    limit: Duration,
}

impl Deadline {
    /// So long from now.
    pub fn after(limit: Duration) -> Self {
        let now = Instant::now();
        // What the clock cannot hold is as good as a century.
        let end = now.checked_add(limit).unwrap_or(now + Duration::from_secs(100 * 365 * 86400));
        Self { end, limit }
    }

    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }
}

/// How patient to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// The wait before the second try; it doubles from then on.
    pub(crate) first_wait: Duration,
    pub(crate) deadline: Option<Deadline>,
}

impl Policy {
    /// Runs `attempt` until it succeeds, fails for good, or has been tried often enough.
    pub(crate) fn run<T>(&self, attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        self.run_advancing(&Silent, || 0, attempt)
    }

    /// The same for work that continues where it broke: `position` says how far it is, in bytes.
    pub(crate) fn run_advancing<T>(
        &self,
        progress: &dyn Progress,
        position: impl Fn() -> u64,
        mut attempt: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (mut tries, mut reached) = (0, position());
        loop {
            let error = match attempt() {
                Err(error) if is_transient(&error) => error,
                result => return result,
            };
            if position() >= reached.saturating_add(ADVANCE) {
                (tries, reached) = (0, position());
            }
            tries += 1;
            if tries >= if is_unreachable(&error) { CONNECT_TRIES } else { TRIES } {
                return Err(error);
            }
            let wait = asked_for(&error).unwrap_or_else(|| self.wait(tries));
            if let Some(deadline) = self.deadline.filter(|deadline| deadline.left() < wait) {
                return Err(Error::Deadline {
                    limit: deadline.limit(),
                    source: Some(error.into()),
                });
            }
            progress.report(Event::Retrying { error: &error, wait });
            thread::sleep(wait);
        }
    }

    /// Waits as after the first failure.
    pub(crate) fn pause(&self, error: &Error) {
        let wait = asked_for(error).unwrap_or_else(|| self.wait(1));
        thread::sleep(self.deadline.map_or(wait, |deadline| deadline.left().min(wait)));
    }

    /// The wait after so many failures: doubled each time, and spread by a quarter to either side.
    fn wait(&self, failures: u32) -> Duration {
        let doubled = self.first_wait.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST);
        // A hasher's random seed is entropy enough, and needs no crate.
        let random = RandomState::new().hash_one(0) % 512;
        doubled.mul_f64(0.75 + f64::from(u32::try_from(random).unwrap_or_default()) / 1024.0)
    }
}

/// Whether the same request may well succeed a little later.
pub(crate) fn is_transient(error: &Error) -> bool {
    match error {
        Error::Connection { .. } | Error::Interrupted { .. } | Error::Stalled { .. } => true,
        Error::Refused { status, .. } => is_transient_status(*status),
        _ => false,
    }
}

/// 501 and 505 say that it never will, 507 that the disk is full, 511 that a captive portal wants a login. From 520 on
/// they are a proxy's words for a registry that it cannot reach.
fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 499 | 500 | 502..=504 | 520..=530)
}

fn is_unreachable(error: &Error) -> bool {
    matches!(error, Error::Connection { source, .. } if source.is_connect())
}

fn asked_for(error: &Error) -> Option<Duration> {
    match error {
        Error::Refused { retry_after, .. } => retry_after.map(|wait| wait.min(LONGEST_ASKED)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn refused(code: u16) -> Error {
        let mut error = Error::refused(code);
        if let Error::Refused { retry_after, .. } = &mut error {
            *retry_after = Some(Duration::ZERO);
        }
        error
    }

    const POLICY: Policy = Policy { first_wait: Duration::from_secs(3600), deadline: None };

    fn tries(status: u16, successes_after: u32) -> (u32, bool) {
        let mut count = 0;
        let result = POLICY.run(|| {
            count += 1;
            if count > successes_after { Ok(()) } else { Err(refused(status)) }
        });
        (count, result.is_ok())
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [408, 425, 429, 500, 502, 503, 504, 522] {
            assert_eq!(tries(status, 4), (5, true), "{status}");
            assert_eq!(tries(status, 9), (6, false), "{status}");
        }
        for status in [400, 401, 403, 404, 413, 501, 505, 507, 511] {
            assert_eq!(tries(status, 9), (1, false), "{status}");
        }
    }

    #[test]
    fn what_advances_is_never_given_up() {
        let position = Cell::new(0);
        let result = POLICY.run_advancing(
            &Silent,
            || position.get(),
            || {
                position.set(position.get() + ADVANCE);
                if position.get() > 50 * ADVANCE { Ok(()) } else { Err(refused(503)) }
            },
        );
        assert!(result.is_ok());
        assert_eq!(position.get(), 51 * ADVANCE);
    }

    #[test]
    fn waits_double_within_bounds() {
        let policy = Policy { first_wait: Duration::from_secs(1), deadline: None };
        for (failures, middle) in [(1, 1), (2, 2), (3, 4), (9, 30), (60, 30)] {
            let wait = policy.wait(failures).as_secs_f64() / f64::from(middle);
            assert!((0.75..=1.25).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn nothing_waits_beyond_the_deadline() {
        let policy = Policy { deadline: Some(Deadline::after(Duration::from_secs(60))), ..POLICY };
        let later = || {
            let mut error = refused(503);
            if let Error::Refused { retry_after, .. } = &mut error {
                *retry_after = Some(Duration::from_secs(90));
            }
            Err::<(), _>(error)
        };
        assert!(matches!(policy.run(later), Err(Error::Deadline { source: Some(_), .. })));
    }
}
