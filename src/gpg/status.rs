//! What `gpg --status-fd` says of signatures (GnuPG, `doc/DETAILS`, "Format of the --status-fd output").

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Right: the bytes are as the owner of the key left them.
    Good {
        /// The name that the key gives itself, which anybody may choose.
        signer: String,
        /// The key's fingerprint, in hexadecimal digits.
        fingerprint: String,
        /// What else is to be said.
        caveat: Option<Caveat>,
    },
    /// Not of these bytes: they were changed after they were signed, or the signature is another's.
    Bad {
        /// The name of the key that signed what the signature was made for.
        signer: String,
    },
    /// Not to be checked: by a key that is not there, or of an unknown kind.
    UnknownKey {
        /// The key's number.
        key: String,
    },
}

/// What is to be said of a signature that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caveat {
    /// It was to be good until a day that has passed.
    SignatureExpired,
    /// The key was to be used until a day that has passed.
    KeyExpired,
    /// Its owner has said that the key is not to be trusted any more.
    KeyRevoked,
}

impl Caveat {
    /// What to say of it.
    pub fn text(self) -> &'static str {
        match self {
            Self::SignatureExpired => "the signature has expired",
            Self::KeyExpired => "the key has expired",
            Self::KeyRevoked => "the key was revoked",
        }
    }
}

/// All signatures that it found, in order.
pub(super) fn parse(output: &[u8]) -> Vec<Signed> {
    let text = String::from_utf8_lossy(output);
    let mut all = Vec::new();
    // GOODSIG and its like come first and name the signer, VALIDSIG follows with the fingerprint.
    let mut good = None;
    for line in text.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")) {
        let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        match keyword {
            "GOODSIG" => good = Some((after, None)),
            "EXPSIG" => good = Some((after, Some(Caveat::SignatureExpired))),
            "EXPKEYSIG" => good = Some((after, Some(Caveat::KeyExpired))),
            "REVKEYSIG" => good = Some((after, Some(Caveat::KeyRevoked))),
            "VALIDSIG" => {
                if let Some((signer, caveat)) = good.take() {
                    let (signer, fingerprint) = (unescaped(signer), first.to_owned());
                    all.push(Signed::Good { signer, fingerprint, caveat });
                }
            }
            "BADSIG" => all.push(Signed::Bad { signer: unescaped(after) }),
            "ERRSIG" => all.push(Signed::UnknownKey { key: first.into() }),
            _ => {}
        }
    }
    all
}

/// A name without percent signs for bytes that would break the line, nor what a terminal would obey.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| byte == b'%');
        let decoded = hex.and_then(|hex| data_encoding::HEXUPPER_PERMISSIVE.decode(hex).ok());
        match decoded {
            Some(one) => {
                bytes.extend(one);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    text.chars()
        .map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let output = b"[GNUPG:] NEWSIG\ngpg: noise\n[GNUPG:] GOODSIG 1234 Ann %25 <a@x>\n[GNUPG:] VALIDSIG ABCD 2024-01-01 1 0 4\n[GNUPG:] BADSIG 99 Bob\n[GNUPG:] ERRSIG 77 22 8 00 1 9 FF\n[GNUPG:] REVKEYSIG 5 Eve\n[GNUPG:] VALIDSIG EF\n[GNUPG:] VALIDSIG 00\n[GNUPG:]\n[GNUPG:] GOODSIG";
        let caveat = Some(Caveat::KeyRevoked);
        assert_eq!(
            parse(output),
            [
                Signed::Good {
                    signer: "Ann % <a@x>".into(),
                    fingerprint: "ABCD".into(),
                    caveat: None
                },
                Signed::Bad { signer: "Bob".into() },
                Signed::UnknownKey { key: "77".into() },
                Signed::Good { signer: "Eve".into(), fingerprint: "EF".into(), caveat },
            ]
        );
        assert_eq!(parse(b"\xff[GNUPG:] BADSIG 1 x%\xff"), []);
    }
}
