//! What the files of archives and layouts hold, and how it gets there.

use std::io::{self, Read, Write};

use registry::Blob;

use super::base::BaseLayer;
use super::layer::Layer;
use super::stack::ImageLayer;
use crate::progress::{Event, Progress};

/// A file of an archive or layout.
pub(crate) enum Content<'a> {
    Bytes(Vec<u8>),
    Layer(&'a Layer),
    Base(&'a BaseLayer),
}

impl<'a> Content<'a> {
    pub(super) fn of(layer: &'a ImageLayer) -> Self {
        match layer {
            ImageLayer::Own(layer) => Self::Layer(layer),
            ImageLayer::Base(layer) => Self::Base(layer),
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Layer(layer) => layer.size,
            Self::Base(layer) => layer.size(),
        }
    }

    /// Copies the content to `out`.
    pub(crate) fn copy(&self, out: &mut dyn Write, progress: &dyn Progress) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => out.write_all(bytes),
            Self::Layer(layer) => {
                pass(&mut layer.open()?, layer.size, out, progress, |error| error)
            }
            Self::Base(layer) => {
                let unreadable = |error| layer.unreadable(error);
                let mut reader = layer.open().map_err(unreadable)?;
                pass(&mut reader, layer.size(), out, progress, unreadable)
            }
        }
    }
}

/// Copies `size` bytes, which the reader has or fails with an error to be told as `unreadable` says.
fn pass(
    reader: &mut dyn Read,
    size: u64,
    out: &mut dyn Write,
    progress: &dyn Progress,
    unreadable: impl Fn(io::Error) -> io::Error,
) -> io::Result<()> {
    let most = usize::try_from(size).unwrap_or(COPIED);
    let mut buffer = vec![0; most.clamp(1, COPIED)];
    let mut left = size;
    loop {
        let count = match reader.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(&unreadable)?,
        };
        left = match (count, left.checked_sub(count as u64)) {
            (0, Some(0)) => return Ok(()),
            (0, _) => return Err(unreadable(io::ErrorKind::UnexpectedEof.into())),
            // More would run into what comes behind it.
            (_, None) => return Err(unreadable(io::ErrorKind::InvalidData.into())),
            (_, Some(left)) => left,
        };
        out.write_all(&buffer[..count])?;
        progress.report(Event::Written { bytes: count as u64 });
    }
}

/// Bytes that are copied at a time.
const COPIED: usize = 1 << 20;
