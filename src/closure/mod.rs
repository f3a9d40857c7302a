//! From roots to their closure: every path that they need to run, with its size and references.
//!
//! ```text
//! what the user typed ── Root ──┬── Database    Nix's own record: a few milliseconds
//!                               ├── scan        the bytes themselves: where there is no record
//!                               └── graph_file  what somebody wrote down, on any machine
//!                                        └──► Closure ──► layering::Graph, json::path_info
//! ```
//!
//! [`Query`] asks, [`Closure`] answers. Nothing here prints, and nothing writes to a store.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod database;
mod error;
pub mod graph_file;
pub mod json;
mod nar_hash;
mod path_info;
mod query;
mod root;
pub mod scan;
mod store;

pub use database::{Database, DatabaseError};
pub use error::Error;
pub use nar_hash::{NarHash, NarHashError};
pub use path_info::PathInfo;
pub use query::{Closure, Query, ReferencesFrom};
pub use root::{Root, RootError};
pub use store::{Location, Store, StoreError};
