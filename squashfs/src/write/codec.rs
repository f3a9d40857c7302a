//! Compresses blocks, one after the other: what a thread keeps from block to block. What comes out
//! depends on the block alone, never on what was compressed before.

use std::io;

use libdeflater::CompressionLvl;

use super::{Compression, Error};

/// One thread's compressor with its buffer.
pub(super) struct Codec {
    state: State,
    buffer: Vec<u8>,
}

enum State {
    Zstd(zstd::bulk::Compressor<'static>),
    Gzip(libdeflater::Compressor),
    None,
}

impl Codec {
    pub(super) fn new(compression: Compression) -> Result<Self, Error> {
        let state = match compression {
            Compression::Zstd(level) => {
                State::Zstd(zstd::bulk::Compressor::new(level).map_err(Error::Compress)?)
            }
            Compression::Gzip(level) => {
                let known = CompressionLvl::new(level).map_err(|_| Error::Level(level))?;
                State::Gzip(libdeflater::Compressor::new(known))
            }
            Compression::None => State::None,
        };
        Ok(Self { state, buffer: Vec::new() })
    }

    /// The block compressed; `None` if that makes it no smaller, so that it is stored as it is.
    pub(super) fn compress(&mut self, block: &[u8]) -> Result<Option<&[u8]>, Error> {
        let bound = match &mut self.state {
            State::Zstd(_) => zstd::zstd_safe::compress_bound(block.len()),
            State::Gzip(compressor) => compressor.zlib_compress_bound(block.len()),
            State::None => return Ok(None),
        };
        if self.buffer.len() < bound {
            self.buffer.resize(bound, 0);
        }
        let length = match &mut self.state {
            State::Zstd(compressor) => compressor.compress_to_buffer(block, &mut self.buffer[..]),
            State::Gzip(compressor) => {
                compressor.zlib_compress(block, &mut self.buffer).map_err(io::Error::other)
            }
            State::None => Ok(block.len()),
        };
        let length = length.map_err(Error::Compress)?;
        Ok((length < block.len()).then(|| &self.buffer[..length]))
    }
}
