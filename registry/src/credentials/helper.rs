//! Programs that keep credentials: `docker-credential-X get`, `store` and `erase`.
//!
//! The protocol is that of <https://github.com/docker/docker-credential-helpers>: the registry (to store, a JSON object)
//! on standard input, a JSON object on standard output, and exit code 1 with a fixed sentence when there is nothing. A
//! helper may ask a key ring that asks the user, so it is given time, but not for ever.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::Credential;
use crate::Secret;
use crate::error::printable;

/// Long enough for a person to unlock a key ring, short enough for a job without one.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// No helper prints more; cloud tokens have a few kilobytes.
const MAX_OUTPUT: u64 = 1 << 20;
/// How often an unfinished helper is looked at.
const POLL: Duration = Duration::from_millis(10);
/// What helpers print when they know nothing about the registry.
const NOT_FOUND: [&str; 2] = ["credentials not found in native keychain", "credentials not found"];
/// The user name that marks an identity token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

/// Asks `docker-credential-NAME`, looked up in `path` if that is given, for the credential of `registry`.
pub(crate) fn get(
    name: &str,
    registry: &str,
    path: Option<&Path>,
) -> Result<Option<Credential>, String> {
    let program = program(name)?;
    match run(&program, "get", registry.as_bytes(), path)? {
        Some(output) => read(&output).map_err(|reason| format!("`{program}` {reason}")),
        None => Ok(None),
    }
}

/// Gives the helper a credential to keep.
pub(super) fn store(
    name: &str,
    registry: &str,
    username: &str,
    password: &Secret,
    path: Option<&Path>,
) -> Result<(), String> {
    let kept = json!({ "ServerURL": registry, "Username": username, "Secret": password.expose() });
    run(&program(name)?, "store", kept.to_string().as_bytes(), path).map(drop)
}

/// Makes the helper forget a credential; false if it knew none.
pub(super) fn erase(name: &str, registry: &str, path: Option<&Path>) -> Result<bool, String> {
    run(&program(name)?, "erase", registry.as_bytes(), path).map(|output| output.is_some())
}

/// The name comes from a file that other tools write; it must stay a name.
fn program(name: &str) -> Result<String, String> {
    if name.is_empty()
        || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return Err(format!("`{}` is not the name of a helper", printable(name, 100)));
    }
    Ok(format!("docker-credential-{name}"))
}

fn read(output: &[u8]) -> Result<Option<Credential>, String> {
    // The output holds the secret, so neither it nor serde's message about it is repeated.
    let answer: Answer = serde_json::from_slice(output)
        .map_err(|_| "printed something else than credentials".to_owned())?;
    let secret = Secret::new(answer.secret);
    Ok(match answer.username.as_str() {
        "" => None,
        TOKEN_USER => Some(Credential::IdentityToken(secret)),
        _ => Some(Credential::Basic { username: answer.username, password: secret }),
    })
}

/// What the program printed; `None` if it says that it knows nothing about the registry.
fn run(
    program: &str,
    verb: &str,
    input: &[u8],
    path: Option<&Path>,
) -> Result<Option<Vec<u8>>, String> {
    let (success, output) = output(program, verb, input, path, TIME_LIMIT)?;
    if success {
        return Ok(Some(output));
    }
    let words = String::from_utf8_lossy(&output);
    if NOT_FOUND.iter().any(|sentence| words.trim().starts_with(sentence)) {
        return Ok(None);
    }
    Err(format!("`{program} {verb}` failed: {}", printable(words.trim(), 200)))
}

/// Whether the program succeeded, and what it printed.
fn output(
    program: &str,
    verb: &str,
    input: &[u8],
    path: Option<&Path>,
    limit: Duration,
) -> Result<(bool, Vec<u8>), String> {
    let executable = path.map_or_else(|| program.into(), |folder| folder.join(program));
    let mut child = Command::new(executable)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("`{program}` is not installed"),
            _ => format!("`{program}` cannot be run: {error}"),
        })?;
    let deadline = Instant::now() + limit;
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        // A helper that does not read its input has closed the pipe; its exit code tells more than this error. One
        // that neither reads nor ends must not block us.
        thread::spawn(move || stdin.write_all(&input));
    }
    // The output is read beside the wait, so that neither a full pipe nor a grandchild that keeps it open blocks us.
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut output = Vec::new();
            let result = stdout.take(MAX_OUTPUT).read_to_end(&mut output).map(|_| output);
            // Nobody listens any more after the time limit.
            let _ = sender.send(result);
        });
    }
    let output = receiver.recv_timeout(limit);
    let success = wait(&mut child, deadline);
    match (success, output) {
        (Some(success), Ok(Ok(output))) => Ok((success, output)),
        (Some(_), Ok(Err(error))) => Err(format!("`{program}` cannot be read: {error}")),
        _ => Err(format!("`{program} {verb}` did not finish within {} seconds", limit.as_secs())),
    }
}

/// Whether it succeeded; `None` if it had to be stopped.
fn wait(child: &mut Child, deadline: Instant) -> Option<bool> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.success());
        }
        if Instant::now() >= deadline {
            // It may end by itself between the two calls; then there is nothing to stop.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(POLL);
    }
}

#[cfg(all(test, unix))]
pub(super) mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// A script cannot be run while another thread's new process still holds it open for writing, so the tests that
    /// write and run scripts take turns.
    static TURN: Mutex<()> = Mutex::new(());

    /// Writes `docker-credential-test`; it may be run as long as the guard is held.
    pub(in super::super) fn install(folder: &Path, script: &str) -> MutexGuard<'static, ()> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        write(folder, script);
        turn
    }

    fn write(folder: &Path, script: &str) {
        let file = folder.join("docker-credential-test");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn helper(script: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), script);
        folder
    }

    #[test]
    fn the_registry_goes_in_and_credentials_come_out() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = helper(
            r#"test "$1" = get && printf '{"ServerURL":"x","Username":"u","Secret":"%s"}' "$(cat)""#,
        );
        let credential = get("test", "host:5000", Some(folder.path())).unwrap().unwrap();
        assert_eq!(
            credential,
            Credential::Basic { username: "u".into(), password: Secret::new("host:5000") }
        );
    }

    #[test]
    fn the_special_user_is_an_identity_token() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = helper(r#"cat >/dev/null; echo '{"Username":"<token>","Secret":"s"}'"#);
        let credential = get("test", "host", Some(folder.path())).unwrap();
        assert_eq!(credential, Some(Credential::IdentityToken(Secret::new("s"))));
    }

    #[test]
    fn a_helper_does_not_wait_for_ever() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = helper("exec sleep 3600");
        let (input, limit) = (vec![b'x'; 1 << 20], Duration::from_secs(1));
        let result = output("docker-credential-test", "get", &input, Some(folder.path()), limit);
        assert!(result.unwrap_err().contains("within 1 seconds"));
    }

    #[test]
    fn nothing_found_is_no_error_but_anything_else_is() {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = helper("echo 'credentials not found in native keychain'; exit 1");
        assert_eq!(get("test", "host", Some(folder.path())), Ok(None));
        let folder = helper("echo 'the key ring is locked'; exit 1");
        assert!(get("test", "host", Some(folder.path())).unwrap_err().contains("locked"));
        let folder = helper("echo 'password123'");
        assert!(!get("test", "host", Some(folder.path())).unwrap_err().contains("password123"));
        assert!(get("absent", "host", Some(folder.path())).unwrap_err().contains("not installed"));
        assert!(get("../evil", "host", Some(folder.path())).unwrap_err().contains("not the name"));
    }
}
