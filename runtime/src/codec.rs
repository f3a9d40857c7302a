//! The decompressors: C's for zstd, four times as fast as what there is in Rust; `zlib-rs` for gzip.

use core::ffi::c_void;
use core::fmt;
use core::ptr::NonNull;

use zlib_rs::{InflateConfig, ReturnCode, decompress_slice};

/// A block is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a block does not decompress")
    }
}

/// A decoder of zstd frames with its working memory; one for each thread.
#[derive(Debug)]
pub struct Zstd(NonNull<zstd_sys::ZSTD_DCtx>);

// SAFETY: the context belongs to its owner alone, whichever thread that is on.
unsafe impl Send for Zstd {}

impl Zstd {
    /// `None` without memory.
    pub fn new() -> Option<Self> {
        // SAFETY: the function has no conditions.
        NonNull::new(unsafe { zstd_sys::ZSTD_createDCtx() }).map(Self)
    }

    /// The frames in `packed`, written to the beginning of `output`; gives their length.
    pub fn decompress(&mut self, packed: &[u8], output: &mut [u8]) -> Result<usize, Corrupt> {
        // SAFETY: pointers and lengths are of slices, and the context is alive.
        unsafe {
            let length = zstd_sys::ZSTD_decompressDCtx(
                self.0.as_ptr(),
                output.as_mut_ptr().cast::<c_void>(),
                output.len(),
                packed.as_ptr().cast::<c_void>(),
                packed.len(),
            );
            if zstd_sys::ZSTD_isError(length) == 0 { Ok(length) } else { Err(Corrupt) }
        }
    }
}

impl Drop for Zstd {
    fn drop(&mut self) {
        // SAFETY: the context is alive and nobody else's.
        unsafe { zstd_sys::ZSTD_freeDCtx(self.0.as_ptr()) };
    }
}

/// The zlib stream in `packed`, written to the beginning of `output`; gives its length.
pub fn inflate(packed: &[u8], output: &mut [u8]) -> Result<usize, Corrupt> {
    match decompress_slice(output, packed, InflateConfig::default()) {
        (written, ReturnCode::Ok) => Ok(written.len()),
        _ => Err(Corrupt),
    }
}
