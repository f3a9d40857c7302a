//! Checking: whether bytes are as whoever owns a key signed them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::run::run;
use super::{GpgError, Signed, status};

/// Where the public keys are from.
#[derive(Clone, Copy, Debug)]
pub enum Keys<'a> {
    /// Those that `gpg` has of the user's. Nothing of them is changed.
    OfUser,
    /// Those in these bytes alone; the user's own are not asked.
    Only(&'a [u8]),
}

/// No key servers, no question of whom the user trusts.
const QUIETLY: [&str; 4] =
    ["--disable-dirmngr", "--no-auto-key-retrieve", "--trust-model", "always"];
/// No settings of the user's, and no agent.
const ALONE: [&str; 2] = ["--no-options", "--no-autostart"];

/// Checks all detached signatures in `signature`, armored or not, over what `input` has. None at all means that it is no
/// signature.
pub fn check(
    signature: &[u8],
    input: impl Read + Send,
    keys: Keys<'_>,
) -> Result<Vec<Signed>, GpgError> {
    let home = tempfile::tempdir().map_err(GpgError::Home)?;
    let file = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        fs::write(&path, bytes).map(|()| path).map_err(GpgError::Home)
    };
    let signature = file("signature", signature)?;
    let mut args: Vec<OsString> = QUIETLY.map(OsString::from).to_vec();
    let keys = match keys {
        Keys::Only(keys) => Some(keys),
        // It would make itself an empty keyring, to look into it.
        Keys::OfUser if !has_keyring() => Some(&b""[..]),
        Keys::OfUser => None,
    };
    if let Some(keys) = keys {
        args.extend(ALONE.map(OsString::from));
        args.extend(["--homedir".into(), home.path().into()]);
        let keys = file("keys", keys)?;
        // A key that cannot be imported shows as one that is missing.
        run(args.iter().map(OsString::as_os_str).chain(import(&keys)), io::empty())?;
    }
    let verify = ["--status-fd", "1", "--verify"].map(OsStr::new);
    let verify = verify.into_iter().chain([signature.as_os_str(), "-".as_ref()]);
    let output = run(args.iter().map(OsString::as_os_str).chain(verify), input)?;
    Ok(status::parse(&output.stdout))
}

fn import(keys: &Path) -> [&OsStr; 2] {
    ["--import".as_ref(), keys.as_os_str()]
}

/// Whether there is anything in which `gpg` may have keys of the user's (GnuPG, "Configuration files").
fn has_keyring() -> bool {
    const KEYRINGS: [&str; 4] = ["pubring.kbx", "pubring.gpg", "public-keys.d", "common.conf"];
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = set("GNUPGHOME").map(PathBuf::from);
    let home = home.or_else(|| set("HOME").map(|home| Path::new(&home).join(".gnupg")));
    home.is_some_and(|home| KEYRINGS.iter().any(|name| home.join(name).exists()))
}
