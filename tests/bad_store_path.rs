//! Store paths that are not what the database says: changed, gone, unreadable, or nothing that Nix
//! could have put there. No image comes of them, in whatever form, and no tag.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use support::demo::{Demo, HELLO, chmod};
use support::fake_http::FakeHttp;

/// Where images go.
const OUTPUTS: [&[&str]; 4] = [
    &["-o", "app.tar"],
    &["-o", "app.tar", "--format", "docker", "--compress", "none"],
    &["-o", "app", "--format", "layout", "--compress", "zstd"],
    &["-o", "-"],
];

/// Damages HELLO and asserts that no image comes of it.
#[track_caller]
fn refused(damage: impl FnOnce(&Path), named: &[&str]) {
    let demo = Demo::new();
    fs::write(demo.path("app.tar"), "kept").expect("writing a file");
    damage(&demo.real(HELLO));
    for output in OUTPUTS {
        demo.refuses(demo.ask("oci").args(output), 1, named);
    }
    let registry = FakeHttp::registry(|_| None);
    let name = format!("{}/app:1", registry.host());
    demo.refuses(demo.ask("oci").args(["--push", &name]), 1, named);
    assert_eq!(registry.count("PUT", "/manifests/"), 0, "a tag was moved");
}

#[test]
fn changed_after_it_was_registered() {
    let named = [HELLO, "changed", "when it was registered", "hint: store paths must not change"];
    let length = |path: &Path, change: i64| {
        chmod(&path.join("bin/hello"), 0o755);
        let file = fs::File::options().write(true).open(path.join("bin/hello")).expect("opening");
        let size = file.metadata().expect("a size").len();
        file.set_len(size.checked_add_signed(change).expect("a size")).expect("changing a size");
    };
    refused(|path| length(path, 8), &named);
    refused(|path| length(path, -8), &named);
    refused(|path| fs::remove_file(path.join("bin/hello")).expect("removing"), &named);
    refused(|path| fs::write(path.join("extra"), "").expect("writing"), &named);
    refused(|path| fs::create_dir(path.join("extra")).expect("creating"), &named);
    refused(|path| chmod(&path.join("bin/hello"), 0o444), &named);
    refused(
        |path| fs::rename(path.join("bin"), path.join("programs.d")).expect("renaming"),
        &named,
    );
    let to_link = |path: &Path| {
        fs::remove_file(path.join("bin/hello")).expect("removing");
        symlink("elsewhere", path.join("bin/hello")).expect("creating a link");
    };
    refused(to_link, &named);
    let to_file = |path: &Path| {
        fs::remove_dir_all(path).expect("removing");
        fs::write(path, "").expect("writing");
    };
    refused(to_file, &named);
}

#[test]
fn gone() {
    let named = [HELLO, "No such file", "hint: the store path is not whole", "was collected"];
    refused(|path| fs::remove_dir_all(path).expect("removing"), &named);
}

#[test]
fn nothing_that_nix_could_have_put_there() {
    let fifo = |path: &Path| {
        let made = Command::new("mkfifo").arg(path.join("pipe")).status().expect("mkfifo");
        assert!(made.success());
    };
    refused(fifo, &[HELLO, "/pipe`", "a named pipe", "hint: something other than Nix"]);
    let socket = |path: &Path| {
        UnixListener::bind(path.join("s")).expect("a socket");
    };
    refused(socket, &[HELLO, "/s`", "a socket", "hint: something other than Nix"]);
    // A layer would take it for an order to delete.
    refused(
        |path| fs::write(path.join(".wh.x"), "").expect("writing"),
        &[HELLO, ".wh.x", "hint: leave such files out of the image with `--whiteouts omit`"],
    );
}

#[test]
fn unreadable() {
    // A file, a directory that can be listed and not entered, one that cannot be listed.
    for (name, mode) in [("bin/hello", 0), ("bin", 0o444), ("bin", 0o111)] {
        let demo = Demo::new();
        let file = demo.real(HELLO).join(name);
        let mut oci = demo.ask("oci");
        let mut oci = demo.as_nobody(oci.args(["-o", "tmp/app.tar"]));
        let was = fs::metadata(&file).expect("a mode").permissions();
        chmod(&file, mode);
        let named = [HELLO, "Permission denied", "hint: run as a user who may read"];
        demo.refuses(&mut oci, 1, &named);
        fs::set_permissions(&file, was).expect("setting a mode");
    }
}
