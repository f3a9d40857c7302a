//! Looking into images: what is in them, whether that is right, and taking it out.
//!
//! ```text
//! name ──► open ──► Image ──► stream (digest, unpack, diff ID) ──► entries ─┬─► contents ─┬─► describe
//!          by its   layers    two threads for each layer           `untar`  │             └─► verify
//!          bytes                                                            └─► extract
//! ```
//!
//! [`open()`] recognises the format; from then on all are the same: layers, bottom first, each a stream
//! of entries. [`describe()`] tells what is there, [`verify()`] what is wrong, [`extract()`] writes what a
//! container would see. Every byte is hostile until its digest, and every name until its place in the
//! tree is known.

mod contents;
mod describe;
mod description;
mod error;
mod extract;
mod facts;
mod graph;
mod image;
mod mentions;
mod merged;
mod nars;
mod oci;
mod open;
mod places;
mod rootfs;
mod signature;
mod spool;
mod squashfs;
mod stream;
mod verify;
mod whiteout;

use std::cmp::Reverse;
use std::num::NonZeroUsize;

pub use describe::describe;
pub use description::{
    Copies, DeadWeight, Description, FileDescription, LayerDescription, LayerRead, PathDescription,
};
pub use error::Error;
pub use extract::{ExtractError, ExtractOptions, Extracted, extract};
pub use facts::facts;
pub use graph::{Chain, From, References};
pub use image::{Format, Image, Layer};
pub use oci::Oci;
pub use open::open;
pub use signature::{Outcome, Said, Signature, signature};
pub use verify::{Problem, Verified, VerifyOptions, verify};

use crate::parallel::in_parallel;

/// What `work` says of each layer, by several threads, the largest first.
fn parallel<T: Send>(
    image: &Image,
    threads: NonZeroUsize,
    work: impl Fn(usize) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let mut order: Vec<usize> = (0..image.layers.len()).collect();
    order.sort_by_key(|&at| Reverse(image.layers[at].size()));
    in_parallel(&order, threads.get(), work)
}
