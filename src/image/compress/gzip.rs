//! gzip: raw deflate blocks, each but the last ended by a sync flush, in **one** gzip member, since
//! some stream readers stop after the first (RFC 1952 section 2.2; RFC 1951 section 3.2.4 for the
//! empty stored block that a flush leaves).

use std::io;

use flate2::{Compress, Crc, FlushCompress, Status};

/// Raised whenever the same input would give other bytes.
pub(super) const VERSION: u32 = 1;

/// Magic, deflate, no flags, no time, no extra flags, unknown system (RFC 1952 section 2.3).
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// What closes the member: CRC-32 and length of what went in.
pub(super) fn trailer(crc: &Crc) -> Vec<u8> {
    [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat()
}

/// Makes the deflate stream of a member, block by block.
#[derive(Default)]
pub(super) struct Deflate;

impl Deflate {
    #[allow(clippy::unused_self)]
    pub(super) fn block(&mut self, level: u32, input: &[u8], last: bool) -> io::Result<Vec<u8>> {
        // State is fresh for each block: a reset zlib-rs or zlib-ng may remember what it saw
        // before, and the bytes would depend on which thread compressed what.
        let mut state = Compress::new(flate2::Compression::new(level), false);
        let flush = if last { FlushCompress::Finish } else { FlushCompress::Sync };
        let mut out = Vec::with_capacity(input.len() / 2 + 1024);
        loop {
            let consumed = usize::try_from(state.total_in()).map_err(io::Error::other)?;
            let status = state.compress_vec(&input[consumed..], &mut out, flush)?;
            // A flush is done when output room is left over.
            if status == Status::StreamEnd || (!last && out.len() < out.capacity()) {
                return Ok(out);
            }
            out.reserve(out.capacity());
        }
    }
}
