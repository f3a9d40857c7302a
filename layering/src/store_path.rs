//! A store path without its store directory: `<hash>-<name>`, parsed once.
//!
//! The directory is kept apart (see [`StoreDir`](crate::StoreDir)), since the same path can stand
//! in a chroot store, and tests use stores elsewhere.

use std::fmt;
use std::str::FromStr;

/// Characters of the hash part: 160 bits in Nix's base-32.
const HASH_LEN: usize = 32;

/// Longest name that Nix accepts (`StorePath::MaxPathLen`).
const MAX_NAME_LEN: usize = 211;

/// Nix's base-32 alphabet leaves out `e`, `o`, `u` and `t`.
const BASE32: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// The base name of a path in a store, for example `2g13canlyc7b44mbr5fh62pdyvv6xrjl-hello-2.10`.
///
/// Ordered by its text, which is the order in which Nix lists a closure.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(Box<str>);

impl StorePath {
    /// Number of characters of [`hash`](Self::hash).
    pub const HASH_LEN: usize = HASH_LEN;

    /// The hash part, by which other paths refer to this one.
    pub fn hash(&self) -> &str {
        &self.0[..HASH_LEN]
    }

    /// The part behind the hash and its dash: name, version and output, as in `openssl-3.0.13-dev`.
    pub fn name(&self) -> &str {
        &self.0[HASH_LEN + 1..]
    }

    /// Name without version and output, as Nix's `parseDrvName` splits them: `openssl` of
    /// `openssl-3.0.13-dev`. The version begins behind the first dash that no letter follows.
    pub fn stem(&self) -> &str {
        self.name().split_at(self.version_start()).0
    }

    /// What follows the [`stem`](Self::stem) and its dash: version and output, if there are any.
    pub fn version(&self) -> Option<&str> {
        self.name()[self.version_start()..].strip_prefix('-')
    }

    fn version_start(&self) -> usize {
        let name = self.name().as_bytes();
        let no_letter =
            |at: &usize| name[at + 1..].first().is_some_and(|c| !c.is_ascii_alphabetic());
        (1..name.len()).filter(|&at| name[at] == b'-').find(no_letter).unwrap_or(name.len())
    }

    /// Hash and name, as the entry in the store directory is called.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no store path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a store path: {reason}")]
pub struct StorePathError {
    text: String,
    reason: &'static str,
}

impl FromStr for StorePath {
    type Err = StorePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match fault(text.as_bytes()) {
            None => Ok(Self(text.into())),
            Some(reason) => Err(StorePathError { text: text.into(), reason }),
        }
    }
}

/// The rules of Nix's `checkName`, with the dots that Nix 2.21 and later refuse.
fn fault(text: &[u8]) -> Option<&'static str> {
    if text.len() < HASH_LEN || !text[..HASH_LEN].iter().all(|c| BASE32.contains(c)) {
        return Some("it does not begin with the 32 base-32 characters of a hash");
    }
    let Some((b'-', name)) = text[HASH_LEN..].split_first() else {
        return Some("no `-` follows the hash");
    };
    match name {
        [] => Some("it has no name"),
        _ if name.len() > MAX_NAME_LEN => Some("its name is longer than 211 characters"),
        b"." | b".." => Some("its name would lead out of the store"),
        [b'.', b'-', ..] | [b'.', b'.', b'-', ..] => Some("its name begins with `.-` or `..-`"),
        _ if !name.iter().all(|c| c.is_ascii_alphanumeric() || b"+-._?=".contains(c)) => {
            Some("its name has a character other than letters, digits and `+-._?=`")
        }
        _ => None,
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str = "2g13canlyc7b44mbr5fh62pdyvv6xrjl";

    #[test]
    fn has_a_hash_and_a_name() {
        let path: StorePath = format!("{HASH}-hello-2.10").parse().unwrap();
        assert_eq!(path.hash(), HASH);
        assert_eq!(path.name(), "hello-2.10");
    }

    #[test]
    fn refuses_what_nix_refuses() {
        let long = "n".repeat(212);
        for name in ["", ".", "..", ".-x", "..-x", "a/b", "a b", "ä", "a\0", &long] {
            assert!(format!("{HASH}-{name}").parse::<StorePath>().is_err(), "{name:?}");
        }
        for text in ["", "x", HASH, "hello", ".links", "0e000000000000000000000000000000-x"] {
            assert!(text.parse::<StorePath>().is_err(), "{text:?}");
        }
        assert!(format!("{HASH}x-y").parse::<StorePath>().is_err());
    }

    #[test]
    fn accepts_every_character_of_a_name() {
        for name in ["A-Za-z0-9+-._?=", ".hidden", "...", "-dash", &"n".repeat(211)] {
            assert!(format!("{HASH}-{name}").parse::<StorePath>().is_ok(), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails_without_a_panic(text in "\\PC{0,80}") {
            if let Ok(path) = text.parse::<StorePath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }

    #[test]
    fn the_version_begins_as_nix_sees_it() {
        for (name, stem, version) in [
            ("openssl-3.0.13-dev", "openssl", Some("3.0.13-dev")),
            ("libgcc-s1-12.2.0-14", "libgcc-s1", Some("12.2.0-14")),
            ("source", "source", None),
            ("node-lodash", "node-lodash", None),
            ("a-", "a-", None),
            ("-5", "-5", None),
        ] {
            let path: StorePath = format!("{:0>32}-{name}", 1).parse().unwrap();
            assert_eq!((path.stem(), path.version()), (stem, version));
        }
    }
}
