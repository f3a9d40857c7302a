//! Detached signatures, made by `gpg`: it alone has the keys, and knows how to ask for what opens them.

use std::io::{self, Read};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::error::Error;

/// Signs what `image` has with the secret key `key`; the signature is armored, as readers want it.
pub(super) fn sign(key: &str, image: impl Read + Send) -> Result<Vec<u8>, Error> {
    let args = ["--armor", "--detach-sign", "--local-user", key, "--output", "-"];
    run(&args, image, key)
}

/// The public key that belongs to `key`, armored.
pub(super) fn public_key(key: &str) -> Result<Vec<u8>, Error> {
    run(&["--armor", "--export", key], io::empty(), key)
}

fn run(args: &[&str], mut input: impl Read + Send, key: &str) -> Result<Vec<u8>, Error> {
    let mut command = Command::new("gpg");
    // A passphrase is asked for by its agent, in a window or on the terminal that GPG_TTY names.
    command.args(["--batch", "--no-tty", "--yes", "--quiet"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Error::Gpg)?;
    let stdin = child.stdin.take();
    let (output, copied) = thread::scope(|scope| {
        let copying = scope.spawn(move || stdin.map(|mut stdin| io::copy(&mut input, &mut stdin)));
        (child.wait_with_output(), copying.join())
    });
    let output = output.map_err(Error::Gpg)?;
    if !output.status.success() || output.stdout.is_empty() {
        return Err(Error::NotSigned { key: key.into(), said: said(&output) });
    }
    match copied {
        Ok(Some(Err(error))) => Err(Error::Reread(error)),
        _ => Ok(output.stdout),
    }
}

/// The last thing that it complained about.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned())
}
