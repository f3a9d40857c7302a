//! Signatures of AppImages, made and checked by the user's [`gpg`](crate::gpg), to the letter as appimagetool and
//! AppImageUpdate have it.
//!
//! What is signed is the hexadecimal text, without a newline, of the SHA-256 of the file with its sections
//! `.sha256_sig` and `.sig_key` filled with zeros. The first then has the armoured detached signature, the
//! second the armoured public key.

mod digest;
mod error;
mod sign;
mod verify;

pub use digest::Digest;
pub use error::SignatureError;
pub use sign::Signer;
pub use verify::{Verdict, verify};
