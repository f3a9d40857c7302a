//! The same store paths and options give the same bytes: on any number of threads, in any environment, from any copy of
//! the store, whatever its inodes, and whoever knows the references.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::image::Layout;
use support::nix;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::binary;

const COMPRESSIONS: [&str; 4] = ["gzip", "gzip:1", "zstd", "none"];

/// Writes the archive of the command, as prepared, to a file; answers the digest of all its bytes.
#[track_caller]
fn digest(tool: &mut Command) -> String {
    let dir = temp_dir();
    let archive = dir.path().join("image.tar");
    Outcome::of(tool.arg("-o").arg(&archive)).success();
    HEXLOWER.encode(&Sha256::digest(fs::read(archive).expect("reading an archive")))
}

/// `closure2img oci ROOT FLAG…`, as a command to add to.
fn oci(root: impl AsRef<Path>, flags: &[&str]) -> Command {
    let mut tool = binary();
    tool.arg("oci").arg(root.as_ref()).args(flags);
    tool
}

#[test]
fn threads_do_not_show() {
    peer!("nix-build");
    let top = &nix::store().top;
    for compress in COMPRESSIONS {
        for layers in ["100", "3", "2"] {
            let flags = ["--compress", compress, "--max-layers", layers, "--tmp", "--link-root"];
            let expected = digest(&mut oci(top, &flags));
            for threads in ["1", "2", "3", "8"] {
                let got = digest(oci(top, &flags).args(["--threads", threads]));
                assert_eq!(got, expected, "{compress}, {layers} layers, {threads} threads");
            }
        }
    }
}

#[test]
fn the_environment_does_not_show() {
    peer!("nix-build");
    let top = &nix::store().top;
    for compress in COMPRESSIONS {
        let flags = ["--compress", compress, "--user=app:1000:1000"];
        let expected = digest(&mut oci(top, &flags));
        for (umask, zone, locale) in [
            ("077", "Pacific/Kiritimati", "C"),
            ("000", "America/St_Johns", "tr_TR.UTF-8"),
            ("022", "", "POSIX"),
        ] {
            let dir = temp_dir();
            let mut shell = binary();
            let tool = shell.get_program().to_owned();
            let mut other = Command::new("/bin/sh");
            other.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(tool);
            other.arg("oci").arg(top).args(flags).current_dir(dir.path());
            for (name, value) in shell.env("TZ", zone).env("LC_ALL", locale).get_envs() {
                match value {
                    Some(value) => other.env(name, value),
                    None => other.env_remove(name),
                };
            }
            other.env("HOME", dir.path()).env("TMPDIR", dir.path()).env("SOURCE_DATE_EPOCH", "9");
            assert_eq!(digest(&mut other), expected, "{compress}, {umask}, {zone}, {locale}");
        }
    }
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
    for compress in COMPRESSIONS {
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

#[test]
fn the_order_of_labels_does_not_show() {
    peer!("nix-build");
    let app = &nix::store().app;
    let flag = |kind: &str, number: usize| [format!("--{kind}"), format!("key-{number}={number}")];
    let flags =
        |kind: &str| -> Vec<[String; 2]> { (0..40).map(|number| flag(kind, number)).collect() };
    let mut all = [flags("label"), flags("annotation"), flags("env")].concat();
    let volumes = (0..20).map(|number| ["--volume".to_owned(), format!("/data/{number}")]);
    let ports = (1..20).map(|number| ["--expose".to_owned(), number.to_string()]);
    all.extend(volumes.chain(ports));
    let expected = digest(oci(app, &[]).args(all.iter().flatten()));
    for turn in [0, 7, 100] {
        all.rotate_left(turn);
        assert_eq!(digest(oci(app, &[]).args(all.iter().flatten())), expected);
    }
    all.reverse();
    assert_eq!(digest(oci(app, &[]).args(all.iter().flatten())), expected);
}

/// The configuration of the app's image, and the digests of its layers.
#[track_caller]
fn made(tool: &mut Command) -> (Value, Vec<Value>) {
    let dir = temp_dir();
    let layout = dir.path().join("layout");
    Outcome::of(tool.args(["--format=layout", "-o"]).arg(&layout)).success();
    let layout = Layout::at(&layout);
    let digests = layout.layers().into_iter().map(|layer| layer["digest"].clone()).collect();
    (layout.config(), digests)
}

#[test]
fn the_time_is_the_one_asked_for() {
    peer!("nix-build");
    let app = &nix::store().app;
    let (default, layers) = made(&mut oci(app, &[]));
    assert_eq!(default["created"], "1970-01-01T00:00:01Z");
    let same = ["2023-11-14T22:13:20Z", "2023-11-15T00:13:20+02:00", "1700000000"];
    for when in same.into_iter().chain(["SOURCE_DATE_EPOCH"]) {
        let mut tool = oci(app, &["--created", when]);
        let (config, others) = made(tool.env("SOURCE_DATE_EPOCH", "1700000000"));
        assert_eq!(config["created"], "2023-11-14T22:13:20Z", "{when}");
        for entry in config["history"].as_array().expect("a list") {
            assert_eq!(entry["created"], config["created"]);
        }
        assert_eq!(others, layers, "{when}");
        let digests: Vec<String> = [when, same[0]]
            .iter()
            .map(|when| {
                digest(oci(app, &["--created", when]).env("SOURCE_DATE_EPOCH", "1700000000"))
            })
            .collect();
        assert_eq!(digests[0], digests[1], "{when}");
    }

    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let before = now();
    let (config, others) = made(&mut oci(app, &["--created=now"]));
    let created = config["created"].as_str().expect("a time");
    let seconds = Outcome::of(Command::new("date").args(["-d", created, "+%s"])).success();
    let seconds: u64 = seconds.text().parse().expect("a number");
    assert!((before..=now()).contains(&seconds), "{created}");
    assert_eq!(others, layers);

    for when in ["SOURCE_DATE_EPOCH", "yesterday", ""] {
        let refused = Outcome::of(oci(app, &["--created", when]).args(["-o", "/dev/null"]));
        refused.code(2).prints("");
    }
}
