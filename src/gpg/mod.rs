//! Detached signatures, made and checked by the user's `gpg`: it alone has the keys, and knows how to ask for what
//! opens them.
//!
//! ```text
//! name ──► Key ──► sign: bytes ──► armored signature
//! signature, bytes, Keys ──► check ──► Signed: good, bad, by an unknown key
//! ```
//!
//! Whose key is to be trusted is for the user to say, who compares fingerprints: a signature is good here if it fits the
//! bytes and the key.

mod check;
mod error;
mod key;
mod run;
mod status;

pub use check::{Keys, check};
pub use error::GpgError;
pub use key::Key;
pub use status::{Caveat, Signed};
