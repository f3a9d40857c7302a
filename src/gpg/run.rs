//! Runs `gpg`.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::process::{Command, Output, Stdio};
use std::thread;

use super::GpgError;

/// Runs `gpg`, without questions to a terminal, to its end.
pub(super) fn run<A: AsRef<OsStr>>(
    args: impl IntoIterator<Item = A>,
    mut input: impl Read + Send,
) -> Result<Output, GpgError> {
    let mut command = Command::new("gpg");
    // A passphrase is asked for by its agent, in a window or on the terminal that GPG_TTY names.
    command.args(["--batch", "--no-tty", "--quiet"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => GpgError::NotThere,
        _ => GpgError::Run(error),
    })?;
    let stdin = child.stdin.take();
    let (output, copied) = thread::scope(|scope| {
        let copying =
            scope.spawn(move || stdin.map_or(Ok(0), |mut stdin| io::copy(&mut input, &mut stdin)));
        (child.wait_with_output(), copying.join())
    });
    match copied {
        // If it has ended before it read all, its exit code tells why.
        Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => Err(GpgError::Input(error)),
        _ => output.map_err(GpgError::Run),
    }
}

/// What it wrote to standard output, if it succeeded.
pub(super) fn output<A: AsRef<OsStr>>(
    task: &'static str,
    args: impl IntoIterator<Item = A>,
    input: impl Read + Send,
) -> Result<Vec<u8>, GpgError> {
    let output = run(args, input)?;
    // Asked for a key that it has not, it only says so.
    if output.status.success() && !output.stdout.is_empty() {
        Ok(output.stdout)
    } else {
        Err(GpgError::Failed { task, said: complaint(&output) })
    }
}

/// The last thing that it complained about.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(|| output.status.to_string(), |line| line.trim().to_owned())
}
