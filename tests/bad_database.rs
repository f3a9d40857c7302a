//! Databases that cannot be read: each is told apart, none is written to, and none is answered from.

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

use support::demo::{Demo, HELLO, chmod};
use support::outcome::Outcome;

/// Asserts that the closure and the image are refused, and that a scan does without the database.
#[track_caller]
fn refused(demo: &Demo, named: &[&str]) {
    let file = format!("`{}`", demo.database().display());
    let named: Vec<&str> = named.iter().copied().chain([file.as_str()]).collect();
    demo.refuses(&mut demo.ask("closure"), 1, &named);
    demo.refuses(demo.ask("oci").args(["-o", "app.tar"]), 1, &named);
    let before = demo.files();
    let mut scan = demo.ask("closure");
    let found = Outcome::of(scan.args(["--references", "scan"])).success();
    assert!(found.text().contains("4 paths"), "{}", found.text());
    demo.unchanged(&before);
}

#[test]
fn no_database_at_all_is_scanned_unless_one_is_wanted() {
    let demo = Demo::new();
    fs::remove_file(demo.database()).expect("removing the database");
    let found = Outcome::of(&mut demo.ask("closure")).success();
    assert!(found.text().contains("4 paths"), "{}", found.text());
    let mut command = demo.ask("closure");
    command.args(["--references", "database"]);
    demo.refuses(&mut command, 1, &["db.sqlite`", "No such file", "hint: `--references scan`"]);
}

#[test]
fn no_sqlite_at_all() {
    let demo = Demo::new();
    fs::write(demo.database(), "not a database\n".repeat(1000)).expect("writing a file");
    refused(&demo, &["is not an SQLite database"]);
    fs::write(demo.database(), "x").expect("writing a file");
    refused(&demo, &["is not an SQLite database"]);
    fs::write(demo.database(), "").expect("writing a file");
    refused(&demo, &["is no database of Nix", "`ValidPaths` is missing"]);
    fs::remove_file(demo.database()).expect("removing the database");
    fs::create_dir(demo.database()).expect("creating a folder");
    refused(&demo, &["Is a directory"]);
}

#[test]
fn damaged() {
    let whole = fs::read(Demo::new().database()).expect("reading the database");
    for length in [100, 3000, 4096, 20_000] {
        let demo = Demo::new();
        fs::write(demo.database(), &whole[..length]).expect("cutting the database");
        refused(&demo, &["hint: `--references scan`"]);
    }
    // Pages that the answer stands on: the paths, and the indices of paths and references.
    for page in [1, 2, 5] {
        let demo = Demo::new();
        let mut file = File::options().write(true).open(demo.database()).expect("opening");
        file.seek(SeekFrom::Start(page * 4096)).expect("seeking");
        file.write_all(&[0xa5; 4096]).expect("damaging the database");
        refused(&demo, &["hint: `--references scan`"]);
    }
}

#[test]
fn rows_that_cannot_be() {
    let update = |set: &str| format!("update ValidPaths set {set} where path = '{HELLO}'");
    let cases = [
        (update("narSize = -5"), ["`narSize`", "`-5`"]),
        (update("narSize = 'big'"), ["`narSize`", "`big`"]),
        (update("path = '/nix/store/zz'"), ["`path`", "`/nix/store/zz`"]),
        (update("path = '/etc/passwd'"), ["`path`", "`/etc/passwd`"]),
        (format!("delete from ValidPaths where path = '{HELLO}'"), ["refers to row", "not exist"]),
        ("drop table Refs".into(), ["is no database of Nix", "`Refs` is missing"]),
    ];
    for (sql, named) in cases {
        let demo = Demo::new();
        demo.sql(&format!("pragma foreign_keys = off; {sql}"));
        refused(&demo, &named);
    }
}

#[test]
fn locked() {
    peer!("sqlite3");
    let demo = Demo::new();
    // Another process: this one would lose its lock when it looks at the file.
    let mut writer = Command::new("sqlite3")
        .arg(demo.database())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starting sqlite3");
    let mut orders = writer.stdin.take().expect("a pipe");
    orders.write_all(b"begin exclusive; select 'locked';\n").expect("locking the database");
    let mut said = String::new();
    BufReader::new(writer.stdout.take().expect("a pipe")).read_line(&mut said).expect("an answer");
    assert_eq!(said, "locked\n");
    let named = ["is locked by another process", "hint: try again when Nix is done"];
    demo.refuses(&mut demo.ask("closure"), 1, &named);
    drop(orders);
    writer.wait().expect("the end of sqlite3");
    Outcome::of(&mut demo.ask("closure")).success();
}

#[test]
fn unreadable() {
    let demo = Demo::new();
    let mut closure = demo.as_nobody(&demo.ask("closure"));
    chmod(&demo.database(), 0);
    let named = ["db.sqlite`", "Permission denied", "hint: let Nix read it", "`--graph "];
    demo.refuses(&mut closure, 1, &named);
    // Nor must a folder that we may not look into be taken for one without a database.
    chmod(&demo.database(), 0o644);
    let dir = demo.path("store/nix/var/nix/db");
    chmod(&dir, 0);
    demo.refuses(&mut closure, 1, &named);
    chmod(&dir, 0o755);
}
