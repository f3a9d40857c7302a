//! What is in an AppImage, seen by squashfs-tools and the kernel, next to what it was made from.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use closure2img::appimage::elf_head::{ElfHead, Section};
use closure2img::appimage::signature::{Verdict, verify};
use closure2img::gpg::Signed;
use sha2::{Digest, Sha256};
use support::app_dir::{ENTRY, SVG, app_dir, file, link, made, offset, unpacked};
use support::demo::{Demo, HELLO, ROOT, chmod};
use support::outcome::Outcome;
use support::peer::program;
use support::tree::{Compare, assert_same_tree, tree_diff};

#[test]
fn a_plain_app_dir_stays_one() {
    peer!("unsquashfs");
    let demo = Demo::new();
    let dir = demo.path("Hello.AppDir");
    app_dir(&dir);
    for name in ["blanks in it", "ünïcode", "\u{1f980}"] {
        file(&dir.join("data").join(name), name, 0o644);
    }
    file(&dir.join("data").join(OsStr::from_bytes(b"not-\xff-utf8")), "x", 0o755);
    fs::create_dir(dir.join("empty")).unwrap();
    let before = demo.files();
    let made = made(&demo, ["Hello.AppDir"]);
    assert_eq!(made["output"], "Hello-x86_64.AppImage");
    assert_eq!(made["paths"], 0);
    let image = demo.path("Hello-x86_64.AppImage");
    assert_eq!(fs::metadata(&image).unwrap().permissions().mode() & 0o100, 0o100);
    assert_eq!(fs::metadata(&image).unwrap().len(), made["size"].as_u64().unwrap());
    fs::rename(&image, demo.path("moved.AppImage")).unwrap();
    demo_unchanged_but(&demo, &before, "moved.AppImage");
    let mut moved = made;
    moved["output"] = "moved.AppImage".into();
    assert_same_tree(&dir, &unpacked(&demo, &moved, "plain"));
}

/// The source is as it was, to the last mode.
#[track_caller]
fn demo_unchanged_but(demo: &Demo, before: &BTreeMap<PathBuf, String>, new: &str) {
    let new = demo.path(new);
    let after: Vec<_> = demo.files().into_iter().filter(|(path, _)| *path != new).collect();
    assert_eq!(after, before.clone().into_iter().collect::<Vec<_>>());
}

#[test]
fn links_into_the_store_bring_the_closure_once() {
    peer!("unsquashfs");
    let demo = Demo::new();
    let dir = demo.path("Hello.AppDir");
    // As `buildEnv` makes it, with the entry and the icon behind links as well.
    let env = demo.real("/nix/store/29a1m13dcdjwi04dpmvjka3icl2kqg9j-demo");
    chmod(&env, 0o755);
    file(&env.join("hello.desktop"), ENTRY, 0o444);
    file(&env.join("hello.svg"), SVG, 0o444);
    chmod(&env, 0o555);
    link(format!("{ROOT}/bin"), &dir.join("usr/bin"));
    link(format!("{ROOT}/share"), &dir.join("usr/share"));
    link(format!("{ROOT}/hello.desktop"), &dir.join("hello.desktop"));
    link(format!("{ROOT}/hello.svg"), &dir.join("hello.svg"));
    link("../store/result/bin/hello", &dir.join("AppRun"));
    chmod(&dir, 0o555);
    let before = demo.files();
    let made = made(&demo, ["Hello.AppDir", "-o", "hello.AppImage"]);
    demo_unchanged_but(&demo, &before, "hello.AppImage");
    assert_eq!(made["paths"], 4);
    let image = unpacked(&demo, &made, "image");
    // The store is as it was, and there once.
    let in_store = |dir: &Path| -> BTreeSet<_> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    let store = image.join("nix/store");
    assert_eq!(in_store(&store), in_store(&demo.path("store/nix/store")));
    // The demo's directories can be written, which those of a store cannot.
    let differences = tree_diff(&demo.path("store/nix/store"), &store, Compare::default());
    assert!(differences.iter().all(|line| line.contains(": mode ")), "{differences:?}");
    // Links lead to where the store is in the image.
    let target = |name: &str| fs::read_link(image.join(name)).unwrap();
    assert_eq!(target("usr/bin"), Path::new(&format!("../{}/bin", &ROOT[1..])));
    assert_eq!(target("AppRun"), Path::new(&format!("{}/bin/hello", &ROOT[1..])));
    assert_eq!(fs::read_to_string(image.join("hello.desktop")).unwrap(), ENTRY);
    assert!(!image.join("hello.desktop").is_symlink() && !image.join("hello.svg").is_symlink());
    let metadata = fs::read_to_string(image.join(".closure2img")).unwrap();
    let lines: Vec<&str> = metadata.lines().collect();
    assert_eq!(lines[..2], ["closure2img 1", "store /nix/store"]);
    assert_eq!(lines.len(), 6, "{metadata}");
    assert!(
        lines[2].starts_with("path 29a1m13dcdjwi04dpmvjka3icl2kqg9j-demo sha256:"),
        "{metadata}"
    );
    assert!(lines[2].ends_with(" 1,2"), "{metadata}");
}

#[test]
fn a_file_that_names_a_store_path_brings_it() {
    let demo = Demo::new();
    let dir = demo.path("Hello.AppDir");
    app_dir(&dir);
    assert_eq!(made(&demo, ["Hello.AppDir"])["paths"], 0);
    let script = format!("#!/bin/sh\nexec {HELLO}/bin/hello\n");
    file(&dir.join("usr/bin/hello"), script, 0o755);
    assert_eq!(made(&demo, ["Hello.AppDir"])["paths"], 2);
    fs::write(demo.path("ignored"), "usr/bin\n").unwrap();
    file(&dir.join("AppRun.sh"), "#!/bin/sh\n", 0o755);
    fs::remove_file(dir.join("AppRun")).unwrap();
    link("AppRun.sh", &dir.join("AppRun"));
    assert_eq!(made(&demo, ["Hello.AppDir", "--exclude-file", "ignored"])["paths"], 0);
}

#[test]
fn roots_become_a_whole_app_dir() {
    peer!("unsquashfs", "desktop-file-validate");
    let demo = Demo::new();
    let made = made(&demo, ["store/result", "--env", "A=b\\c", "--version", "1.5"]);
    assert_eq!(made["output"], "hello-1.5-x86_64.AppImage");
    let image = unpacked(&demo, &made, "image");
    let names: BTreeSet<_> =
        fs::read_dir(&image).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let expected = [".DirIcon", ".closure2img", "AppRun", "hello.desktop", "hello.png", "nix"];
    assert_eq!(names, expected.map(Into::into).into());
    assert_eq!(
        fs::read_link(image.join("AppRun")).unwrap(),
        Path::new(&format!("{}/bin/hello", &ROOT[1..]))
    );
    Outcome::of(Command::new(program("desktop-file-validate")).arg(image.join("hello.desktop")))
        .success();
    let entry = fs::read_to_string(image.join("hello.desktop")).unwrap();
    assert!(entry.contains("\nX-AppImage-Version=1.5\n"), "{entry}");
    let metadata = fs::read_to_string(image.join(".closure2img")).unwrap();
    assert!(metadata.contains("\nenv A=b\\\\c\n"), "{metadata}");
    for (root, exec) in
        [(HELLO, "hello"), (ROOT, "bin/hello"), (HELLO, &format!("{HELLO}/bin/hello"))]
    {
        let made = support::app_dir::made(&demo, [root, "--exec", exec, "--name", "My App"]);
        assert!(made["output"].as_str().unwrap().starts_with("My_App"), "{made}");
    }
    let refused =
        demo.refused(["appimage", "--store", "store", ROOT, "--exec", "none"], 1, &["`none`"]);
    assert!(refused.errors().contains("bin/hello"), "{}", refused.errors());
}

#[test]
fn an_app_dir_in_the_store_is_the_root_of_its_image() {
    peer!("unsquashfs");
    let demo = Demo::new();
    let dir = demo.real(ROOT);
    chmod(&dir, 0o755);
    app_dir_in(&dir);
    let made = made(&demo, ["store/result", "-o", "x.AppImage"]);
    // Nothing names the AppDir itself, and what it refers to is there.
    assert_eq!(made["paths"], 3);
    let image = unpacked(&demo, &made, "image");
    assert!(image.join("AppRun").is_symlink() && image.join("bin/hello").is_symlink());
    assert!(!image.join("nix/store/29a1m13dcdjwi04dpmvjka3icl2kqg9j-demo").exists());
    assert!(image.join("share/demo/demo.toml").exists());
}

fn app_dir_in(dir: &Path) {
    link("bin/hello", &dir.join("AppRun"));
    file(&dir.join("hello.desktop"), ENTRY, 0o444);
    file(&dir.join("hello.svg"), SVG, 0o444);
}

#[test]
fn what_came_out_of_an_app_image_goes_into_one() {
    peer!("unsquashfs");
    let demo = Demo::new();
    let first = made(&demo, ["store/result", "-o", "first.AppImage"]);
    unpacked(&demo, &first, "squashfs-root");
    let second = made(&demo, ["squashfs-root", "-o", "second.AppImage"]);
    assert_eq!(second["paths"], 4);
    let again = unpacked(&demo, &second, "again");
    let differences = tree_diff(&demo.path("squashfs-root"), &again, Compare::default());
    // Modes of a store are those of whoever unpacked it.
    assert!(differences.iter().all(|line| line.contains(": mode ")), "{differences:?}");
    demo.refused(
        ["appimage", "--store", "store", "squashfs-root", "--env", "A=b"],
        1,
        &[".closure2img"],
    );
}

#[test]
fn the_same_app_dir_is_the_same_file() {
    let demo = Demo::new();
    let hash = |name: &str, args: &[&str], umask: &str| {
        let mut command = demo.command();
        command.args(["appimage", "--store", "store", "--progress", "none", "-o", name]).args(args);
        let mut shell = Command::new("sh");
        shell
            .current_dir(demo.path(""))
            .arg("-c")
            .arg(format!("umask {umask}; exec \"$@\""))
            .arg("sh");
        shell.arg(command.get_program()).args(command.get_args());
        Outcome::of(&mut shell).success();
        let image = demo.path(name);
        let mode = fs::metadata(&image).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if umask == "077" { 0o700 } else { 0o755 });
        format!("{:x?}", Sha256::digest(fs::read(image).unwrap()))
    };
    let dir = demo.path("Hello.AppDir");
    app_dir(&dir);
    link(format!("{ROOT}/bin"), &dir.join("bin"));
    file(&dir.join("a"), "a", 0o600);
    file(&dir.join("b"), "b", 0o644);
    let first = hash("1.AppImage", &["Hello.AppDir"], "022");
    assert_eq!(hash("2.AppImage", &["Hello.AppDir", "--threads", "1"], "022"), first);
    assert_eq!(hash("3.AppImage", &["Hello.AppDir", "--threads", "7"], "077"), first);
    // In another place, in another order, by somebody with another umask, at another time.
    let other = demo.path("elsewhere/Hello.AppDir");
    file(&other.join("b"), "b", 0o600);
    file(&other.join("a"), "a", 0o644);
    link(format!("{ROOT}/bin"), &other.join("bin"));
    app_dir(&other);
    chmod(&other, 0o700);
    assert_eq!(hash("4.AppImage", &["elsewhere/Hello.AppDir"], "022"), first);
    assert_ne!(hash("5.AppImage", &["Hello.AppDir", "--mtime", "12345"], "022"), first);
    assert_ne!(hash("6.AppImage", &["Hello.AppDir", "--compress", "gzip"], "022"), first);
}

#[test]
fn files_can_be_left_out() {
    peer!("unsquashfs");
    let demo = Demo::new();
    let dir = demo.path("Hello.AppDir");
    app_dir(&dir);
    file(&dir.join("to-be-ignored"), "x", 0o644);
    file(&dir.join("usr/lib/static.a"), "x", 0o644);
    let has = |name: &str, args: &[&str]| {
        let mut all = vec!["Hello.AppDir", "-o", "x.AppImage"];
        all.extend(args);
        let image = unpacked(&demo, &made(&demo, all), name);
        [image.join("to-be-ignored").exists(), image.join("usr/lib/static.a").exists()]
    };
    assert_eq!(has("all", &[]), [true, true]);
    fs::write(demo.path("excluded"), "... *.a\n").unwrap();
    assert_eq!(has("one", &["--exclude-file", "excluded"]), [true, false]);
    fs::write(demo.path(".appimageignore"), "to-be-ignored\n").unwrap();
    assert_eq!(has("other", &[]), [false, true]);
    assert_eq!(has("both", &["--exclude-file", "excluded"]), [false, false]);
}

#[test]
fn the_kernel_mounts_it() {
    peer!("unsquashfs", "mount");
    if !support::peer::root() {
        return;
    }
    let demo = Demo::new();
    app_dir(&demo.path("Hello.AppDir"));
    let made = made(&demo, ["Hello.AppDir", "-o", "x.AppImage", "--compress", "gzip"]);
    fs::create_dir(demo.path("mnt")).unwrap();
    // In a mount namespace of its own, which takes the mount along when it ends.
    let script = format!(
        "mount -t squashfs -o ro,loop,offset={} x.AppImage mnt && cp -a mnt copy",
        offset(&made)
    );
    let mut unshare = Command::new(program("unshare"));
    let outcome = Outcome::of(unshare.current_dir(demo.path("")).args(["-m", "sh", "-c", &script]));
    if outcome.code != Some(0) {
        // Sandboxes have no loop devices.
        support::peer::skipped(&format!("the kernel does not mount it: {}", outcome.errors()));
        return;
    }
    assert_same_tree(&demo.path("Hello.AppDir"), &demo.path("copy"));
}

#[test]
fn another_runtime_is_checked() {
    let demo = Demo::new();
    app_dir(&demo.path("Hello.AppDir"));
    let ours = made(&demo, ["Hello.AppDir", "-o", "x.AppImage"]);
    let bytes = fs::read(demo.path("x.AppImage")).unwrap();
    let runtime = &bytes[..usize::try_from(ours["offset"].as_u64().unwrap()).unwrap()];
    let take = |bytes: &[u8], args: &[&str]| {
        fs::write(demo.path("runtime"), bytes).unwrap();
        let all = ["appimage", "Hello.AppDir", "-o", "y.AppImage", "--runtime", "runtime"];
        demo.tool(all.iter().chain(args))
    };
    take(runtime, &[]).success();
    assert_eq!(fs::read(demo.path("y.AppImage")).unwrap(), bytes);
    // With an image behind it, which readers would find in the place of ours.
    take(&bytes, &[]).code(1).complains("readers would look for the image at byte");
    take(b"#!/bin/sh\n", &[]).code(1).complains("the runtime cannot be used");
    take(runtime, &["--arch", "aarch64"]).code(1).complains("the runtime is for amd64");
    let arm = [&runtime[..18], &[183, 0], &runtime[20..]].concat();
    take(&arm, &["--arch", "x86_64"]).code(1).complains("--runtime FILE");
    let made = take(&arm, &["--arch", "aarch64", "--json"]).success();
    assert_eq!(made.json()["arch"], "aarch64");
}

#[test]
fn nothing_half_done_is_left() {
    let demo = Demo::new();
    let dir = demo.path("Hello.AppDir");
    app_dir(&dir);
    let before = demo.files();
    demo.refused(["appimage", "Hello.AppDir", "-o", "none/x.AppImage"], 1, &["none/x.AppImage"]);
    demo.refused(["appimage", "Hello.AppDir", "-o", "/dev/null"], 2, &["/dev/null"]);
    demo.refused(["appimage", "Hello.AppDir", "--name", "a/b"], 1, &["--name"]);
    demo.refused(["appimage", "Hello.AppDir", "--mtime", "yesterday"], 2, &["yesterday"]);
    demo.refused(["appimage", "none"], 1, &["none"]);
    demo.unchanged(&before);
}

#[test]
fn updates_and_signatures_are_put_in() {
    peer!("gpg");
    let demo = Demo::new();
    app_dir(&demo.path("Hello.AppDir"));
    let text = "zsync|https://example.org/Hello.AppImage.zsync";
    let args = ["Hello.AppDir", "-o", "x.AppImage", "--update-information", text];
    made(&demo, args);
    let head = ElfHead::read(&fs::File::open(demo.path("x.AppImage")).unwrap()).unwrap();
    let bytes = fs::read(demo.path("x.AppImage")).unwrap();
    let range = head.section(Section::UpdateInformation).unwrap();
    let section = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    assert_eq!(Section::content(&bytes[section]), text.as_bytes());
    let zsync = fs::read(demo.path("x.AppImage.zsync")).unwrap();
    assert!(String::from_utf8_lossy(&zsync[..200]).contains("\nFilename: x.AppImage\n"));
    let first = zsync;
    made(&demo, args);
    assert_eq!(fs::read(demo.path("x.AppImage.zsync")).unwrap(), first);
    let bad = ["appimage", "Hello.AppDir", "--update-information", "zsync|foo"];
    demo.refused(bad, 2, &["zsync|foo"]);

    // A keyring of its own, with a key of nobody's.
    fs::create_dir(demo.path("gnupg")).unwrap();
    chmod(&demo.path("gnupg"), 0o700);
    let gpg = |name: &str, args: &[&str]| {
        let mut gpg = Command::new(program(name));
        Outcome::of(gpg.env("GNUPGHOME", demo.path("gnupg")).args(args)).success()
    };
    let sign = |key: &str| {
        let mut command = demo.command();
        command.env("GNUPGHOME", demo.path("gnupg"));
        command.args(["appimage", "Hello.AppDir", "-o", "signed.AppImage", "--sign", key]);
        Outcome::of(&mut command)
    };
    sign("ann@example.org").code(1).complains("no secret key for `ann@example.org`");
    assert!(!demo.path("signed.AppImage").exists());
    let key = "Ann Signer <ann@example.org>";
    let new = ["--batch", "--quiet", "--passphrase", "", "--quick-generate-key", key, "ed25519"];
    gpg("gpg", &[&new[..], &["sign", "never"]].concat());
    sign("ann@example.org").success();
    let verdict = verify(&demo.path("signed.AppImage"), None);
    gpg("gpgconf", &["--kill", "all"]);
    assert!(matches!(verdict, Ok(Verdict::Signed(Signed::Good { .. }))), "{verdict:?}");
}
