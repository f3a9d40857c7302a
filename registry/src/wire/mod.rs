//! One HTTP request and its answer: connections, bodies, time limits, retries, and where a URL may lead.
//!
//! Knows HTTP and nothing of registries.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod message;
pub(crate) mod origin;
pub(crate) mod retry;
pub(crate) mod transport;
