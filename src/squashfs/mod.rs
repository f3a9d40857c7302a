//! SquashFS images of store paths and of directories: what is on disk becomes nodes, and those an
//! image.
//!
//! - [`closure_nodes`], [`store_nodes`]: store paths, with the canonical metadata of a NAR, below `nix/store` of the image.
//! - [`directory_nodes`]: any directory, with what it has of modes, owners, times and attributes.
//! - [`write`]: nodes become an image, at the end of what was written before.
//!
//! What an image looks like inside is known to the crate [`squashfs`](::squashfs) alone.

mod compression;
mod directory;
mod disk;
mod error;
mod store;

use std::io::{Seek, Write};

pub use ::squashfs::write::{Compression, Node, Options, Written};

pub use compression::{Codec, UnknownCodec};
pub use directory::{Found, Policy, Time, directory_nodes};
pub use error::Error;
pub use store::{closure_nodes, directory, store_nodes};

use crate::progress::{Event, Progress};

/// Writes an image of `nodes` to `out`, from where that is now.
pub fn write<W: Write + Seek + Send>(
    nodes: Vec<Node>,
    out: W,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Written, Error> {
    progress.report(Event::Contents { files: nodes.len(), bytes: error::content(&nodes) });
    let read = |bytes| progress.report(Event::LayerRead { bytes });
    let written = ::squashfs::write::write(nodes, out, options, &read)?;
    progress.report(Event::LayerDone { size: written.length });
    Ok(written)
}
