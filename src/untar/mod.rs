//! Reading tars: the headers, and a stream of entries that knows neither paths out of the tree nor
//! sizes that are not there.
//!
//! [`read`] hands each entry to a [`Visitor`], and its content in pieces as they come; nothing is
//! kept. Whatever else is a stream of files, such as `SquashFS`, can speak to the same visitors.

mod entry;
mod header;
mod reader;

pub use entry::{Entry, Kind, Visitor, relative};
pub(crate) use header::{BLOCK, Header, padded, pax, text};
pub use reader::{Fault, read};
