//! Bits into a deflate stream, the lowest of each byte first (RFC 1951 section 3.1.1).

/// Writes a stream bit by bit.
#[derive(Default)]
pub(super) struct BitWriter {
    /// What is written, and room behind it.
    out: Vec<u8>,
    /// Where the next whole byte goes.
    at: usize,
    buffer: u64,
    held: u32,
}

impl BitWriter {
    /// Makes room for so many bits; no more may be put before the next call.
    pub(super) fn reserve(&mut self, bits: usize) {
        self.out.resize(self.at + bits / 8 + 16, 0);
    }

    /// Puts the lowest `count` bits; the others must be 0. Between two calls of
    /// [`flush`](Self::flush) there is room for 56.
    #[inline]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.buffer |= bits << self.held;
        self.held += count;
    }

    /// Writes the whole bytes of what was put.
    #[inline]
    pub(super) fn flush(&mut self) {
        if let Some(room) = self.out.get_mut(self.at..self.at + 8) {
            room.copy_from_slice(&self.buffer.to_le_bytes());
        }
        self.at += self.held as usize / 8;
        self.buffer >>= self.held & !7;
        self.held &= 7;
    }

    /// Puts zeros up to the next whole byte.
    pub(super) fn align(&mut self) {
        self.put(0, self.held.wrapping_neg() & 7);
        self.flush();
    }

    /// Writes bytes; the stream must be at a whole one.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.truncate(self.at);
        self.out.extend_from_slice(bytes);
        self.at = self.out.len();
        self.reserve(0);
    }

    /// What was written, and begins anew. The stream must be at a whole byte.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let out = self.out[..self.at].to_vec();
        self.at = 0;
        out
    }
}
