//! What happens to each blob, as it happens, for whoever draws bars or writes lines.
//!
//! A blob ends with exactly one of [`Event::Present`], [`Event::Mounted`] and [`Event::Done`], or with an error.
//! Between `Started` and `Done` the sum of `Sent` and `Resumed` less the sum of `Rewound` is the number of bytes that
//! count, so a bar that follows all three never runs over its end.

use std::time::Duration;

use crate::{Digest, Error};

/// Something that happened to a blob.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The registry lacks the blob and its upload begins.
    Started {
        /// Which blob.
        digest: &'a Digest,
        /// All its bytes.
        size: u64,
    },
    /// More bytes were handed to the connection.
    Sent {
        /// Which blob.
        digest: &'a Digest,
        /// How many since the last event.
        bytes: u64,
    },
    /// The registry has so many bytes of the blob from before, perhaps from another run, and they are not sent again.
    Resumed {
        /// Which blob.
        digest: &'a Digest,
        /// How many.
        bytes: u64,
    },
    /// An attempt failed and the upload starts again: so many bytes no longer count.
    Rewound {
        /// Which blob.
        digest: &'a Digest,
        /// All bytes sent by the failed attempt.
        bytes: u64,
    },
    /// Something failed that may pass, and is tried again after a while.
    Retrying {
        /// What failed.
        error: &'a Error,
        /// How long until then.
        wait: Duration,
    },
    /// The registry has the blob already.
    Present {
        /// Which blob.
        digest: &'a Digest,
    },
    /// The registry took the blob over from another of its repositories.
    Mounted {
        /// Which blob.
        digest: &'a Digest,
    },
    /// The blob was uploaded.
    Done {
        /// Which blob.
        digest: &'a Digest,
    },
}

/// Someone who wants to know; called from several threads at once.
pub trait Progress: Sync {
    /// Takes note of `event`. Uploads wait for it, so it should return at once.
    fn report(&self, event: Event<'_>);
}

/// Nobody wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _: Event<'_>) {}
}
