//! zstd: one frame for each block (RFC 8878 section 3: frames may be concatenated).

use std::io;

use ::zstd::bulk::Compressor;

/// Raised whenever the same input would give other bytes.
pub(super) const VERSION: u32 = 1;

/// Makes frames, all with one context: a new one for each frame would have its tables, some
/// megabytes, asked of the system and cleared by it each time.
#[derive(Default)]
pub(super) struct Frames(Option<Compressor<'static>>);

impl Frames {
    pub(super) fn frame(&mut self, level: i32, input: &[u8]) -> io::Result<Vec<u8>> {
        let compressor = match &mut self.0 {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(level)?),
        };
        compressor.set_compression_level(level)?;
        compressor.compress(input)
    }
}
