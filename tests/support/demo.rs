//! The demo store in a folder of its own, to be damaged at will; and what every refusal must be:
//! an exit code, a message that names the thing, advice, and nothing changed on disk.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::outcome::Outcome;
use super::peer::is_root;
use super::tool::binary;

/// The root of the demo store; `result` leads to it.
pub const ROOT: &str = "/nix/store/29a1m13dcdjwi04dpmvjka3icl2kqg9j-demo";
/// What it refers to, with the program `bin/hello`.
pub const HELLO: &str = "/nix/store/cf1a06d411nf0g1hw489nhrjh5qcb9n8-demo-hello-1.0";

/// A user whom nothing belongs to.
const NOBODY: &str = "65534";

/// A folder with `store` (the chroot store), `tmp` (for TMPDIR) and room for outputs.
pub struct Demo {
    dir: TempDir,
}

impl Demo {
    /// A fresh copy, whose directories can be written.
    pub fn new() -> Self {
        let demo = Self { dir: super::temp_dir() };
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/demo-store.tar.gz");
        let packed = File::open(packed).expect("opening the demo store");
        let mut archive = tar::Archive::new(GzDecoder::new(packed));
        for entry in archive.entries().expect("reading the demo store") {
            let mut entry = entry.expect("reading the demo store");
            let is_dir = entry.header().entry_type().is_dir();
            let path = demo.path(entry.path().expect("a path"));
            entry.unpack(&path).expect("unpacking the demo store");
            if is_dir {
                chmod(&path, 0o755);
            }
        }
        fs::create_dir(demo.path("tmp")).expect("creating a folder");
        chmod(demo.dir.path(), 0o755);
        chmod(&demo.path("tmp"), 0o777);
        demo
    }

    /// A place in the folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the files of `/nix/store/…` are.
    pub fn real(&self, name: &str) -> PathBuf {
        self.path("store").join(name.trim_start_matches('/'))
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.path("store/nix/var/nix/db/db.sqlite")
    }

    /// Changes the database by SQL.
    pub fn sql(&self, text: &str) {
        let database = Connection::open(self.database()).expect("opening the database");
        database.execute_batch(text).expect("changing the database");
    }

    /// The tool, run in this folder.
    pub fn command(&self) -> Command {
        let mut command = binary();
        command.current_dir(self.dir.path()).env("TMPDIR", self.path("tmp"));
        command
    }

    /// Runs the tool in this folder.
    #[track_caller]
    pub fn tool<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Outcome {
        Outcome::of(self.command().args(args))
    }

    /// `closure2img SUBCOMMAND --store store store/result`, to add to.
    pub fn ask(&self, subcommand: &str) -> Command {
        let mut command = self.command();
        command.args([subcommand, "--store", "store", "store/result"]);
        command
    }

    /// Asserts that the tool refuses, as [`Self::refuses`] says.
    #[track_caller]
    pub fn refused<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        code: i32,
        named: &[&str],
    ) -> Outcome {
        self.refuses(self.command().args(args), code, named)
    }

    /// Asserts that the command ends with `code`, says all of `named` on stderr and what to do,
    /// prints nothing on stdout, and leaves every file as it was, hidden ones included.
    #[track_caller]
    pub fn refuses(&self, command: &mut Command, code: i32, named: &[&str]) -> Outcome {
        let before = self.files();
        let outcome = explained(Outcome::of(command), code, named);
        assert_eq!(outcome.text(), "", "stdout is for results");
        self.unchanged(&before);
        outcome
    }

    /// Asserts that the files are those of `before`.
    #[track_caller]
    pub fn unchanged(&self, before: &BTreeMap<PathBuf, String>) {
        let after = self.files();
        let strays: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
        assert!(strays.is_empty(), "left behind: {strays:?}");
        for (path, was) in before {
            assert_eq!(after.get(path), Some(was), "{} changed", path.display());
        }
    }

    /// All files below the folder, each with its kind, mode, size and content, as far as we may look.
    pub fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        let mut ahead = vec![self.dir.path().to_owned()];
        while let Some(dir) = ahead.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten() {
                let path = entry.expect("listing a folder").path();
                let meta = path.symlink_metadata();
                if meta.as_ref().is_ok_and(fs::Metadata::is_dir) {
                    ahead.push(path.clone());
                }
                let state = meta.and_then(|meta| {
                    let content = match () {
                        () if meta.is_symlink() => fs::read_link(&path)?.display().to_string(),
                        () if meta.is_file() => format!("{:x?}", Sha256::digest(fs::read(&path)?)),
                        () => String::new(),
                    };
                    Ok(format!("{:o} {} {content}", meta.mode(), meta.len()))
                });
                files.insert(path, state.unwrap_or_else(|error| error.to_string()));
            }
        }
        files
    }

    /// The command as a user without rights, or as whoever we are if that is not root. The program
    /// is copied to where everyone may run it.
    pub fn as_nobody(&self, command: &Command) -> Command {
        if !is_root() {
            let mut same = Command::new(command.get_program());
            same.args(command.get_args()).current_dir(self.dir.path());
            set_env(&mut same, command);
            return same;
        }
        let program = self.path("closure2img");
        // Not `fs::copy`: a test beside this one that starts a process just then would hand it our
        // open file, and a program that is open for writing does not start.
        Outcome::of(Command::new("cp").arg(command.get_program()).arg(&program)).success();
        chmod(&program, 0o755);
        let mut nobody = Command::new("setpriv");
        nobody
            .arg(format!("--reuid={NOBODY}"))
            .arg(format!("--regid={NOBODY}"))
            .args(["--clear-groups", "--"])
            .arg(program)
            .args(command.get_args())
            .current_dir(self.dir.path());
        set_env(&mut nobody, command);
        nobody
    }
}

fn set_env(to: &mut Command, from: &Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

/// Asserts an exit code and a message that says all of `named` and what to do, without a trace of
/// the program's inside. Command-line errors of `clap` point to the help instead of giving a hint.
#[track_caller]
pub fn explained(outcome: Outcome, code: i32, named: &[&str]) -> Outcome {
    let errors = outcome.errors();
    let mut outcome = outcome.code(code);
    for text in named {
        outcome = outcome.complains(text);
    }
    let advice = |line: &str| {
        line.starts_with("hint: ") || (code == 2 && line.starts_with("For more information, try"))
    };
    assert!(errors.lines().any(advice), "no advice:\n{errors}");
    assert!(errors.contains("error: "), "{errors}");
    for inside in ["panicked", "RUST_BACKTRACE", "stack backtrace", ".rs:", "Error {"] {
        assert!(!errors.contains(inside), "{inside:?} in:\n{errors}");
    }
    outcome
}

/// Sets the mode of a file.
pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("setting a mode");
}
