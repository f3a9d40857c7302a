//! How a blob's bytes are sent, and which way is tried after one that a registry refuses.
//!
//! | method | requests | known to need it |
//! |---|---|---|
//! | whole | POST, PUT with the body | nobody; every registry sees it all day from containerd and `BuildKit` |
//! | stream | POST, one PATCH without a range, empty PUT | docker's way, for those that take no body with PUT |
//! | chunks | POST, PATCH for each piece, empty PUT | bodies limited by a registry or a proxy before it |

use serde::{Deserialize, Serialize};

use crate::Error;

/// Chunks before anybody complained: few enough round trips, little enough to lose.
pub(crate) const FIRST_CHUNK: u64 = 32 << 20;
/// GHCR takes no more with a range.
const SMALL_CHUNK: u64 = 4 << 20;
/// Below this a limit on bodies is no limit but a refusal.
const LEAST_CHUNK: u64 = 256 << 10;

/// How a blob's bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Method {
    Whole,
    Stream,
    Chunks { size: u64 },
}

impl Method {
    /// The next method after a refusal of this one with `error`, for a blob of `blob` bytes of which `body` were sent
    /// with the request. `seen` such refusals came before. `None` if the refusal was not about the method.
    pub(crate) fn after(
        self,
        error: &Error,
        blob: u64,
        body: u64,
        least: u64,
        seen: u32,
    ) -> Option<Self> {
        let Error::Refused { status, .. } = error else { return None };
        let chunks = |size: u64| {
            let size = size.max(least);
            (size >= LEAST_CHUNK && size < blob).then_some(Self::Chunks { size })
        };
        match (self, *status) {
            // Too much at once.
            (Self::Chunks { size }, 416) if size > SMALL_CHUNK => {
                chunks(SMALL_CHUNK).filter(|next| *next != self)
            }
            (_, 413) | (Self::Chunks { .. }, 416) => {
                chunks(FIRST_CHUNK.min(body / 2)).filter(|next| *next != self)
            }
            // No such method, type or length.
            (Self::Whole, 405 | 411 | 415 | 501) => Some(Self::Stream),
            // Or plain failure, which may also pass by itself: once is no sign.
            (Self::Whole, 404 | 500) if seen > 0 => Some(Self::Stream),
            (Self::Stream, 404 | 405 | 411 | 415 | 500 | 501) if seen > 0 => chunks(FIRST_CHUNK),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn body(method: Method, blob: u64) -> u64 {
        if let Method::Chunks { size } = method { size.min(blob) } else { blob }
    }

    fn after(method: Method, status: u16, blob: u64, seen: u32) -> Option<Method> {
        method.after(&Error::refused(status), blob, body(method, blob), 0, seen)
    }

    #[test]
    fn refusals_lead_to_the_next_method() {
        let chunks = |size| Some(Method::Chunks { size });
        for status in [405, 411, 415, 501] {
            assert_eq!(after(Method::Whole, status, 100, 0), Some(Method::Stream));
        }
        for status in [404, 500] {
            assert_eq!(after(Method::Whole, status, 100, 0), None, "it may pass");
            assert_eq!(after(Method::Whole, status, 100, 1), Some(Method::Stream));
        }
        assert_eq!(after(Method::Whole, 403, 100 * MIB, 9), None);
        assert_eq!(after(Method::Whole, 413, 100 * MIB, 0), chunks(FIRST_CHUNK));
        assert_eq!(after(Method::Whole, 413, 20 * MIB, 0), chunks(10 * MIB));
        assert_eq!(after(Method::Whole, 413, 1000, 0), None, "nothing is that small");
        let large = Method::Chunks { size: 32 * MIB };
        assert_eq!(after(large, 413, 100 * MIB, 0), chunks(16 * MIB));
        assert_eq!(large.after(&Error::refused(413), 100 * MIB, 0, 0, 0), None, "a PUT of nothing");
        assert_eq!(after(large, 416, 100 * MIB, 0), chunks(SMALL_CHUNK));
        let small = Method::Chunks { size: SMALL_CHUNK };
        assert_eq!(after(small, 416, 100 * MIB, 0), chunks(2 * MIB));
    }

    #[test]
    fn a_registrys_own_minimum_holds() {
        let method = Method::Chunks { size: 8 * MIB };
        assert_eq!(method.after(&Error::refused(413), 100 * MIB, 8 * MIB, 8 * MIB, 0), None);
    }
}
