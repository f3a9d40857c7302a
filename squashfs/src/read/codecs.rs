//! The codecs that the writer has too, for readers of images within the tool.

use std::fmt;

use super::Decompress;
use crate::format::Compressor;

/// Decompresses by libzstd and libdeflate.
#[derive(Default)]
pub struct Codecs {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    zlib: Option<libdeflater::Decompressor>,
}

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codecs")
    }
}

impl Decompress for Codecs {
    fn decompress(
        &mut self,
        compressor: Compressor,
        from: &[u8],
        into: &mut [u8],
    ) -> Option<usize> {
        match compressor {
            Compressor::Zstd => {
                if self.zstd.is_none() {
                    self.zstd = Some(zstd::bulk::Decompressor::new().ok()?);
                }
                self.zstd.as_mut()?.decompress_to_buffer(from, into).ok()
            }
            Compressor::Gzip => {
                let zlib = self.zlib.get_or_insert_with(libdeflater::Decompressor::new);
                zlib.zlib_decompress(from, into).ok()
            }
        }
    }
}
