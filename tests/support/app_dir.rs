//! What AppImages are made from, and what comes of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::demo::{Demo, chmod};
use super::outcome::Outcome;
use super::peer::program;

/// A desktop entry without fault.
pub const ENTRY: &str =
    "[Desktop Entry]\nType=Application\nName=Hello\nExec=hello\nIcon=hello\nCategories=Utility;\n";

/// An icon without fault.
pub const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1\"/>\n";

/// An AppDir without fault and without a store: a script, an entry, an icon.
pub fn app_dir(dir: &Path) {
    fs::create_dir_all(dir.join("usr/bin")).expect("creating an AppDir");
    file(&dir.join("usr/bin/hello"), "#!/bin/sh\necho \"hello $*\"\n", 0o755);
    link("usr/bin/hello", &dir.join("AppRun"));
    file(&dir.join("hello.desktop"), ENTRY, 0o644);
    file(&dir.join("hello.svg"), SVG, 0o644);
    link("hello.svg", &dir.join(".DirIcon"));
    chmod(dir, 0o755);
}

/// A file with a mode.
pub fn file(path: &Path, text: impl AsRef<[u8]>, mode: u32) {
    let dir = path.parent().expect("a file in a directory");
    fs::create_dir_all(dir).expect("creating a directory");
    fs::write(path, text).expect("writing a file");
    chmod(path, mode);
}

/// A link.
pub fn link(target: impl AsRef<Path>, path: &Path) {
    let dir = path.parent().expect("a link in a directory");
    fs::create_dir_all(dir).expect("creating a directory");
    symlink(target, path).expect("making a link");
}

/// What `closure2img appimage --json ARGS` says, run in the demo's folder with its store.
#[track_caller]
pub fn made<A: AsRef<std::ffi::OsStr>>(demo: &Demo, args: impl IntoIterator<Item = A>) -> Value {
    let mut command = demo.command();
    command.args(["appimage", "--store", "store", "--json", "--progress", "none"]).args(args);
    Outcome::of(&mut command).success().json()
}

/// Where the image is in what was made.
pub fn offset(made: &Value) -> String {
    made["offset"].as_u64().expect("an offset").to_string()
}

/// Unpacks the image with squashfs-tools; answers where. Needs `peer!("unsquashfs")`.
#[track_caller]
pub fn unpacked(demo: &Demo, made: &Value, name: &str) -> PathBuf {
    let file = demo.path(made["output"].as_str().expect("a file"));
    let dir = demo.path(name);
    let mut unsquashfs = Command::new(program("unsquashfs"));
    unsquashfs.args(["-no-progress", "-quiet", "-offset"]).arg(offset(made)).arg("-dest").arg(&dir);
    Outcome::of(unsquashfs.arg(file)).success();
    dir
}
