//! Signatures of images that are files: the one within an AppImage, and the one beside an ACI.

use std::fs::File;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::image::{Format, Image};
use crate::aci;
use crate::appimage::signature::{Verdict, verify};
use crate::bounded;
use crate::gpg::{self, Caveat, Keys, Signed};

/// The most that is read of a signature: a thousand times what one takes.
const MAX_SIGNATURE: u64 = 1 << 20;

/// What is to be said of the signature that an image has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Where it is, if not in the image itself.
    pub file: Option<PathBuf>,
    /// What checking it told.
    pub said: Said,
}

/// What checking a signature told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// These signatures are there, one for each signer.
    Signed(Vec<Signed>),
    /// It is no signature.
    Malformed,
    /// It is only the digest of the image, as go-appimage writes it.
    Digest {
        /// Whether it is the right one.
        matches: bool,
    },
    /// It could not be checked, and why.
    Unchecked(String),
}

/// What it comes to, the worst of several signatures first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The image is not what was signed.
    Bad,
    /// There is something that is no signature.
    Malformed,
    /// The owner of the key has taken it back.
    Revoked,
    /// Right, and the signature or the key was to be good until a day that has passed.
    Expired,
    /// Right, by a key that is known.
    Good,
    /// Not to be checked, since the key is not there.
    UnknownKey,
    /// It protects from accidents only.
    Digest,
    /// It could not be checked.
    Unchecked,
}

impl Outcome {
    /// For machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Malformed => "malformed",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Good => "good",
            Self::UnknownKey => "unknown-key",
            Self::Digest => "digest",
            Self::Unchecked => "unchecked",
        }
    }

    /// Whether nobody should take an image of which this is to be said.
    pub fn is_wrong(self) -> bool {
        matches!(self, Self::Bad | Self::Malformed | Self::Revoked)
    }

    fn of(signed: &Signed) -> Self {
        match signed {
            Signed::Bad { .. } => Self::Bad,
            Signed::UnknownKey { .. } => Self::UnknownKey,
            Signed::Good { caveat: None, .. } => Self::Good,
            Signed::Good { caveat: Some(Caveat::KeyRevoked), .. } => Self::Revoked,
            Signed::Good { caveat: Some(_), .. } => Self::Expired,
        }
    }
}

impl Signature {
    /// What it comes to.
    pub fn outcome(&self) -> Outcome {
        match &self.said {
            Said::Signed(all) => {
                let worst = all.iter().map(Outcome::of).min().unwrap_or(Outcome::Malformed);
                // One good signature is enough to know the image by.
                let is_good = all.iter().any(|one| Outcome::of(one) == Outcome::Good);
                if is_good && !worst.is_wrong() { Outcome::Good } else { worst }
            }
            Said::Malformed | Said::Digest { matches: false } => Outcome::Malformed,
            Said::Digest { matches: true } => Outcome::Digest,
            Said::Unchecked(_) => Outcome::Unchecked,
        }
    }

    /// What to say of it to people, in one line.
    pub fn text(&self) -> String {
        match &self.said {
            Said::Signed(all) => all.iter().map(text).collect::<Vec<_>>().join("; "),
            Said::Malformed => "malformed".into(),
            Said::Digest { matches: true } => "none, only the right digest".into(),
            Said::Digest { matches: false } => "none, only a wrong digest".into(),
            Said::Unchecked(why) => format!("not checked: {why}"),
        }
    }

    /// The same for machines.
    pub fn json(&self) -> Value {
        let by = |signed: &Signed| match signed {
            Signed::Good { signer, fingerprint, caveat } => json!({
                "outcome": Outcome::of(signed).name(),
                "signer": signer,
                "fingerprint": fingerprint,
                "caveat": caveat.map(Caveat::text),
            }),
            Signed::Bad { signer } => json!({"outcome": Outcome::Bad.name(), "signer": signer}),
            Signed::UnknownKey { key } => {
                json!({"outcome": Outcome::UnknownKey.name(), "key": key})
            }
        };
        let by: Vec<Value> = match &self.said {
            Said::Signed(all) => all.iter().map(by).collect(),
            _ => Vec::new(),
        };
        json!({
            "outcome": self.outcome().name(),
            "text": self.text(),
            "file": self.file.as_ref().map(|file| file.display().to_string()),
            "by": by,
        })
    }
}

fn text(signed: &Signed) -> String {
    match signed {
        Signed::Good { signer, fingerprint, caveat } => {
            let caveat = caveat.map(|it| format!(", but {}", it.text())).unwrap_or_default();
            format!("good, by {signer} ({fingerprint}){caveat}")
        }
        Signed::Bad { signer } => format!("bad: the file is not what {signer} signed"),
        Signed::UnknownKey { key } => format!("by the key {key}, which is not known"),
    }
}

/// Checks the signature of an ACI or AppImage; `None` if it has none, or is something else.
///
/// An AppImage has the key in it. That of an ACI is one of the user's, unless `keys` has the only ones that count; then
/// they do for AppImages, too.
pub fn signature(image: &Image, keys: Option<&[u8]>) -> Option<Signature> {
    match &image.format {
        Format::Aci { file } => {
            let asc = aci::asc(file);
            let bytes = match bounded::read(&asc, MAX_SIGNATURE) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
                Err(error) => {
                    let said = Said::Unchecked(format!("it cannot be read: {error}"));
                    return Some(Signature { file: Some(asc), said });
                }
            };
            let keys = keys.map_or(Keys::OfUser, Keys::Only);
            let open = File::open(file).map_err(gpg::GpgError::Input);
            let said = match open.and_then(|open| gpg::check(&bytes, open, keys)) {
                Ok(signed) if signed.is_empty() => Said::Malformed,
                Ok(signed) => Said::Signed(signed),
                Err(error) => Said::Unchecked(error.to_string()),
            };
            Some(Signature { file: Some(asc), said })
        }
        Format::AppImage { file, .. } => {
            let said = match verify(file, keys) {
                Ok(Verdict::Unsigned) => return None,
                Ok(Verdict::Signed(signed)) => Said::Signed(vec![signed]),
                Ok(Verdict::Malformed) => Said::Malformed,
                Ok(Verdict::DigestOnly { matches }) => Said::Digest { matches },
                Err(error) => Said::Unchecked(error.to_string()),
            };
            Some(Signature { file: None, said })
        }
        _ => None,
    }
}
