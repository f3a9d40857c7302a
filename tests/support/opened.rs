//! Which files of a store a program opens, as the kernel sees it. Needs `peer!("strace")`.

use std::fs;
use std::process::Command;

use super::outcome::Outcome;
use super::peer::program;

/// Runs `command`, and answers which files below a `/nix/store` it opened; directories do not count.
#[track_caller]
pub fn opened(command: &Command) -> (Outcome, Vec<String>) {
    let dir = super::temp_dir();
    let log = dir.path().join("log");
    let mut strace = Command::new(program("strace"));
    // `-y` names the directories that files are opened in.
    strace.args(["-f", "-y", "-qq", "-s", "4096", "-e", "trace=open,openat,openat2", "-o"]);
    strace.arg(&log).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    let outcome = Outcome::of(&mut strace);
    let log = fs::read_to_string(&log).expect("reading the log of strace");
    let of_store = |line: &&str| line.contains("/nix/store/") && !line.contains("O_DIRECTORY");
    (outcome, log.lines().filter(of_store).map(ToOwned::to_owned).collect())
}
