//! Roots that are none: missing, elsewhere, no store path, not valid, gone.

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use support::demo::{Demo, HELLO, ROOT};

/// A store path that nobody knows.
const STRANGER: &str = "/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-stranger";

/// The subcommands, each with what else it needs.
const SUBCOMMANDS: [&[&str]; 3] = [&["closure"], &["plan"], &["oci", "-o", "app.tar"]];

/// Asserts that each subcommand refuses `root` in the chroot store.
#[track_caller]
fn refused(demo: &Demo, root: &str, named: &[&str]) {
    for subcommand in SUBCOMMANDS {
        let mut command = demo.command();
        command.args(subcommand).args(["--store", "store"]);
        if !root.is_empty() {
            command.arg(root);
        }
        demo.refuses(&mut command, 1, named);
    }
}

#[test]
fn missing() {
    let demo = Demo::new();
    refused(&demo, "no/such", &["`no/such` does not exist", "hint: build it first"]);
    // The default.
    refused(&demo, "", &["`./result` does not exist", "hint: build it first"]);
    symlink("gone", demo.path("result")).expect("creating a link");
    refused(&demo, "", &["`./result` does not exist: it leads to `", "gone`"]);
    refused(&demo, "./result", &["`./result` does not exist: it leads to `", "gone`"]);
    symlink("loop", demo.path("loop")).expect("creating a link");
    refused(&demo, "loop", &["`loop` leads through more than 40 links", "hint: "]);
}

#[test]
fn outside_of_the_store() {
    let demo = Demo::new();
    fs::write(demo.path("file"), "").expect("writing a file");
    let hint = "hint: give a path in `/nix/store`";
    refused(&demo, "file", &["`file` is not in the store `/nix/store`", hint]);
    refused(&demo, "store", &["`store` is not in the store", hint, "hint: for another store"]);
    refused(&demo, "store/nix/store", &["is the store itself", "hint: give one of its paths"]);
    refused(&demo, "/nix/store", &["`/nix/store`", "hint: "]);
    symlink("/", demo.path("slash")).expect("creating a link");
    refused(&demo, "slash", &["`slash` is not in the store", hint]);
}

#[test]
fn in_the_store_directory_and_no_store_path() {
    let demo = Demo::new();
    let derivation = format!("{ROOT}.drv");
    let realise = format!("hint: build it with `nix-store --realise {derivation}`");
    refused(&demo, &derivation, &["is a derivation", &realise]);
    for name in ["/nix/store/.links", "/nix/store/short-x", "/nix/store/demo"] {
        refused(&demo, name, &[name, "no store path", "hint: a store path looks like"]);
    }
    // Letters that Nix's base 32 leaves out, and a hash without a name.
    for name in ["/nix/store/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-x", &ROOT[..43]] {
        refused(&demo, name, &[name, "no store path"]);
    }
}

#[test]
fn not_valid() {
    let demo = Demo::new();
    let database = demo.database();
    let knows = format!("`{}` does not know it", database.display());
    refused(&demo, STRANGER, &[STRANGER, "is not valid", &knows, "hint: build it first"]);
    // There, and yet not valid: half copied, or half deleted.
    fs::create_dir(demo.real(STRANGER)).expect("creating a folder");
    refused(&demo, STRANGER, &[STRANGER, "is not valid", "`--references scan`"]);
    // A root, and what it refers to.
    demo.sql(&format!("pragma foreign_keys = off; delete from ValidPaths where path = '{HELLO}'"));
    refused(&demo, "store/result", &["refers to row", "does not exist", "hint: check it with"]);
}

#[test]
fn valid_and_gone() {
    let demo = Demo::new();
    fs::remove_dir_all(demo.real(HELLO)).expect("removing a store path");
    let hint = "was collected meanwhile";
    demo.refuses(demo.ask("oci").args(["-o", "app.tar"]), 1, &[HELLO, "No such file", hint]);
    demo.refuses(demo.ask("oci").args(["-o", "-"]), 1, &[HELLO, hint]);
    // A scan looks at the files, and so do sizes that nobody wrote down.
    fs::remove_dir_all(demo.real(ROOT)).expect("removing a store path");
    let named = [ROOT, "does not exist", "hint: build it first"];
    demo.refuses(demo.ask("closure").args(["--references", "scan"]), 1, &named);
}

#[test]
fn stores_that_are_none() {
    let demo = Demo::new();
    for dir in ["tmp", "nowhere", "store/nix"] {
        for subcommand in SUBCOMMANDS {
            let mut command = demo.command();
            command.args(subcommand).args(["--store", dir, ROOT]);
            demo.refuses(&mut command, 1, &[&format!("`{dir}`"), "nix/store", "hint: fill it"]);
        }
    }
    let mut command = demo.command();
    command.args(["closure", ROOT]).env("NIX_STORE_DIR", "relative");
    demo.refuses(&mut command, 1, &["`NIX_STORE_DIR`", "hint: unset"]);
}
