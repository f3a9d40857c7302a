//! The SHA-256 of a path's NAR, in each of the spellings that Nix uses for it.
//!
//! `nix path-info --json` prints `sha256-<base64>`, the database keeps `sha256:<base16>`, binary
//! caches and `.attrs.json` say `sha256:<base32>`, and `nix-store --dump-db` leaves the algorithm
//! out. They are one value here; it is written in the first spelling.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use data_encoding::{BASE64, BitOrder, Encoding, HEXLOWER_PERMISSIVE, Specification};

/// SHA-256 of a path's NAR serialisation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NarHash([u8; 32]);

impl NarHash {
    /// The hash with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Why a text is no NAR hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a NAR hash; expected `sha256-` with base-64, or base-16 or base-32 with or without `sha256:`"
)]
pub struct NarHashError(String);

/// Nix's base-32 takes five bits at a time from the low end, and writes the last group first.
static REVERSED_BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("0123456789abcdfghijklmnpqrsvwxyz");
    specification.bit_order = BitOrder::LeastSignificantFirst;
    specification.encoding().expect("a constant alphabet of 32 different characters")
});

const BASE16_LEN: usize = 64;
const BASE32_LEN: usize = 52;

impl FromStr for NarHash {
    type Err = NarHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decode(text)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| NarHashError(text.into()))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if let Some(base64) = text.strip_prefix("sha256-") {
        return BASE64.decode(base64.as_bytes()).ok();
    }
    let digits = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
    match digits.len() {
        BASE16_LEN => HEXLOWER_PERMISSIVE.decode(digits).ok(),
        BASE32_LEN => {
            let reversed: Vec<u8> = digits.iter().rev().copied().collect();
            REVERSED_BASE32.decode(&reversed).ok()
        }
        _ => None,
    }
}

/// As a subresource-integrity string, `sha256-<base64>`.
impl fmt::Display for NarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256-{}", BASE64.encode_display(&self.0))
    }
}

impl fmt::Debug for NarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    const SRI: &str = "sha256-qT8AFZjASeT1y8GWdof7v2nBtiA0cnhkSuENl7Dxef4=";
    const BASE16: &str = "a93f001598c049e4f5cbc1967687fbbf69c1b620347278644ae10d97b0f179fe";
    const BASE32: &str = "1zkry6q9f3g199j7hwil42vc2sdzzf3pd5n1rgsy8jf0k0ah0gx9";

    #[test]
    fn every_spelling_of_one_hash_is_equal() {
        let hash: NarHash = SRI.parse().unwrap();
        for text in [BASE16, BASE32, &format!("sha256:{BASE16}"), &format!("sha256:{BASE32}")] {
            assert_eq!(text.parse(), Ok(hash), "{text}");
        }
        assert_eq!(hash.to_string(), SRI);
    }

    #[test]
    fn refuses_other_algorithms_lengths_and_alphabets() {
        let wrong = [
            "",
            "sha256:",
            "sha256-",
            "sha512-qT8AFZjASeT1y8GWdof7v2nBtiA0cnhkSuENl7Dxef4=",
            "md5:a93f001598c049e4f5cbc1967687fbbf",
            &SRI[..SRI.len() - 1],
            &BASE16[1..],
            &BASE32[1..],
            // `e` is not in Nix's alphabet, and `z` in front means bits beyond the 256th.
            &format!("e{}", &BASE32[1..]),
            &format!("z{}", &BASE32[1..]),
            &format!("g{}", &BASE16[1..]),
        ];
        for text in wrong {
            assert!(text.parse::<NarHash>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn survives_each_spelling(bytes: [u8; 32]) {
            let hash = NarHash::from_bytes(bytes);
            let base16 = HEXLOWER.encode(&bytes);
            let base32: String = REVERSED_BASE32.encode(&bytes).chars().rev().collect();
            for text in [hash.to_string(), base16.clone(), base32.clone(), format!("sha256:{base16}"), format!("sha256:{base32}")] {
                prop_assert_eq!(text.parse::<NarHash>(), Ok(hash));
            }
        }

        #[test]
        fn any_text_parses_or_fails_without_a_panic(text in "(sha256[-:])?\\PC{0,70}") {
            let _ = text.parse::<NarHash>();
        }
    }
}
