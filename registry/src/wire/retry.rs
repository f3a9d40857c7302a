//! Which failures pass by themselves, and how long to wait for that.
//!
//! All policy is here: what is tried again is decided by the error, not by the place where it happened.

use std::thread;
use std::time::Duration;

use crate::Error;

/// Tries in all, the first included.
const TRIES: u32 = 4;
/// The longest wait that a server can make us take. Docker Hub asks for 60 s.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// How patient to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// The wait before the second try; it doubles from then on.
    pub(crate) first_wait: Duration,
}

impl Policy {
    /// Runs `attempt` until it succeeds, fails for good, or has been tried often enough.
    pub(crate) fn run<T>(self, mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        let mut wait = self.first_wait;
        for _ in 1..TRIES {
            match attempt() {
                Err(error) if is_transient(&error) => {
                    thread::sleep(asked_for(&error).unwrap_or(wait).min(MAX_WAIT));
                    wait *= 2;
                }
                result => return result,
            }
        }
        attempt()
    }
}

/// Whether the same request may well succeed a little later.
pub(crate) fn is_transient(error: &Error) -> bool {
    match error {
        Error::Connection { .. } | Error::Interrupted { .. } | Error::Stalled { .. } => true,
        // 501 says that it never will.
        Error::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502..),
        _ => false,
    }
}

fn asked_for(error: &Error) -> Option<Duration> {
    match error {
        Error::Refused { retry_after, .. } => *retry_after,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Error {
        Error::Refused {
            action: "try".to_owned(),
            host: "host".to_owned(),
            status,
            words: String::new(),
            retry_after: Some(Duration::ZERO),
            authorized: false,
        }
    }

    fn tries(status: u16, successes_after: u32) -> (u32, bool) {
        let mut count = 0;
        let policy = Policy { first_wait: Duration::from_secs(3600) };
        let result = policy.run(|| {
            count += 1;
            if count > successes_after { Ok(()) } else { Err(refused(status)) }
        });
        (count, result.is_ok())
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(tries(status, 2), (3, true), "{status}");
            assert_eq!(tries(status, 9), (4, false), "{status}");
        }
        for status in [400, 401, 403, 404, 413, 501] {
            assert_eq!(tries(status, 9), (1, false), "{status}");
        }
    }
}
