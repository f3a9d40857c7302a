//! Checking: whether a file is as whoever owns the embedded key signed it. Whether that one is to be
//! trusted is for the user to say, who compares the fingerprint.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::elf_head::{ElfError, ElfHead, Section};
use super::{Digest, SignatureError};
use crate::gpg::{self, Keys, Signed};

/// What is to be said of an AppImage's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is none.
    Unsigned,
    /// There is one, by the key in the file or by another.
    Signed(Signed),
    /// Neither a signature nor empty, or several signatures.
    Malformed,
    /// go-appimage writes the digest itself where the signature would be, which protects from accidents
    /// only.
    DigestOnly {
        /// Whether it is that of the file.
        matches: bool,
    },
}

/// Checks the signature of an AppImage against the key in it or, if there are any, against `keys` alone. The user's own
/// keys are neither asked nor touched.
pub fn verify(path: &Path, keys: Option<&[u8]>) -> Result<Verdict, SignatureError> {
    let file = File::open(path).map_err(SignatureError::Read)?;
    let head = ElfHead::read(&file)?;
    let signature = content(&file, &head, Section::Signature)?;
    if signature.is_empty() {
        return Ok(Verdict::Unsigned);
    }
    let digest = || Digest::of(&file, &head).map_err(SignatureError::Read);
    if signature.len() == 64 && signature.iter().all(u8::is_ascii_hexdigit) {
        let matches = signature.eq_ignore_ascii_case(digest()?.hex().as_bytes());
        return Ok(Verdict::DigestOnly { matches });
    }
    let own = content(&file, &head, Section::Key)?;
    let digest = digest()?.hex();
    let signed = gpg::check(&signature, digest.as_bytes(), Keys::Only(keys.unwrap_or(&own)))?;
    // Writers make one, and readers look at one.
    Ok(<[Signed; 1]>::try_from(signed).map_or(Verdict::Malformed, |[one]| Verdict::Signed(one)))
}

fn content(file: &File, head: &ElfHead, section: Section) -> Result<Vec<u8>, SignatureError> {
    let Some(range) = head.section(section) else { return Ok(Vec::new()) };
    // `ElfHead` takes no section of more than 64 KiB.
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or_default()];
    file.read_exact_at(&mut bytes, range.start).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ElfError::Truncated(range.end).into(),
        _ => SignatureError::Read(error),
    })?;
    Ok(Section::content(&bytes).to_vec())
}
