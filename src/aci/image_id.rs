//! What an image is known by: `sha512-` and the SHA-512 of its tar, before any compression (appc spec, "Image ID").

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

/// An image ID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId([u8; 64]);

/// A text that is no image ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `sha512-` and 128 digits from `0` to `9` and `a` to `f`")]
pub struct NotAnImageId(String);

impl From<[u8; 64]> for ImageId {
    fn from(hash: [u8; 64]) -> Self {
        Self(hash)
    }
}

impl FromStr for ImageId {
    type Err = NotAnImageId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("sha512-").unwrap_or_default();
        let hash = HEXLOWER.decode(digits.as_bytes()).ok().and_then(|hash| hash.try_into().ok());
        hash.map(Self).ok_or_else(|| NotAnImageId(text.into()))
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha512-{}", HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_hashes_are_ids() {
        let text = format!("sha512-{}", "0a".repeat(64));
        assert_eq!(text.parse::<ImageId>().unwrap().to_string(), text);
        for bad in [&text[..134], "sha512-", "sha256-00", &text.to_uppercase(), ""] {
            assert!(bad.parse::<ImageId>().is_err(), "{bad}");
        }
    }
}
