//! Runs `gpg`.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::SignatureError;

/// Runs `gpg`, without questions to a terminal, to its end.
pub(super) fn run<A: AsRef<OsStr>>(
    args: impl IntoIterator<Item = A>,
    input: &[u8],
) -> Result<Output, SignatureError> {
    let mut command = Command::new("gpg");
    // A passphrase is asked for by its agent, in a window or on the terminal that GPG_TTY names.
    command.args(["--batch", "--no-tty", "--quiet"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => SignatureError::NoGpg,
        _ => SignatureError::Run(error),
    })?;
    let stdin = child.stdin.take();
    thread::scope(|scope| {
        scope.spawn(|| {
            // If it has ended before it read all, its exit code tells why.
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        child.wait_with_output().map_err(SignatureError::Run)
    })
}

/// What it wrote to standard output, if it succeeded.
pub(super) fn output<A: AsRef<OsStr>>(
    task: &'static str,
    args: impl IntoIterator<Item = A>,
    input: &[u8],
) -> Result<Vec<u8>, SignatureError> {
    let output = run(args, input)?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(SignatureError::Gpg { task, said: complaint(&output) })
    }
}

/// The last thing that it complained about.
pub(super) fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned())
}
