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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_came_before_does_not_show(
            blocks in prop::collection::vec(
                (prop::collection::vec(0_u8..40, 0..30_000), 1_usize..30, 1_i32..=19), 1..8),
        ) {
            let mut frames = Frames::default();
            for (input, repeat, level) in blocks {
                let input = input.repeat(repeat);
                let fresh = ::zstd::bulk::compress(&input, level).unwrap();
                prop_assert_eq!(frames.frame(level, &input).unwrap(), fresh);
            }
        }
    }
}
