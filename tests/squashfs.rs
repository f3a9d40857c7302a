//! `closure2img squashfs` against everything that reads such images: the kernel, squashfuse, and both sets of tools.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod closure_support;
mod support;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use closure_support::{TOP, tiny_root};
use support::mounted::Mounted;
use support::outcome::Outcome;
use support::peer::{is_root, program};
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::{binary, tool};
use support::tree::{Compare, tree_diff};

const ALL: Compare = Compare { owner: true, mtime: true };

fn squashfs(root: &Path, flags: &[&str], image: &Path) -> Outcome {
    let mut tool = binary();
    Outcome::of(tool.arg("squashfs").arg(root).args(flags).arg("-o").arg(image))
}

/// The image unpacked by `unsquashfs`.
fn unpacked(image: &Path) -> PathBuf {
    let to = image.with_extension("root");
    let mut unsquashfs = Command::new(program("unsquashfs"));
    Outcome::of(unsquashfs.args(["-q", "-n", "-d"]).arg(&to).arg(image)).success();
    to
}

/// A tree with what only directories outside a store have.
fn tree(dir: &Path) -> PathBuf {
    let root = dir.join("tree");
    fs::create_dir_all(root.join("a/empty")).unwrap();
    for (name, length) in
        [("none", 0), ("short", 5), ("block", 131_072), ("more", 131_073), ("large", 500_000)]
    {
        let bytes: Vec<u8> = b"some text".iter().copied().cycle().take(length).collect();
        fs::write(root.join("a").join(name), bytes).unwrap();
    }
    symlink("../nowhere", root.join("a/link")).unwrap();
    File::create(root.join("sparse")).unwrap().write_all_at(b"end", 3_000_000).unwrap();
    fs::set_permissions(root.join("a/short"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(root.join("a/empty"), fs::Permissions::from_mode(0o1777)).unwrap();
    let mkfifo = Outcome::of(Command::new("mkfifo").arg(root.join("pipe")));
    mkfifo.success();
    root
}

#[test]
fn a_closure_is_at_its_place_with_all_its_names() {
    peer!("unsquashfs");
    let (store, dir) = (tiny_root(), temp_dir());
    let image = dir.path().join("x.sqfs");
    let at = store.path().to_str().expect("a plain name");
    squashfs(Path::new(TOP), &["--store", at], &image).success();
    let root = unpacked(&image);
    let closure = tool(["closure", TOP, "--store", at, "--json"]).success().json();
    let paths: Vec<String> = match &closure {
        serde_json::Value::Object(infos) => infos.keys().cloned().collect(),
        infos => {
            let infos = infos.as_array().expect("a list").iter();
            infos.map(|info| info["path"].as_str().expect("a path").to_owned()).collect()
        }
    };
    assert!(paths.len() > 3, "{paths:?}");
    for path in &paths {
        let (real, copy) = (store.path().join(&path[1..]), root.join(&path[1..]));
        assert_eq!(tree_diff(&real, &copy, Compare::default()), [""; 0]);
        assert_eq!(copy.symlink_metadata().unwrap().mtime(), 1);
    }
    let there = fs::read_dir(root.join("nix/store")).expect("the store").count();
    assert_eq!(there, paths.len());
    let mode = |path: &str| root.join(path).symlink_metadata().unwrap().mode() & 0o7777;
    assert_eq!([mode(""), mode("nix"), mode("nix/store")], [0o755; 3]);
}

#[test]
fn every_reader_sees_the_same() {
    peer!("rdsquashfs", "sqfs2tar", "squashfuse", "tar", "unsquashfs");
    let dir = temp_dir();
    let root = tree(dir.path());
    for (number, flags) in [
        vec![],
        vec!["--compress", "zstd:22", "--block-size", "1M"],
        vec!["--compress", "gzip"],
        vec!["--compress", "gzip:1", "--block-size", "4K"],
        vec!["--compress", "gzip:12", "--block-size", "65536"],
        vec!["--compress", "none"],
        vec!["--compress", "zstd:15", "--keep-owner"],
    ]
    .into_iter()
    .enumerate()
    {
        let image = dir.path().join(format!("{number}.sqfs"));
        squashfs(&root, &flags, &image).success();
        let same = |copy: &Path| {
            assert_eq!(
                tree_diff(&root, copy, Compare { owner: is_root(), ..ALL }),
                [""; 0],
                "{flags:?}"
            );
        };
        same(&unpacked(&image));
        if let Some(_mounted) = Mounted::squashfs(&image, &dir.path().join(format!("{number}.mnt")))
        {
            same(&dir.path().join(format!("{number}.mnt")));
        }
        let to = dir.path().join(format!("{number}.tar"));
        fs::create_dir(&to).unwrap();
        let mut sqfs2tar = Command::new(program("sqfs2tar"));
        let mut sqfs2tar = sqfs2tar.arg(&image).stdout(Stdio::piped()).spawn().unwrap();
        let tar = sqfs2tar.stdout.take().unwrap();
        let mut untar = Command::new(program("tar"));
        Outcome::of(untar.args(["-xp", "-C"]).arg(&to).stdin(tar)).success();
        assert!(sqfs2tar.wait().unwrap().success());
        // A tar has no entry for its root.
        assert_eq!(tree_diff(&root.join("a"), &to.join("a"), ALL), [""; 0], "{flags:?}");
        let listed =
            Outcome::of(Command::new(program("rdsquashfs")).arg("-d").arg(&image)).success();
        assert!(listed.text().contains("file a/short 04751 0 0"), "{}", listed.text());
    }
    let (image, mount) = (dir.path().join("0.sqfs"), dir.path().join("fuse"));
    fs::create_dir(&mount).unwrap();
    let fuse = Outcome::of(Command::new(program("squashfuse")).arg(&image).arg(&mount));
    if fuse.code == Some(0) {
        let differences = tree_diff(&root, &mount, Compare { owner: false, mtime: true });
        Outcome::of(Command::new("umount").arg(&mount)).success();
        assert_eq!(differences, [""; 0]);
    } else {
        support::peer::skipped(&format!("squashfuse does not mount here: {}", fuse.errors()));
    }
}

#[test]
fn what_is_kept_of_a_directory() {
    peer!("unsquashfs");
    let dir = temp_dir();
    let root = tree(dir.path());
    let image = dir.path().join("x.sqfs");
    squashfs(&root, &["--mtime", "86400"], &image).success();
    let copy = unpacked(&image);
    assert_eq!(copy.join("a/none").metadata().unwrap().mtime(), 86_400);
    assert_eq!(tree_diff(&root, &copy, Compare { owner: is_root(), mtime: false }), [""; 0]);
    let mut tool = binary();
    tool.env("SOURCE_DATE_EPOCH", "86400").arg("squashfs").arg(&root);
    let other = dir.path().join("other.sqfs");
    Outcome::of(tool.args(["--mtime", "SOURCE_DATE_EPOCH", "-o"]).arg(&other)).success();
    assert!(fs::read(&image).unwrap() == fs::read(&other).unwrap());
    if !support::peer::root() {
        return;
    }
    let run = |program: &str, args: &[&str]| {
        Outcome::of(Command::new(program).args(args).current_dir(&root)).success();
    };
    run("chown", &["1234:70000", "a/short"]);
    run("mknod", &["device", "b", "8", "300"]);
    squashfs(&root, &["--keep-owner"], &image).success();
    fs::remove_dir_all(&copy).unwrap();
    let copy = unpacked(&image);
    assert_eq!(tree_diff(&root, &copy, ALL), [""; 0]);
    squashfs(&root, &[], &image).success();
    fs::remove_dir_all(&copy).unwrap();
    let data = unpacked(&image).join("a/short").metadata().unwrap();
    assert_eq!((data.uid(), data.gid()), (0, 0));
}

#[test]
fn extended_attributes_are_kept_when_asked_for() {
    peer!("getfattr", "setfattr", "unsquashfs");
    let dir = temp_dir();
    let root = tree(dir.path());
    let set = ["-n", "user.note", "-v", "a value of some length", "a/short"];
    let set = Outcome::of(Command::new("setfattr").args(set).current_dir(&root));
    if set.code != Some(0) {
        support::peer::skipped(&format!("no attributes can be set here: {}", set.errors()));
        return;
    }
    let image = dir.path().join("x.sqfs");
    let noted = |copy: &Path| {
        let get = ["-n", "user.note", "--only-values", "a/short"];
        Outcome::of(Command::new("getfattr").args(get).current_dir(copy)).stdout
    };
    squashfs(&root, &["--xattrs"], &image).success();
    let copy = unpacked(&image);
    assert_eq!(noted(&copy), b"a value of some length");
    fs::remove_dir_all(&copy).unwrap();
    squashfs(&root, &[], &image).success();
    assert_eq!(noted(&unpacked(&image)), b"");
}

#[test]
fn the_same_bytes_with_any_threads_from_anywhere() {
    let (dir, other) = (temp_dir(), temp_dir());
    let mut images = Vec::new();
    for (number, base) in [dir.path(), other.path(), dir.path()].into_iter().enumerate() {
        let store = ScanStore::new(&base.join(format!("store {number}")));
        // Made in another order, and linked in another way.
        let mut files: Vec<u32> = (0..300).collect();
        if number == 1 {
            files.reverse();
        }
        for file in files {
            store.file(&format!("app/share/{file}"), file.to_string().repeat(file as usize));
        }
        let large = store.file("app/lib/large", "content of a large file".repeat(30_000));
        if number == 2 {
            fs::hard_link(large, store.real("app").join("lib/other")).unwrap();
        } else {
            store.file("app/lib/other", "content of a large file".repeat(30_000));
        }
        let threads = (number + 1).to_string();
        let mut tool = binary();
        tool.args(["squashfs", &ScanStore::path("app"), "--threads", &threads, "-o", "-"]);
        let outcome = Outcome::of(tool.arg("--store").arg(store.dir())).success();
        images.push(outcome.stdout);
    }
    assert!(images[0].starts_with(b"hsqs"));
    assert!(images.iter().all(|image| *image == images[0]));
}

#[test]
fn wrong_usage_and_unreadable_files_leave_nothing() {
    let dir = temp_dir();
    let root = tree(dir.path());
    let image = dir.path().join("x.sqfs");
    for flags in [
        ["--compress", "zstd:23"],
        ["--compress", "xz"],
        ["--block-size", "2M"],
        ["--block-size", "5K"],
        ["--mtime", "yesterday"],
        ["--threads", "0"],
    ] {
        squashfs(&root, &flags, &image).code(2);
    }
    // What a store has not cannot be kept.
    let store = tiny_root();
    let at = store.path().to_str().expect("a plain name");
    for (flags, named) in [
        (&["--keep-owner"][..], "`--keep-owner`"),
        (&["--xattrs"], "`--xattrs`"),
        (&["--mtime", "86400"], "`--mtime`"),
    ] {
        let flags = [flags, &["--store", at]].concat();
        squashfs(Path::new(TOP), &flags, &image).code(2).complains(named).complains("hint: ");
    }
    squashfs(&root, &["--json"], Path::new("-")).code(2).complains("hint: ");
    squashfs(&dir.path().join("none"), &[], &image).code(1).complains("hint: ");
    squashfs(&root, &[], &dir.path().join("no/such")).code(1).complains("mkdir -p");
    assert!(!image.exists());
    let told = squashfs(&root, &["--json"], &image).success().json();
    assert_eq!(told["size"], image.metadata().unwrap().len());
    assert_eq!(told["files"], 11);
}
