//! The database in every state that it can be in, read by its owner and by somebody else.
//!
//! Each question is asked by a process of its own, since locks of one process do not bind itself,
//! and after each question the folder must be exactly as before: names, sizes, times and content.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what is skipped must be seen")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, Instant};

use closure2img::closure::{Database, Store};
use layering::StoreDir;
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const SCHEMA: &str = "
    create table ValidPaths (id integer primary key autoincrement not null, path text unique not null,
        hash text not null, registrationTime integer not null, deriver text, narSize integer,
        ultimate integer, sigs text, ca text);
    create table Refs (referrer integer not null, reference integer not null, primary key (referrer, reference));";

/// What the child process is to ask, in an environment variable.
const QUESTION: &str = "CLOSURE2IMG_TEST_QUESTION";

#[derive(Clone, Copy, Debug, PartialEq)]
enum User {
    Owner,
    Nobody,
}

/// A chroot store with a database in which path 0 refers to all others.
struct Fixture {
    temp: TempDir,
    root: PathBuf,
    writer: Option<Connection>,
    paths: usize,
}

fn path(number: usize) -> String {
    format!("/nix/store/{number:032}-path")
}

impl Fixture {
    fn new(journal_mode: &str) -> Self {
        Self::below("store", journal_mode)
    }

    fn below(name: &str, journal_mode: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut fixture = Self { root: temp.path().join(name), temp, writer: None, paths: 0 };
        fs::create_dir_all(fixture.file().parent().unwrap()).unwrap();
        let writer = Connection::open(fixture.file()).unwrap();
        writer.pragma_update(None, "journal_mode", journal_mode).unwrap();
        writer.execute_batch(SCHEMA).unwrap();
        fixture.writer = Some(writer);
        for _ in 0..3 {
            fixture.add();
        }
        fixture
    }

    fn file(&self) -> PathBuf {
        self.root.join("nix/var/nix/db/db.sqlite")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.file().with_file_name(format!("db.sqlite{suffix}"))
    }

    fn add(&mut self) {
        let number = self.paths;
        self.paths += 1;
        let writer = self.writer.as_ref().unwrap();
        writer.execute_batch(&insert(number)).unwrap();
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
    }

    fn close(&mut self) {
        self.writer.take().unwrap().close().unwrap();
    }

    /// The same files, as a writer leaves them that dies now.
    fn die(&mut self) {
        let dir = self.file().parent().unwrap().to_owned();
        let copy = dir.with_extension("copy");
        fs::create_dir(&copy).unwrap();
        for entry in fs::read_dir(&dir).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        self.writer = None;
        fs::remove_dir_all(&dir).unwrap();
        fs::rename(&copy, &dir).unwrap();
    }

    fn chmod(&self, suffix: &str, mode: u32) {
        fs::set_permissions(self.beside(suffix), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Everything about the folder that a reader could change. Time of access is not among it.
    fn listing(&self) -> BTreeMap<PathBuf, String> {
        let dir = self.file().parent().unwrap().to_owned();
        let files = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        let describe = |path: PathBuf| {
            let metadata = path.symlink_metadata().unwrap();
            // Reading the files here would drop the locks of a writer in this process.
            let content = if metadata.is_file() && self.writer.is_none() {
                Sha256::digest(fs::read(&path).unwrap())[..].to_vec()
            } else {
                Vec::new()
            };
            let modified = (metadata.mtime(), metadata.mtime_nsec());
            let changed = (metadata.ctime(), metadata.ctime_nsec());
            // As root, `SQLite` gives a hot journal the owner that it has.
            let changed = Some(changed).filter(|_| !path.ends_with("db.sqlite-journal"));
            let (inode, size, mode) = (metadata.ino(), metadata.size(), metadata.mode());
            (path, format!("{inode} {size} {mode:o} {modified:?} {changed:?} {content:02x?}"))
        };
        files.chain([dir.clone()]).map(describe).collect()
    }

    /// The answer for the closure of path 0, as `user` gets it, and no trace of the question.
    fn ask(&self, user: User) -> String {
        let before = self.listing();
        let answer = self.ask_amid_changes(user);
        assert_eq!(self.listing(), before, "the folder changed for {user:?}");
        answer
    }

    /// The same while somebody else may change the folder.
    fn ask_amid_changes(&self, user: User) -> String {
        let exe = self.temp.path().join("exe");
        if !exe.exists() {
            // Where it was built, others may have no access. Copied by another process, since a
            // file that any test's child still holds open for writing cannot be run.
            let copied =
                Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&exe).status();
            assert!(copied.unwrap().success());
        }
        let answer = self.temp.path().join("answer");
        fs::write(&answer, "").unwrap();
        fs::set_permissions(&answer, fs::Permissions::from_mode(0o666)).unwrap();
        let mut command = match user {
            User::Owner => Command::new(&exe),
            User::Nobody => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&exe);
                command
            }
        };
        let output = command
            .args(["--ignored", "--exact", "child"])
            .env(QUESTION, format!("{}\n{}", self.root.display(), answer.display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        fs::read_to_string(answer).unwrap()
    }

    fn expect(&self, user: User) {
        assert_eq!(self.ask(user), self.paths.to_string(), "as {user:?}");
    }

    /// As everybody who can be asked for.
    fn expect_all(&self) {
        for user in users() {
            self.expect(user);
        }
    }

    fn fails(&self, user: User, text: &str) {
        let answer = self.ask(user);
        assert!(answer.contains(text), "as {user:?}: `{answer}` lacks `{text}`");
        assert!(answer.contains("hint: "), "{answer}");
    }
}

fn insert(number: usize) -> String {
    let (id, hash) = (number + 1, "ab".repeat(32));
    format!(
        "begin immediate; insert into ValidPaths (id, path, hash, registrationTime, narSize) values ({id}, '{}', 'sha256:{hash}', 1, 120);
         insert into Refs values (1, {id}); commit;",
        path(number)
    )
}

/// Only root can become somebody else.
fn users() -> Vec<User> {
    if am_root() { vec![User::Owner, User::Nobody] } else { vec![User::Owner] }
}

fn am_root() -> bool {
    Path::new("/proc/self").metadata().unwrap().uid() == 0
}

/// Not a test, but the process that a test asks.
#[test]
#[ignore = "asked by the other tests"]
fn child() {
    let Ok(question) = std::env::var(QUESTION) else { return };
    let (root, answer) = question.split_once('\n').unwrap();
    fs::write(answer, ask(Path::new(root))).unwrap();
}

/// How many paths there are, or the whole error.
fn ask(root: &Path) -> String {
    let database = Database::of(&Store::chroot(root, StoreDir::default()));
    match database.closure(&[path(0).rsplit('/').next().unwrap().parse().unwrap()]) {
        Ok(infos) => infos.len().to_string(),
        Err(error) => {
            let mut text = error.to_string();
            for hint in error.hints() {
                text.push_str("\nhint: ");
                text.push_str(&hint);
            }
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                text.push_str("\ncause: ");
                text.push_str(&error.to_string());
                source = error.source();
            }
            text
        }
    }
}

#[test]
fn at_rest() {
    let mut fixture = Fixture::new("wal");
    fixture.close();
    assert!(!fixture.beside("-wal").exists() && !fixture.beside("-shm").exists());
    fixture.expect_all();
    fs::write(fixture.beside("-wal"), "").unwrap();
    fixture.expect_all();
    // Not even the owner of the files may write here.
    fs::set_permissions(fixture.file().parent().unwrap(), fs::Permissions::from_mode(0o555))
        .unwrap();
    fixture.expect_all();
}

#[test]
fn while_a_writer_has_it_open() {
    let mut fixture = Fixture::new("wal");
    assert!(fixture.beside("-wal").metadata().unwrap().len() > 0);
    fixture.expect_all();
    fixture.add();
    fixture.expect_all();
    // What is not committed is not there.
    fixture.writer.as_ref().unwrap().execute_batch("begin immediate; delete from Refs;").unwrap();
    fixture.expect_all();
    fixture.writer.as_ref().unwrap().execute_batch("rollback").unwrap();
    // All is in the database, and the log begins anew.
    fixture.writer.as_ref().unwrap().execute_batch("pragma wal_checkpoint(restart)").unwrap();
    fixture.expect_all();
    fixture.add();
    fixture.expect_all();
    fixture.chmod("-shm", 0o600);
    fixture.expect_all();
    fixture.chmod("-wal", 0o600);
    fixture.expect(User::Owner);
    if users().contains(&User::Nobody) {
        fixture.fails(User::Nobody, "has the newest entries of the database, and cannot be read");
    }
}

#[test]
fn after_a_writer_died() {
    let mut fixture = Fixture::new("wal");
    fixture.die();
    assert!(fixture.beside("-shm").exists());
    fixture.expect_all();
    // A damaged index must not decide what counts.
    fs::write(fixture.beside("-shm"), "").unwrap();
    fixture.expect_all();
    fs::write(fixture.beside("-shm"), vec![0xff; 32 * 1024]).unwrap();
    fixture.expect_all();
    fs::remove_file(fixture.beside("-shm")).unwrap();
    fixture.expect_all();
    // A transaction that was cut off was never committed.
    let mut wal = fs::read(fixture.beside("-wal")).unwrap();
    wal.truncate(wal.len() - 100);
    fs::write(fixture.beside("-wal"), &wal).unwrap();
    fixture.paths -= 1;
    fixture.expect_all();
}

#[test]
fn without_write_ahead_log() {
    let mut fixture = Fixture::new("delete");
    fixture.expect_all();
    // A transaction under way holds a journal that nobody may play back.
    fixture.writer.as_ref().unwrap().execute_batch("begin immediate; delete from Refs").unwrap();
    fixture.expect_all();
    fixture.writer.as_ref().unwrap().execute_batch("rollback").unwrap();
    fixture.close();
    fixture.expect_all();
}

#[test]
fn a_hot_journal_is_an_error() {
    let mut fixture = Fixture::new("delete");
    // A cache of one page writes to the file before the end of the transaction.
    fixture.writer.as_ref().unwrap().execute_batch(
        "pragma cache_size = 1; begin immediate;
         with recursive n(i) as (select 100 union all select i + 1 from n where i < 9000)
         insert into ValidPaths (id, path, hash, registrationTime) select i, 'x' || i, 'y', 1 from n",
    ).unwrap();
    fixture.die();
    for user in users() {
        fixture.fails(user, "db.sqlite-journal` was left behind by a process that died");
    }
    fixture.chmod("-journal", 0o600);
    for user in users() {
        fixture.fails(user, "db.sqlite-journal` was left behind by a process that died");
    }
}

#[test]
fn a_lock_is_waited_for_and_then_named() {
    let fixture = Fixture::new("delete");
    fixture.writer.as_ref().unwrap().execute_batch("begin exclusive").unwrap();
    let start = Instant::now();
    fixture.fails(User::Owner, "is locked by another process, and stayed so for 5 seconds");
    assert!(start.elapsed().as_secs() >= 5);
}

#[test]
fn an_exclusive_writer_with_a_log_does_not_hide_it() {
    let mut fixture = Fixture::new("wal");
    fixture.close();
    let writer = Connection::open(fixture.file()).unwrap();
    writer.execute_batch("pragma locking_mode = exclusive; begin exclusive; commit").unwrap();
    fixture.writer = Some(writer);
    fixture.add();
    assert!(!fixture.beside("-shm").exists());
    fixture.expect_all();
}

#[test]
fn what_is_no_database_says_so() {
    let mut fixture = Fixture::new("wal");
    fixture.close();
    let whole = fs::read(fixture.file()).unwrap();
    let fails = |content: &[u8], text: &str| {
        fs::write(fixture.file(), content).unwrap();
        fixture.fails(User::Owner, text);
    };
    fails(
        b"not a database, but longer than the header of one, so that it could be",
        "is not an SQLite database",
    );
    fails(b"SQLite", "is not an SQLite database");
    fails(b"", "table `ValidPaths` is missing (its schema is `unknown`, expected 7 to 10)");
    fails(&whole[..whole.len() / 2], "is damaged");
    let mut torn = whole.clone();
    torn[4096..].fill(0x55);
    fails(&torn, "is damaged");
    fs::remove_file(fixture.file()).unwrap();
    fixture.fails(User::Owner, "failed to read");
}

#[test]
fn other_schemas() {
    let mut fixture = Fixture::new("wal");
    fixture.close();
    fs::write(fixture.file().with_file_name("schema"), "11\n").unwrap();
    fixture.expect_all();
    // Guix never had the later columns.
    fixture.sql("alter table ValidPaths drop column ca; alter table ValidPaths drop column sigs; alter table ValidPaths drop column ultimate");
    fixture.expect_all();
    fixture.sql("alter table ValidPaths rename column narSize to size");
    fixture.fails(
        User::Owner,
        "column `ValidPaths.narSize` is missing (its schema is `11`, expected 7 to 10)",
    );
    fixture.sql("drop table Refs; alter table ValidPaths rename column size to narSize");
    fixture.fails(User::Owner, "table `Refs` is missing");
}

#[test]
fn rows_are_not_trusted() {
    let cases = [
        (
            "update ValidPaths set path = '/etc/passwd' where id = 2",
            "column `path` of row 2 is `/etc/passwd`, expected a path of this store",
        ),
        ("update ValidPaths set path = x'ff' where id = 2", "column `path` of row 2"),
        (
            "update ValidPaths set hash = 'md5:1' where id = 3",
            "column `hash` of row 3 is `md5:1`, expected a SHA-256",
        ),
        ("update ValidPaths set narSize = -5 where id = 3", "column `narSize` of row 3 is `-5`"),
        (
            "update ValidPaths set narSize = 'big' where id = 3",
            "column `narSize` of row 3 is `big`",
        ),
        ("update ValidPaths set deriver = 'x' where id = 3", "column `deriver` of row 3 is `x`"),
        ("insert into Refs values (2, 99)", "-path` refers to row 99, which does not exist"),
        ("insert into Refs values (2, 'x')", "column `reference` of row 2 is `x`"),
        ("delete from ValidPaths where id = 1", "-path` is not valid"),
    ];
    for (sql, text) in cases {
        let mut fixture = Fixture::new("wal");
        fixture.close();
        fixture.sql(sql);
        fixture.fails(User::Owner, text);
    }
}

#[test]
fn odd_names_are_no_options() {
    let mut fixture = Fixture::below("a b?mode=rwc#c%41&ü", "wal");
    fixture.expect_all();
    fixture.close();
    fixture.expect_all();
    fixture.sql("pragma journal_mode = delete");
    fixture.expect_all();
}

#[test]
fn a_link_to_a_database_finds_the_log_beside_the_real_one() {
    let fixture = Fixture::new("wal");
    let elsewhere = fixture.root.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let root = elsewhere.join("nix/var/nix/db");
    fs::create_dir_all(&root).unwrap();
    std::os::unix::fs::symlink(fixture.file(), root.join("db.sqlite")).unwrap();
    assert_eq!(ask(&elsewhere), fixture.paths.to_string());
}

/// Writers come and go while readers ask: no answer may lack what was there when it was asked for.
#[test]
fn no_answer_is_stale() {
    let mut fixture = Fixture::new("wal");
    fixture.close();
    let (committed, done) = (AtomicUsize::new(fixture.paths), AtomicBool::new(false));
    let (file, numbers) = (fixture.file(), fixture.paths..fixture.paths + 100);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            write_in_other_processes(&file, numbers, &committed);
            done.store(true, SeqCst);
        });
        let mut users = users().into_iter().cycle();
        while let (false, Some(user)) = (done.load(SeqCst), users.next()) {
            let least = committed.load(SeqCst);
            let answer = fixture.ask_amid_changes(user);
            let fresh = answer.parse::<usize>().is_ok_and(|count| count >= least);
            assert!(fresh, "as {user:?}: {answer}, expected {least}");
        }
    });
}

fn write_in_other_processes(file: &Path, numbers: Range<usize>, committed: &AtomicUsize) {
    for number in numbers {
        let mut writer = match Command::new("sqlite3").arg(file).stdin(Stdio::piped()).spawn() {
            Ok(writer) => writer,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "CI must have sqlite3: {error}");
                eprintln!("SKIPPED: no `sqlite3` on this machine: {error}");
                return;
            }
        };
        let mut stdin = writer.stdin.take().unwrap();
        write!(stdin, ".timeout 5000\n{}\n", insert(number)).unwrap();
        // Some stay for a while, so that there is a log to be read.
        std::thread::sleep(Duration::from_millis(number as u64 % 4 * 5));
        drop(stdin);
        assert!(writer.wait().unwrap().success());
        committed.store(number + 1, SeqCst);
    }
}
