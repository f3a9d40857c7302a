//! Doors for the fuzz targets to parsers that are nobody else's business. No part of the interface.

/// Schemes and their parameters, as a `WWW-Authenticate` header names them.
pub fn challenges(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let challenges = crate::auth::challenge::parse(header);
    challenges.into_iter().map(|challenge| (challenge.scheme, challenge.parameters)).collect()
}

/// The bytes that a registry has of an upload, as its `Range` header says.
pub fn range(header: &str) -> Option<u64> {
    crate::upload::range::parse(header)
}

/// Where a list goes on, as a `Link` header says.
pub fn next_link(header: &str) -> Option<&str> {
    crate::link::next(header)
}
