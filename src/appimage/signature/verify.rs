//! Checking: whether a file is as whoever owns the embedded key signed it. Whether that one is to be
//! trusted is for the user to say, who compares the fingerprint.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::elf_head::{ElfError, ElfHead, Section};
use super::status::{self, Checked};
use super::{Digest, SignatureError, gpg};

/// What is to be said of an AppImage's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is none.
    Unsigned,
    /// Right: the file is as the owner of the key left it.
    Good(SignatureOf),
    /// The file was changed after it was signed, or the signature is another's.
    Bad {
        /// Who signed what the signature was made for.
        signer: String,
    },
    /// Signed by a key that is not in the file.
    UnknownKey {
        /// Its number.
        key: String,
    },
    /// Neither a signature nor empty, or several signatures.
    Malformed,
    /// go-appimage writes the digest itself where the signature would be, which protects from accidents
    /// only.
    DigestOnly {
        /// Whether it is that of the file.
        matches: bool,
    },
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureOf {
    /// The name that the key gives itself, which anybody may choose.
    pub signer: String,
    /// The key's fingerprint, in hexadecimal digits.
    pub fingerprint: String,
    /// What else is to be said: that the key or signature has expired, or the key was revoked.
    pub caveat: Option<&'static str>,
}

/// Checks the signature of an AppImage against the key in it. The user's own keys are neither asked nor
/// touched.
pub fn verify(path: &Path) -> Result<Verdict, SignatureError> {
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
    let key = content(&file, &head, Section::Key)?;
    check(&signature, &key, &digest()?)
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

fn check(signature: &[u8], key: &[u8], digest: &Digest) -> Result<Verdict, SignatureError> {
    let home = tempfile::tempdir().map_err(SignatureError::Write)?;
    let [signature_file, key_file] = ["signature", "key"].map(|name| home.path().join(name));
    fs::write(&signature_file, signature).map_err(SignatureError::Write)?;
    fs::write(&key_file, key).map_err(SignatureError::Write)?;
    let home = home.path().as_os_str();
    // No settings of the user's, no agent, no key servers: only what is in the file.
    let alone = ["--no-options", "--no-autostart", "--disable-dirmngr", "--trust-model", "always"];
    let args = |rest: &[&OsStr]| {
        let mut args = vec!["--homedir".as_ref(), home];
        args.extend(alone.map(OsStr::new));
        args.extend(rest);
        args.into_iter().map(OsString::from).collect::<Vec<_>>()
    };
    // A key that cannot be imported shows as one that is missing.
    gpg::run(args(&["--import".as_ref(), key_file.as_ref()]), b"")?;
    let verify = ["--status-fd", "1", "--verify"].map(OsStr::new);
    let rest = [verify.as_slice(), &[signature_file.as_ref(), "-".as_ref()]].concat();
    let output = gpg::run(args(&rest), digest.hex().as_bytes())?;
    let mut checked = status::parse(&output.stdout).into_iter();
    Ok(match (checked.next(), checked.next()) {
        (Some(Checked::Good { signer, fingerprint, caveat }), None) => {
            Verdict::Good(SignatureOf { signer, fingerprint, caveat })
        }
        (Some(Checked::Bad { signer }), None) => Verdict::Bad { signer },
        (Some(Checked::Unknown { key }), None) => Verdict::UnknownKey { key },
        _ => Verdict::Malformed,
    })
}
