//! Peers that may be missing: a developer may lack them and is told so, CI may not.

use std::env;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Peers that work for root only, at least in the way in which we start them.
const ROOT_PEERS: [&str; 4] = ["containerd", "dockerd", "nix-build", "podman"];

/// Ends the test early unless all the programs are there. With `CI` set it panics instead.
#[macro_export]
macro_rules! peer {
    ($($program:expr),+ $(,)?) => {
        if !$crate::support::peer::require(&[$($program),+]) {
            return;
        }
    };
}

/// Whether all the programs can be used.
///
/// # Panics
/// If one cannot and `CI` is set.
#[track_caller]
pub fn require(programs: &[&str]) -> bool {
    programs.iter().find_map(|program| lack(program)).is_none_or(|lack| skipped(&lack))
}

fn lack(program: &str) -> Option<String> {
    if find(program).is_none() {
        return Some(format!(
            "`{program}` is not installed; `scripts/setup-tests` installs what the tests need"
        ));
    }
    (ROOT_PEERS.contains(&program) && !is_root()).then(|| format!("`{program}` needs root"))
}

/// Where a program is. Debian's own comes first, the versions that we know to work together; then what
/// `scripts/setup-tests` has built.
pub fn find(program: &str) -> Option<PathBuf> {
    let debian = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(|dir| dir.join("peers/bin"));
    debian
        .into_iter()
        .chain(built)
        .chain(env::split_paths(&path))
        .map(|dir| dir.join(program))
        .find(|file| is_program(file))
}

/// Whether we are root, for tests that make mounts and namespaces; loudly if not, as [`require`].
#[track_caller]
pub fn root() -> bool {
    is_root() || skipped("needs root")
}

/// Tells what the machine cannot do, such as mounting in a sandbox. Always `false`.
///
/// # Panics
/// If `CI` is set.
#[track_caller]
pub fn skipped(lack: &str) -> bool {
    assert!(env::var_os("CI").is_none(), "{lack}");
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    // Not `eprintln!`, which the test harness hides when the test passes.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {lack}");
    false
}

/// As [`find`], for programs that the test has asked for with `peer!`.
///
/// # Panics
/// If it is not there.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    find(name)
        .unwrap_or_else(|| panic!("`{name}` is not installed; ask for it with `peer!(\"{name}\")`"))
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.mode() & 0o111 != 0)
}
