//! Images: layers, configuration, manifest, and the forms in which they are written.
//!
//! ```text
//! Plan ──► Source ──► tar_stream ──► blob_writer ──► Layer ─┬─► Image ─┬─► archive, layout
//!          (recipe)   (tar blocks)   (hash, compress)       │   │      └─► registry
//!                                    Base, run config ──────┘   └─ Images: with others, an index
//! ```
//!
//! A manifest names a configuration and layers by the digests of their blobs; the configuration
//! names the layers by the digests of their tars (diff IDs). A layer's blob is made in one pass:
//! tar, diff ID, compression and digest together, layers side by side.

pub mod archive;
mod base;
mod blob_writer;
mod build;
mod compress;
pub mod config;
mod content;
pub mod defaults;
mod destination;
mod duplicates;
mod entries;
mod error;
mod hasher;
mod image_name;
mod images;
mod layer;
pub mod layout;
mod lazy;
mod machine;
mod manifest;
mod measure;
mod merge;
mod on_demand;
mod order;
mod pool;
mod program;
mod recall;
mod record;
pub mod root_files;
mod single;
mod source;
mod spool;
mod stack;
mod storage;
pub(crate) mod tar;
mod tar_stream;
mod view;
mod witness;

pub(crate) use base::Unreadable;
pub use base::{Base, BaseError, BaseLayer, Identity};
pub use build::{Work, build, of_known};
pub(crate) use compress::Codec;
pub use compress::{Compression, Packing, UnknownCompression};
pub use config::RunConfig;
pub use destination::Destination;
pub use error::Error;
pub(crate) use error::{no_place, room};
pub use image_name::ImageName;
pub use images::Images;
pub use layer::{Layer, LayerOptions, Layers};
pub use machine::{Machine, MachineError, Machines, UnknownMachine};
pub use manifest::{Description, Dialect, Image};
pub use order::{Order, Program};
pub(crate) use program::{all as all_programs, first as first_program};
pub use recall::{Recalled, layer_key, recall};
pub use record::{NoRecord, PathRecord};
pub(crate) use single::{Single, single};
pub(crate) use source::parents;
pub use source::{PathSource, RootEntry, RootNode, Source, store_layer};
pub use spool::Spool;
pub(crate) use spool::{Room, Spooled};
pub use stack::ImageLayer;
pub use storage::Storage;
pub use view::View;

/// What to do with files whose names begin with `.wh.`: in a layer, such a name is an order to
/// delete (OCI image-spec, "Whiteouts"), so that the file itself cannot be in any image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whiteouts {
    /// Make no image.
    #[default]
    Refuse,
    /// Make the image without them, and say so.
    Omit,
    /// They mean nothing else: what is made is no layer.
    Keep,
}
