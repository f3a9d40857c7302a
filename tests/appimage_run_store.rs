//! On a machine whose own store has all of an AppImage's paths, as Nix's database says, nothing is mounted or unpacked.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod appimage_run_support;
mod support;

use std::fs;
use std::path::Path;

use appimage_run_support::{App, Machine, NOBODY, ROOT};
use support::nix;
use support::outcome::Outcome;
use support::tool::tool;

/// A store with a database of Nix, and the AppImage of its busybox, whose program does what its arguments say.
fn app() -> App {
    let folder = support::temp_dir();
    let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), anybody).unwrap();
    let busybox = &nix::store().busybox;
    nix::copy_to_chroot_store(&[busybox], folder.path());
    let file = folder.path().join("App.AppImage");
    let [root, store, output] =
        [busybox, folder.path(), &file].map(|path: &Path| path.to_str().expect("ASCII").to_owned());
    tool(["appimage", &root, "--store", &store, "--exec", "bin/busybox", "-o", &output]).success();
    App { folder, file }
}

/// Runs it where `/nix` is that store.
fn run(machine: Machine, app: &App, script: &str) -> Outcome {
    let prelude = "mkdir -p /nix; mount --bind nix /nix";
    let user = machine.user();
    Outcome::of(&mut ROOT.shell(app, &format!("{prelude}; exec {user} sh -c '{script}' sh \"$1\"")))
}

#[test]
fn a_store_that_has_all_is_used_as_it_is() {
    peer!("nix-build");
    machines!();
    let app = app();
    let program = nix::store().busybox.join("bin/busybox").canonicalize().unwrap();
    let program = program.to_str().unwrap();
    for machine in [ROOT, NOBODY, Machine { namespaces: false, ..NOBODY }] {
        // The same namespaces and mounts as before, and the program that the machine itself has.
        let question = "sh -c \"busybox readlink /proc/self/ns/mnt; busybox readlink /proc/self/ns/user; busybox grep -c . /proc/self/mountinfo\"";
        let both = run(machine, &app, &format!("busybox {question}; exec \"$1\" {question}"));
        let both = both.success().complains("engine `store`\n");
        let lines: Vec<&str> = both.text().lines().collect();
        assert_eq!(lines[..3], lines[3..], "{machine:?}");
        let exe = run(machine, &app, "exec \"$1\" readlink /proc/self/exe").success();
        assert_eq!(exe.text(), program);
        assert!(app.processes().is_empty(), "nobody serves");
    }
    let other = run(ROOT, &app, "CLOSURE2IMG_ENGINE=root exec \"$1\" true").success();
    other.complains("engine `root`\n");
    app.leaves_nothing();
}

#[test]
fn a_store_that_may_have_another_path_is_not_used() {
    peer!("nix-build");
    machines!();
    let app = app();
    let database = app.folder.path().join("nix/var/nix/db/db.sqlite");
    let sql = |text: &str| {
        rusqlite::Connection::open(&database).unwrap().execute_batch(text).unwrap();
    };
    let asked = "CLOSURE2IMG_ENGINE=store exec \"$1\" true";
    run(ROOT, &app, asked).success();
    sql("update ValidPaths set hash = 'sha256:' || substr(hash, 9) || '0'");
    run(ROOT, &app, asked).code(127).complains("may have another");
    run(ROOT, &app, "exec \"$1\" true").success().complains("engine `root`\n");
    sql("delete from ValidPaths");
    run(ROOT, &app, asked).code(127).complains("may have another");
    fs::remove_file(&database).unwrap();
    run(ROOT, &app, asked).code(127).complains("db.sqlite");
    app.leaves_nothing();
}
