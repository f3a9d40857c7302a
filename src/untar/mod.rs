//! Reading tars of strangers: the headers, and a stream of entries that knows neither paths out of the tree nor
//! sizes that are not there.
//!
//! ```text
//! bytes ──► unpacked ──► Parser ──► Raw ──► Strict ──► Entry ──► Visitor
//!           by Packing   in pieces  as it   refuses what readers
//!                                   stands  could take in two ways
//! ```
//!
//! [`read`] hands each entry to a [`Visitor`], and its content in pieces as they come; nothing is
//! kept. Whatever else is a stream of files, such as `SquashFS`, can speak to the same visitors. Who wants to say all that
//! is wrong with a tar, and not only the first of it, takes entries as they stand.

mod bomb;
mod entry;
mod extra;
mod fault;
mod header;
mod packing;
mod parser;
mod strict;

pub(crate) use bomb::Counted;
pub use bomb::{Bomb, MAX_RATIO};
pub use entry::{Entry, Kind, Visitor, relative};
pub use fault::Fault;
pub(crate) use header::{BLOCK, Header, padded, pax, text};
pub use packing::Packing;
pub(crate) use packing::unpacked;
pub(crate) use parser::{Parser, Raw, RawVisitor, pieces};
pub(crate) use strict::Strict;
pub use strict::read;
