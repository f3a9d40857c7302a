//! What AppImages of all makers answer to: the options and variables of type2-runtime.

mod appimage_run_support;
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use appimage_run_support::{App, Machine, NOBODY, ROOT};
use support::outcome::Outcome;

fn app() -> App {
    App::build("App.AppImage", |root| {
        fs::create_dir_all(root.join("usr/bin")).expect("the AppDir");
        fs::write(root.join("usr/bin/tool"), "tool").expect("the AppDir");
        fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/same")).expect("the AppDir");
        fs::set_permissions(root.join("usr/bin/tool"), PermissionsExt::from_mode(0o750))
            .expect("the AppDir");
        fs::write(root.join("big"), vec![b'x'; 3_000_000]).expect("the AppDir");
        fs::File::create(root.join("hole"))
            .expect("the AppDir")
            .set_len(1 << 20)
            .expect("the AppDir");
        symlink("usr/bin/tool", root.join("link")).expect("the AppDir");
        fs::write(root.join("AppRun"), "#!/bin/sh\n[ \"$1\" != signal ] || kill -TERM $$\necho \"$HOME|$XDG_CONFIG_HOME|$APPDIR|$*\"; exit 9\n").expect("the AppDir");
        fs::set_permissions(root.join("AppRun"), PermissionsExt::from_mode(0o755))
            .expect("the AppDir");
    })
}

fn run(app: &App, arguments: &[&str]) -> Outcome {
    Outcome::of(command(app, arguments))
}

fn command<'c>(app: &App, arguments: &[&str]) -> &'c mut Command {
    let command = Box::leak(Box::new(Command::new(&app.file)));
    command.args(arguments).current_dir(app.folder.path())
}

#[test]
fn questions_are_answered_without_mounting() {
    machines!();
    let app = app();
    let offset = closure2img::appimage::runtime::embedded().expect("a runtime").len();
    run(&app, &["--appimage-offset"]).success().prints(&format!("{offset}\n"));
    run(&app, &["--appimage-version"]).success().prints("").complains("closure2img");
    let path = app.file.to_str().unwrap();
    run(&app, &["--appimage-help"]).success().prints("").complains(&format!("{path}.home"));
    for section in ["--appimage-updateinfo", "--appimage-updateinformation", "--appimage-signature"]
    {
        run(&app, &[section]).success().prints("\n");
    }
    run(&app, &["--appimage-wrong"]).code(1).complains("`--appimage-wrong`");
    // What is written into the sections is what is answered.
    let mut bytes = fs::read(&app.file).unwrap();
    let place = section(&bytes, ".upd_info");
    bytes[place..place + 9].copy_from_slice(b"zsync|url");
    fs::write(&app.file, bytes).unwrap();
    run(&app, &["--appimage-updateinfo"]).success().prints("zsync|url\n");
    // Another file is asked instead of this one, unless rights would come of it.
    let other =
        Outcome::of(command(&app, &["--appimage-offset"]).env("TARGET_APPIMAGE", "/bin/sh"))
            .success();
    assert_ne!(other.text(), offset.to_string());
    fs::set_permissions(&app.file, PermissionsExt::from_mode(0o4755)).unwrap();
    let script = "TARGET_APPIMAGE=/bin/sh exec \"$1\" --appimage-offset";
    Outcome::of(&mut NOBODY.shell(&app, script)).success().prints(&format!("{offset}\n"));
}

fn section(bytes: &[u8], name: &str) -> usize {
    let number = |at: usize, length: usize| {
        bytes[at..at + length].iter().rev().fold(0, |sum, byte| sum * 256 + usize::from(*byte))
    };
    let (table, names) = (number(0x28, 8), number(0x3e, 2));
    let strings = number(table + 64 * names + 0x18, 8);
    (0..number(0x3c, 2))
        .map(|index| table + 64 * index)
        .find(|at| bytes[strings + number(*at, 4)..].starts_with(name.as_bytes()))
        .map(|at| number(at + 0x18, 8))
        .expect("the section")
}

#[test]
fn the_runtime_says_what_it_is_and_ends_where_its_sections_do() {
    let runtime = closure2img::appimage::runtime::embedded().expect("a runtime");
    assert_eq!(&runtime[..4], b"\x7fELF");
    assert_eq!(&runtime[8..11], b"AI\x02");
    for name in [".upd_info", ".sha256_sig", ".sig_key", ".digest_md5"] {
        section(runtime, name);
    }
    assert!(runtime.len() < 600 << 10, "{} bytes", runtime.len());
    // The same on all machines: no folder of this one is in it.
    let home = format!("{}/.", std::env::var("HOME").unwrap_or_default());
    for folder in [env!("CARGO_MANIFEST_DIR"), env!("CARGO_TARGET_TMPDIR"), &home]
        .into_iter()
        .filter(|folder| folder.len() > 1)
    {
        assert!(
            !runtime.windows(folder.len()).any(|window| window == folder.as_bytes()),
            "{folder}"
        );
    }
}

#[test]
fn extraction_gives_what_was_packed() {
    machines!();
    let app = app();
    let all = run(&app, &["--appimage-extract"]).success();
    assert!(all.text().lines().any(|line| line == "squashfs-root/usr/bin/tool"), "{}", all.text());
    let root = app.folder.path().join("squashfs-root");
    assert_eq!(fs::read(root.join("big")).unwrap(), vec![b'x'; 3_000_000]);
    assert_eq!(fs::read(root.join("hole")).unwrap(), vec![0; 1 << 20]);
    assert_eq!(fs::read_link(root.join("link")).unwrap().to_str(), Some("usr/bin/tool"));
    let status = |path: &str| fs::metadata(root.join(path)).unwrap();
    assert_eq!(status("usr/bin/tool").permissions().mode() & 0o7777, 0o750);
    assert_eq!(std::os::unix::fs::MetadataExt::nlink(&status("usr/bin/tool")), 2);
    // Again over what is there, which may have been replaced by somebody's link.
    fs::remove_file(root.join("big")).unwrap();
    symlink(&app.file, root.join("big")).unwrap();
    let before = fs::read(&app.file).unwrap();
    run(&app, &["--appimage-extract"]).success();
    assert_eq!(fs::read(&app.file).unwrap(), before);

    fs::remove_dir_all(&root).unwrap();
    run(&app, &["--appimage-extract", "usr/*/t*"]).success().prints("squashfs-root/usr/bin/tool\n");
    assert!(
        root.join("usr/bin/tool").exists()
            && !root.join("usr/bin/same").exists()
            && !root.join("big").exists()
    );
    run(&app, &["--appimage-extract", "a", "b"]).code(1).complains("usage");
    // A directory that leads elsewhere is not written through.
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir(&root).unwrap();
    symlink("/tmp", root.join("usr")).unwrap();
    run(&app, &["--appimage-extract"]).code(1).complains("`usr`");
}

#[test]
fn extract_and_run_leaves_nothing_but_the_exit_code() {
    machines!();
    let app = app();
    let temporary = app.folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    fs::set_permissions(&temporary, PermissionsExt::from_mode(0o777)).unwrap();
    let left = || fs::read_dir(&temporary).unwrap().count();
    let outcome =
        Outcome::of(command(&app, &["--appimage-extract-and-run", "a"]).env("TMPDIR", &temporary))
            .code(9);
    assert!(
        outcome.text().contains("/tmp/appimage_extracted_") && outcome.text().ends_with("|a"),
        "{}",
        outcome.text()
    );
    assert_eq!(left(), 0);
    let command =
        command(&app, &["signal"]).env("TMPDIR", &temporary).env("APPIMAGE_EXTRACT_AND_RUN", "1");
    assert_eq!(command.status().unwrap().signal(), Some(15));
    assert_eq!(left(), 0);
    command.env("NO_CLEANUP", "1").status().unwrap();
    assert_eq!(left(), 1);
    // A store comes to its place, or its path is rewritten.
    let stored = App::with_store("exit 8");
    for machine in [ROOT, NOBODY, Machine { namespaces: false, ..NOBODY }] {
        Outcome::of(&mut machine.shell(&stored, "exec \"$1\" --appimage-extract-and-run")).code(8);
    }
}

#[test]
fn portable_folders_become_home_and_configuration() {
    machines!();
    let app = app();
    run(&app, &["--appimage-portable-home"]).success();
    run(&app, &["--appimage-portable-config"]).success();
    let path = app.file.to_str().unwrap();
    let outcome = run(&app, &[]).code(9);
    assert!(
        outcome.text().starts_with(&format!("{path}.home|{path}.config|")),
        "{}",
        outcome.text()
    );
    app.leaves_nothing();
}

#[test]
fn a_mount_lasts_until_the_signal() {
    machines!();
    let app = app();
    for machine in [ROOT, NOBODY] {
        let mut command = machine.shell(&app, "exec \"$1\" --appimage-mount");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut path = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut path).unwrap();
        // Seen from the namespace that the test's machine is in.
        let seen = format!("/proc/{}/root{}/usr/bin/tool", child.id(), path.trim_end());
        let seen = if path.starts_with("/proc/") {
            format!("{}/usr/bin/tool", path.trim_end())
        } else {
            seen
        };
        if !machine.nobody {
            assert_eq!(
                fs::read_to_string(&seen).unwrap_or_else(|error| panic!("{seen}: {error}")),
                "tool"
            );
        }
        child.kill().unwrap();
        child.wait().unwrap();
        app.leaves_nothing();
    }
}
