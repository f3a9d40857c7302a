//! An image depends on what is in the store paths alone: not on the copy of the store, its inodes, modes or times, nor on
//! who knows the references, nor on how the root was named.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use support::image::archive_digest as digest;
use support::nix;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::binary;

/// `closure2img oci ROOT FLAG…`, as a command to add to.
fn oci(root: impl AsRef<Path>, flags: &[&str]) -> Command {
    let mut tool = binary();
    tool.arg("oci").arg(root.as_ref()).args(flags);
    tool
}

/// Copies a tree, each folder's entries in reverse order of their names, so that the file system lists them otherwise.
fn copy_reversed(from: &Path, to: &Path) {
    let meta = fs::symlink_metadata(from).expect("looking at a file");
    if meta.is_symlink() {
        return symlink(fs::read_link(from).expect("reading a link"), to).expect("making a link");
    }
    if meta.is_file() {
        fs::copy(from, to).expect("copying a file");
        return;
    }
    fs::create_dir(to).expect("creating a folder");
    let entries = fs::read_dir(from).expect("listing a folder");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("listing").file_name()).collect();
    names.sort();
    for name in names.iter().rev() {
        copy_reversed(&from.join(name), &to.join(name));
    }
    fs::set_permissions(to, meta.permissions()).expect("setting a mode");
}

/// All regular files below a folder.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("listing a folder") {
        let entry = entry.expect("listing a folder");
        match entry.file_type().expect("a type") {
            kind if kind.is_dir() => files(&entry.path(), found),
            kind if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}

/// Links equal files to each other, as `nix-store --optimise` does; answers how many.
fn link_equal_files(store: &Path) -> usize {
    let (mut all, mut links) = (Vec::new(), 0);
    files(store, &mut all);
    let mut first: BTreeMap<(u32, Vec<u8>), PathBuf> = BTreeMap::new();
    for file in all {
        let mode = file.metadata().expect("looking at a file").mode();
        let content = fs::read(&file).expect("reading a file");
        if let Some(original) = first.get(&(mode, content.clone())) {
            fs::remove_file(&file).and_then(|()| fs::hard_link(original, &file)).expect("linking");
            links += 1;
        } else {
            first.insert((mode, content), file);
        }
    }
    links
}

#[test]
fn copies_of_the_store_do_not_show() {
    peer!("nix-build");
    let dir = temp_dir();
    let top = &nix::store().top;
    let [copy, linked, reversed, bare, loose] =
        ["copy", "linked", "reversed", "bare", "loose"].map(|name| dir.path().join(name));
    nix::copy_to_chroot_store(&[top], &copy);
    copy_reversed(&copy, &reversed);
    copy_reversed(&copy, &linked);
    assert!(link_equal_files(&linked.join("nix/store")) > 10);
    // Without a database: references, sizes and hashes come from the files.
    copy_reversed(&copy, &bare);
    fs::remove_dir_all(bare.join("nix/var")).expect("removing the database");
    // Times and most mode bits are not the content's.
    copy_reversed(&copy, &loose);
    let mut all = Vec::new();
    files(&loose.join("nix/store"), &mut all);
    for file in all {
        let mode = file.metadata().expect("looking at a file").mode();
        let mode = if mode & 0o100 == 0 { 0o640 } else { 0o770 };
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("setting a mode");
        let file = fs::File::options().append(true).open(&file).expect("opening a file");
        file.set_modified(SystemTime::now()).expect("setting a time");
    }
    for compress in ["gzip", "zstd", "none"] {
        let flags = ["--compress", compress, "--max-layers=4"];
        let expected = digest(&mut oci(top, &flags));
        for store in [&copy, &linked, &reversed, &bare, &loose] {
            let got = digest(oci(top, &flags).arg("--store").arg(store));
            assert_eq!(got, expected, "{}, {compress}", store.display());
        }
        assert_eq!(digest(oci(top, &flags).arg("--references=scan")), expected, "{compress}");
    }
}

#[test]
fn who_knows_the_references_does_not_show() {
    peer!("nix-build");
    let dir = temp_dir();
    let top = &nix::store().top;
    let expected = digest(&mut oci(top, &[]));
    let json = dir.path().join("path-info.json");
    fs::write(&json, nix::path_info_json(top).to_string()).expect("writing a graph file");
    let dump = dir.path().join("dump-db");
    let mut nix_store = nix::nix("nix-store");
    let dumped = Outcome::of(nix_store.arg("--dump-db").args(nix::requisites(top))).success();
    fs::write(&dump, dumped.stdout).expect("writing a graph file");
    for flag in ["--references=auto", "--references=database", "--references=scan"] {
        assert_eq!(digest(&mut oci(top, &[flag])), expected, "{flag}");
    }
    for file in [&json, &dump] {
        for flag in ["--graph", "--references"] {
            let got = digest(oci(top, &[flag]).arg(file));
            assert_eq!(got, expected, "{flag} {}", file.display());
        }
        // Its root is the path that no other refers to.
        let mut rootless = binary();
        rootless.args(["oci", "--graph"]).arg(file);
        assert_eq!(digest(&mut rootless), expected, "{}", file.display());
    }
}

#[test]
fn ways_to_name_the_root_do_not_show() {
    peer!("nix-build");
    let dir = temp_dir();
    let app = &nix::store().app;
    let link = |name: &str, target: &Path| {
        let link = dir.path().join(name);
        symlink(target, &link).expect("making a link");
        link
    };
    let result = link("result", app);
    // A profile is a link to one of its generations, which is a link to the store.
    let generation = link("profile-7-link", app);
    let profile = link("profile", Path::new("profile-7-link"));
    let expected = digest(&mut oci(app, &[]));
    let slash = app.join("");
    for root in [&result, &generation, &profile, &slash, &app.join("bin/app")] {
        assert_eq!(digest(&mut oci(root, &[])), expected, "{}", root.display());
    }
    for flag in ["--link-root", "--tmp"] {
        let twice = digest(oci(app, &[flag]).arg(&result));
        assert_eq!(twice, digest(&mut oci(app, &[flag])), "the same root twice, {flag}");
    }
    let mut here = binary();
    here.arg("oci").current_dir(dir.path());
    assert_eq!(digest(&mut here), expected, "./result, unsaid");
}
