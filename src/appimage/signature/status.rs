//! What `gpg --status-fd` says of signatures (GnuPG, `doc/DETAILS`, "Format of the --status-fd output").

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// Right, and made by the key with this fingerprint; `caveat` if the key or signature has expired or
    /// the key was revoked.
    Good { signer: String, fingerprint: String, caveat: Option<&'static str> },
    /// Not of these bytes.
    Bad { signer: String },
    /// Not to be checked: by a key with this number that is not there, or of an unknown kind.
    Unknown { key: String },
}

/// All signatures that it found, in order.
pub(super) fn parse(output: &[u8]) -> Vec<Checked> {
    let text = String::from_utf8_lossy(output);
    let mut all = Vec::new();
    // GOODSIG and its like come first and name the signer, VALIDSIG follows with the fingerprint.
    let mut good = None;
    for line in text.lines().filter_map(|line| line.strip_prefix("[GNUPG:] ")) {
        let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        match keyword {
            "GOODSIG" => good = Some((after, None)),
            "EXPSIG" => good = Some((after, Some("the signature has expired"))),
            "EXPKEYSIG" => good = Some((after, Some("the key has expired"))),
            "REVKEYSIG" => good = Some((after, Some("the key was revoked"))),
            "VALIDSIG" => {
                if let Some((signer, caveat)) = good.take() {
                    let (signer, fingerprint) = (unescaped(signer), first.to_owned());
                    all.push(Checked::Good { signer, fingerprint, caveat });
                }
            }
            "BADSIG" => all.push(Checked::Bad { signer: unescaped(after) }),
            "ERRSIG" => all.push(Checked::Unknown { key: first.into() }),
            _ => {}
        }
    }
    all
}

/// A name without percent signs for bytes that would break the line.
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
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let output = b"[GNUPG:] NEWSIG\ngpg: noise\n[GNUPG:] GOODSIG 1234 Ann %25 <a@x>\n[GNUPG:] VALIDSIG ABCD 2024-01-01 1 0 4\n[GNUPG:] BADSIG 99 Bob\n[GNUPG:] ERRSIG 77 22 8 00 1 9 FF\n[GNUPG:] REVKEYSIG 5 Eve\n[GNUPG:] VALIDSIG EF\n[GNUPG:] VALIDSIG 00\n[GNUPG:]\n[GNUPG:] GOODSIG";
        let caveat = Some("the key was revoked");
        assert_eq!(
            parse(output),
            [
                Checked::Good {
                    signer: "Ann % <a@x>".into(),
                    fingerprint: "ABCD".into(),
                    caveat: None
                },
                Checked::Bad { signer: "Bob".into() },
                Checked::Unknown { key: "77".into() },
                Checked::Good { signer: "Eve".into(), fingerprint: "EF".into(), caveat },
            ]
        );
        assert_eq!(parse(b"\xff[GNUPG:] BADSIG 1 x%\xff"), []);
    }
}
