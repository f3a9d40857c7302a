//! How much may come out of packed bytes: no image that anybody ever made is [`MAX_RATIO`] times smaller than what is in
//! it, but a few kilobytes of nothing but zeros are.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many times as much as goes in may come out.
pub const MAX_RATIO: u64 = 200;
/// But this much may, however little goes in.
const ALWAYS: u64 = 256 << 20;

/// Packed bytes out of which more comes than out of any image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "more than {unpacked} bytes come out of {packed}: over {MAX_RATIO} times as many is no image but a bomb"
)]
pub struct Bomb {
    /// Bytes that were read.
    pub packed: u64,
    /// Bytes that came out of them.
    pub unpacked: u64,
}

impl Bomb {
    /// Fails if so much has come out of so few bytes.
    pub(crate) fn check(packed: u64, unpacked: u64) -> io::Result<()> {
        if unpacked > ALWAYS && unpacked / MAX_RATIO > packed {
            return Err(io::Error::other(Self { packed, unpacked }));
        }
        Ok(())
    }

    /// Whether it is what went wrong.
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Self>)
    }
}

/// Counts the bytes that are read, for whoever looks at what comes out of them.
pub(crate) struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    pub(crate) fn new(inner: R) -> (Self, Arc<AtomicU64>) {
        let count = Arc::default();
        (Self { inner, count: Arc::clone(&count) }, count)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
