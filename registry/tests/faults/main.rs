//! A proxy that breaks what passes through it, between our client and a real registry.
//!
//! `wire`, `line`, `proxy`, `fault`, `guard`, `keeper` and `elsewhere` are the proxy; `upstream` is the registry behind
//! it; `story` is what the client does and what must be true afterwards, whatever broke; `table` has all faults, which
//! `matrix` plays and `page` prints as `docs/faults.md`; the other files are faults that need a story of their own.

#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod credentials;
mod elsewhere;
mod fault;
mod guard;
mod keeper;
mod line;
mod matrix;
mod methods;
mod page;
mod proxy;
mod runs;
#[allow(dead_code, reason = "the protocol tests use the rest")]
#[path = "../protocol/server/mod.rs"]
mod server;
mod story;
mod table;
mod times;
mod upstream;
mod wire;
