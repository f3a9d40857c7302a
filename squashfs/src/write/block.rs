//! One block of data, ready to be stored.

use super::Error;
use super::codec::Codec;
use crate::format::BLOCK_PLAIN;

/// A data block or a fragment as it is stored.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// Its length, with [`BLOCK_PLAIN`] if it is not compressed; 0 for a block of zeros, of which
    /// nothing is stored.
    pub(super) size: u32,
    /// How many zeros it then has.
    pub(super) zeros: u64,
}

impl Block {
    /// A block of a file.
    pub(super) fn data(codec: &mut Codec, bytes: &[u8]) -> Result<Self, Error> {
        if is_zero(bytes) {
            return Ok(Self { bytes: Vec::new(), size: 0, zeros: bytes.len() as u64 });
        }
        Self::fragment(codec, bytes)
    }

    /// A fragment, which has no form without bytes.
    pub(super) fn fragment(codec: &mut Codec, bytes: &[u8]) -> Result<Self, Error> {
        let compressed = codec.compress(bytes)?;
        let (stored, bit) = compressed.map_or((bytes, BLOCK_PLAIN), |bytes| (bytes, 0));
        let length = u32::try_from(stored.len()).unwrap_or_default();
        Ok(Self { bytes: stored.to_vec(), size: length | bit, zeros: 0 })
    }
}

/// Most blocks differ from zero early on; the rest is compared by the word.
fn is_zero(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<16>();
    chunks.iter().all(|chunk| u128::from_ne_bytes(*chunk) == 0)
        && rest.iter().all(|byte| *byte == 0)
}
