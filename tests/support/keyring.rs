//! A keyring of nobody's for real GnuPG. Needs `peer!("gpg", "gpgconf")`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::outcome::Outcome;
use super::peer::program;

/// Whose key never expires.
pub const ANN: &str = "Ann Signer <ann@example.org>";
/// Whose key has expired.
pub const EVE: &str = "Eve Expired <eve@example.org>";

/// A keyring with Ann's key and Eve's. Its agent ends with it.
pub struct Keyring(TempDir);

impl Keyring {
    /// A new keyring; its path is short, since gpg's agent has a socket there.
    pub fn new() -> Self {
        let home = Self(super::temp_dir());
        fs::set_permissions(home.home(), fs::Permissions::from_mode(0o700)).expect("a mode");
        home.gpg(&["--passphrase", "", "--quick-gen-key", ANN, "ed25519", "sign", "never"]);
        let past = ["--faked-system-time", "20200101T000000"];
        let make = ["--passphrase", "", "--quick-gen-key", EVE, "ed25519", "sign", "1d"];
        home.gpg(&[&past[..], &make].concat());
        home
    }

    /// For `GNUPGHOME`.
    pub fn home(&self) -> &Path {
        self.0.path()
    }

    /// Runs `gpg ARGS` with it.
    #[track_caller]
    pub fn gpg(&self, args: &[&str]) -> Outcome {
        let mut gpg = Command::new(program("gpg"));
        gpg.env("GNUPGHOME", self.home()).args(["--batch", "--quiet", "--yes"]).args(args);
        Outcome::of(&mut gpg).success()
    }

    /// Signs as this person, Eve while her key was good; the signature goes beside the file.
    pub fn sign(&self, file: &Path, by: &str) {
        let (asc, file) = (asc(file), file.to_str().expect("a plain name"));
        let asc = asc.to_str().expect("a plain name");
        let sign = ["--armor", "--local-user", by, "--output", asc, "--detach-sign", file];
        let past = ["--faked-system-time", "20200101T010000"];
        let time = if by == EVE { &past[..] } else { &[] };
        self.gpg(&[time, &sign].concat());
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let mut end = Command::new(program("gpgconf"));
        let _ = end.env("GNUPGHOME", self.home()).args(["--kill", "all"]).status();
    }
}

/// Where the signature of a file is.
pub fn asc(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".asc");
    name.into()
}
