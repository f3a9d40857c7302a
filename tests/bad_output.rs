//! Outputs that have no place to be: refused before any work, with what is there left as it is.

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use support::demo::{Demo, chmod};
use support::outcome::Outcome;

/// Asserts that neither an image file nor a Docker archive can be written to `output`.
#[track_caller]
fn no_file(demo: &Demo, output: &str, named: &[&str]) {
    for format in ["archive", "docker"] {
        let outcome =
            demo.refuses(demo.ask("oci").args(["-o", output, "--format", format]), 1, named);
        at_once(&outcome);
    }
}

/// Asserts that no layout can be written to `output`.
#[track_caller]
fn no_layout(demo: &Demo, output: &str, named: &[&str]) {
    at_once(&demo.refuses(demo.ask("oci").args(["-o", output, "--format", "layout"]), 1, named));
}

/// Asserts that no work was done before.
#[track_caller]
fn at_once(outcome: &Outcome) {
    assert!(!outcome.errors().contains("building"), "{}", outcome.errors());
}

#[test]
fn a_directory_where_a_file_should_be() {
    let demo = Demo::new();
    let hint = "hint: name a file, such as `store/image.tar`, or use `--format layout`";
    no_file(&demo, "store", &["`store` names a directory", hint]);
    no_file(&demo, ".", &["`.` names a directory", "hint: name a file"]);
    no_file(&demo, "new/", &["`new/` names a directory", "hint: name a file"]);
    symlink("store", demo.path("link")).expect("creating a link");
    no_file(&demo, "link", &["`link` names a directory", "hint: name a file"]);
}

#[test]
fn a_directory_that_is_not_there() {
    let demo = Demo::new();
    let named = ["cannot write `no/such/app`", "No such file", "`mkdir -p no/such`"];
    no_file(&demo, "no/such/app", &named);
    no_layout(&demo, "no/such/app", &named);
    fs::write(demo.path("file"), "kept").expect("writing a file");
    let named = ["cannot write `file/app`", "Not a directory", "hint: name a directory: `file`"];
    no_file(&demo, "file/app", &named);
    no_layout(&demo, "file/app", &named);
    // Neither is a folder for layers that go nowhere else.
    let mut stdout = demo.ask("oci");
    stdout.args(["-o", "-"]).env("TMPDIR", "/nowhere/tmp");
    demo.refuses(&mut stdout, 1, &["`/nowhere/tmp`", "No such file", "`mkdir -p /nowhere/tmp`"]);
}

#[test]
fn a_directory_that_cannot_be_written() {
    let demo = Demo::new();
    fs::create_dir(demo.path("mine")).expect("creating a folder");
    fs::write(demo.path("mine/app"), "kept").expect("writing a file");
    chmod(&demo.path("mine"), 0o555);
    let named = ["cannot write `mine/", "Permission denied", "hint: write elsewhere", "`mine`"];
    for (output, format) in
        [("mine/app", "archive"), ("mine/new", "docker"), ("mine/new", "layout")]
    {
        let mut oci = demo.ask("oci");
        let mut oci = demo.as_nobody(oci.args(["-o", output, "--format", format]));
        at_once(&demo.refuses(&mut oci, 1, &named));
    }
    chmod(&demo.path("tmp"), 0o555);
    let mut oci = demo.ask("oci");
    let mut oci = demo.as_nobody(oci.args(["-o", "-"]));
    demo.refuses(&mut oci, 1, &["tmp`", "Permission denied", "hint: write elsewhere"]);
    chmod(&demo.path("tmp"), 0o777);
    chmod(&demo.path("mine"), 0o755);
}

#[test]
fn something_else_where_a_layout_should_be() {
    let demo = Demo::new();
    let hint = "hint: name another directory, or remove that one";
    no_layout(&demo, "store", &["`store` is there already", hint]);
    no_layout(&demo, ".", &["`.` is there already", hint]);
    fs::write(demo.path("file"), "kept").expect("writing a file");
    no_layout(&demo, "file", &["`file` is there already", hint]);
    symlink("gone", demo.path("link")).expect("creating a link");
    no_layout(&demo, "link", &["`link` is there already", hint]);
    fs::create_dir_all(demo.path("almost/blobs")).expect("creating a folder");
    fs::write(demo.path("almost/oci-layout"), "{}").expect("writing a file");
    no_layout(&demo, "almost", &["`almost` is there already", hint]);
}

#[test]
fn an_existing_layout_is_replaced_whole() {
    let demo = Demo::new();
    let write = |output: &str, more: &[&str]| {
        let mut oci = demo.ask("oci");
        Outcome::of(oci.args(["--format", "layout", "-o", output]).args(more)).success();
        let list = |dir: &str| {
            let entries = fs::read_dir(demo.path(dir)).expect("listing a folder");
            let mut names: Vec<_> =
                entries.map(|entry| entry.expect("an entry").file_name()).collect();
            names.sort();
            names
        };
        (list(output), list(&format!("{output}/blobs/sha256")), list(""))
    };
    let first = write("image", &[]);
    fs::write(demo.path("image/blobs/sha256/stray"), "").expect("writing a file");
    let second = write("image", &["--env", "A=1"]);
    assert_ne!(first.1, second.1, "another configuration");
    assert_eq!((&first.0, &first.2), (&second.0, &second.2), "nothing left inside or beside");
    assert_eq!(write("image", &[]), first);
    fs::create_dir(demo.path("empty")).expect("creating a folder");
    assert_eq!(write("empty", &[]).1, first.1);
    symlink("empty", demo.path("link")).expect("creating a link");
    assert_eq!(write("link", &[]).1, first.1);
    assert!(demo.path("link").is_symlink(), "a link goes on pointing");
}

#[test]
fn an_existing_file_outlives_failures() {
    let demo = Demo::new();
    fs::write(demo.path("app.tar"), "kept").expect("writing a file");
    for flags in [&["--exec", "nope"][..], &["--arch", "arm64"], &["--user", "stranger"]] {
        demo.refuses(demo.ask("oci").args(["-o", "app.tar"]).args(flags), 1, &[]);
    }
}
