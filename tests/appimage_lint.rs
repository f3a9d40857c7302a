//! Each check: an AppDir with one fault, and what is said of it. What `desktop-file-validate` and
//! `appimagetool` refuse is refused as well.

#![allow(clippy::unwrap_used, reason = "closures in a table are tests as well")]

mod support;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode};
use support::app_dir::{ENTRY, app_dir, file, link};
use support::demo::{Demo, HELLO, chmod};
use support::outcome::Outcome;
use support::peer::is_root;

/// A demo store with an AppDir without fault.
fn demo() -> Demo {
    let demo = Demo::new();
    app_dir(&demo.path("App.AppDir"));
    demo
}

fn lint(demo: &Demo, args: &[&str]) -> Outcome {
    let all = ["appimage", "--store", "store", "--progress", "none", "App.AppDir"];
    demo.tool(all.iter().chain(args))
}

/// What is done to an AppDir, and the line that comes of it.
type Case = (&'static str, fn(&Path), &'static str);

const CASES: &[Case] = &[
    (
        "no program",
        |dir| {
            fs::remove_dir_all(dir.join("usr")).unwrap();
            fs::remove_file(dir.join("AppRun")).unwrap();
        },
        "error: `AppRun`: got nothing, expected a program to start: name it with `--exec bin/NAME`",
    ),
    (
        "AppRun is a directory",
        |dir| {
            fs::remove_file(dir.join("AppRun")).unwrap();
            fs::create_dir(dir.join("AppRun")).unwrap();
        },
        "error: `AppRun`: got a directory, expected a program or a link to one",
    ),
    (
        "AppRun cannot be executed",
        |dir| {
            chmod(&dir.join("usr/bin/hello"), 0o644);
        },
        "error: `AppRun`: got a file that is not executable, expected an executable one",
    ),
    (
        "AppRun is text",
        |dir| file(&dir.join("usr/bin/hello"), "echo\n", 0o755),
        "error: `AppRun`: got a file that no kernel can start, expected a program (ELF), or a script that begins with `#!`",
    ),
    (
        "AppRun's interpreter is the host's",
        |dir| {
            file(&dir.join("usr/bin/hello"), "#!/usr/bin/python3\n", 0o755);
        },
        "warning: `AppRun`: got a script for `/usr/bin/python3`, expected an interpreter in the store",
    ),
    (
        "AppRun leads nowhere",
        |dir| fs::remove_file(dir.join("usr/bin/hello")).unwrap(),
        "error: `AppRun`: got a link to `usr/bin/hello`, which is not there, expected",
    ),
    (
        "a C library",
        |dir| file(&dir.join("usr/lib/libc.so.6"), "x", 0o644),
        "warning: `usr/lib/libc.so.6`: got a part of the C library, which fits its own loader alone, expected that of the machine it runs on",
    ),
    (
        "a driver's library",
        |dir| file(&dir.join("usr/lib/libGL.so.1"), "x", 0o644),
        "warning: `usr/lib/libGL.so.1`: got a library that fits the drivers and settings of one machine, expected",
    ),
    (
        "two entries",
        |dir| file(&dir.join("b.desktop"), ENTRY, 0o644),
        "error: `*.desktop`: got `b.desktop`, `hello.desktop`, expected one in the root",
    ),
    (
        "a key without value",
        |dir| entry(dir, "Categories=Utility;\n", ""),
        "error: `hello.desktop`: got no `Categories`, expected places in menus",
    ),
    (
        "no Exec",
        |dir| entry(dir, "Exec=hello\n", ""),
        "error: `hello.desktop`: got no `Exec`, expected",
    ),
    (
        "no Name",
        |dir| entry(dir, "Name=Hello\n", ""),
        "error: `hello.desktop`: `Name`: got nothing, expected it, since it is required",
    ),
    (
        "no Icon",
        |dir| entry(dir, "Icon=hello\n", ""),
        "error: `hello.desktop`: got no `Icon`, expected",
    ),
    (
        "a link, not an application",
        |dir| {
            entry(
                dir,
                "Type=Application\nName=Hello\nExec=hello\n",
                "Type=Link\nName=Hello\nURL=x:y\n",
            );
        },
        "error: `hello.desktop`: got `Type=Link`, expected `Type=Application`",
    ),
    (
        "an icon with a suffix",
        |dir| entry(dir, "Icon=hello", "Icon=hello.svg"),
        "error: `hello.desktop`: got `Icon=hello.svg`, expected a name without directory and suffix",
    ),
    (
        "an icon with a directory",
        |dir| entry(dir, "Icon=hello", "Icon=/usr/hello"),
        "error: `hello.desktop`: got `Icon=/usr/hello`, expected a name without directory and suffix",
    ),
    (
        "an icon that is none",
        |dir| file(&dir.join("hello.svg"), "not an icon", 0o644),
        "error: `hello.svg`: got a file of another kind, expected what `.svg` says",
    ),
    (
        "an unknown category",
        |dir| entry(dir, "Utility;", "Tool;"),
        "error: `hello.desktop`: `Categories`: got `Tool`, expected a registered category",
    ),
    (
        "a boolean that is none",
        |dir| entry(dir, "Icon", "Terminal=yes\nIcon"),
        "error: `hello.desktop`: `Terminal`: got `yes`, expected `true` or `false`",
    ),
    (
        "no entry",
        |dir| file(&dir.join("hello.desktop"), "[X-Other]\n", 0o644),
        "error: `hello.desktop`: got no such group, expected `[Desktop Entry]`",
    ),
    (
        "integration",
        |dir| entry(dir, "Icon", "X-AppImage-Integrate=no\nIcon"),
        "warning: `hello.desktop`: got `X-AppImage-Integrate=no`, expected `true` or `false`",
    ),
    (
        "left by an integrator",
        |dir| entry(dir, "Icon", "X-AppImage-Identifier=1\nIcon"),
        "warning: `hello.desktop`: got `X-AppImage-Identifier=1`, expected no such key",
    ),
    (
        "a dangling link",
        |dir| link("none", &dir.join("usr/lib/x")),
        "error: `usr/lib/x`: got a link to `none`, where `usr/lib/none` is not there, expected",
    ),
    (
        "a link round in circles",
        |dir| link("x", &dir.join("x")),
        "error: `x`: got a link to `x` that leads round in circles",
    ),
    (
        "a link to the host",
        |dir| link("/etc/passwd", &dir.join("secret")),
        "error: `secret`: got a link out of the AppDir to `/etc/passwd`, expected one within the AppDir",
    ),
    (
        "a link upwards",
        |dir| link("../../App.AppDir/AppRun", &dir.join("usr/up")),
        "error: `usr/up`: got a link out of the AppDir to `../App.AppDir/AppRun`",
    ),
    (
        "an icon of the host's",
        |dir| {
            fs::remove_file(dir.join(".DirIcon")).unwrap();
            link("/etc/passwd", &dir.join(".DirIcon"));
        },
        "error: `.DirIcon`: got a link out of the AppDir to `/etc/passwd`",
    ),
    (
        "a link to nothing in the store",
        |dir| {
            link(format!("{HELLO}/bin/none"), &dir.join("usr/bin/none"));
        },
        "error: `usr/bin/none`: got a link to `../../nix/store/",
    ),
    (
        "a link to a store path that is not there",
        |dir| {
            link("/nix/store/00000000000000000000000000000000-none/x", &dir.join("x"));
        },
        "error: `x`: got a link to `nix/store/00000000000000000000000000000000-none/x`",
    ),
    (
        "two machines",
        |dir| {
            let mut elf = fs::read(std::env::current_exe().unwrap()).unwrap();
            elf.truncate(64);
            file(&dir.join("usr/lib/a.so"), &elf, 0o644);
            elf[18..20].copy_from_slice(&[183, 0]);
            file(&dir.join("usr/lib/b.so"), &elf, 0o644);
        },
        "got programs for amd64 (`usr/lib/a.so`), arm64 (`usr/lib/b.so`), expected one machine",
    ),
    (
        "no description",
        |_| {},
        "hint: `usr/share/metainfo/hello.appdata.xml`: got nothing, expected a description",
    ),
    (
        "an entry beside it",
        |dir| file(&dir.join("usr/share/applications/x.desktop"), "[X]\n", 0o644),
        "warning: `usr/share/applications/x.desktop`: the first group: got `X`, expected `Desktop Entry`",
    ),
];

fn entry(dir: &Path, from: &str, to: &str) {
    assert!(ENTRY.contains(from), "{from}");
    file(&dir.join("hello.desktop"), ENTRY.replace(from, to), 0o644);
}

#[test]
fn each_fault_is_told_with_what_may_be_there() {
    for (what, change, line) in CASES {
        let demo = demo();
        change(&demo.path("App.AppDir"));
        let before = demo.files();
        let outcome = lint(&demo, &["--lint"]);
        let text = outcome.text().to_owned();
        assert!(text.lines().any(|found| found.contains(line)), "{what}: {line}\n{text}");
        let is_error = text.lines().any(|line| line.starts_with("error: "));
        outcome.code(i32::from(is_error));
        demo.unchanged(&before);
        // What is an error stops the making as well, and is told there.
        if is_error && line.starts_with("error: ") {
            let made = lint(&demo, &[]).code(1);
            let said = &line["error: ".len()..];
            assert!(made.errors().contains(said), "{what}: {}", made.errors());
            demo.unchanged(&before);
        }
    }
}

#[test]
fn a_good_app_dir_has_no_errors_and_json_says_the_same() {
    let demo = demo();
    link("/proc/self/exe", &demo.path("App.AppDir/usr/self"));
    let text = lint(&demo, &["--lint"]).success();
    assert!(text.text().lines().all(|line| line.starts_with("hint: ")), "{}", text.text());
    let json = lint(&demo, &["--lint", "--json"]).success().json();
    let findings = json["findings"].as_array().unwrap();
    assert_eq!(findings.len(), text.text().lines().count());
    assert_eq!(findings[0]["severity"], "hint");
    file(&demo.path("App.AppDir/usr/bin/hello"), "x", 0o644);
    let json = lint(&demo, &["--lint", "--json"]).code(1).complains("2 errors").json();
    let checks: Vec<&str> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["check"].as_str().unwrap())
        .collect();
    assert_eq!(checks[..2], ["app-run", "app-run"]);
}

#[test]
fn what_no_app_image_can_hold_is_refused() {
    let demo = demo();
    let dir = demo.path("App.AppDir");
    let place = dir.join("usr/odd");
    let refused = |named: &[&str]| {
        let all = ["appimage", "--store", "store", "--progress", "none", "App.AppDir"];
        demo.refused(all, 1, named);
    };
    rustix::fs::mknodat(CWD, &place, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    refused(&["usr/odd", "named pipe"]);
    fs::remove_file(&place).unwrap();
    drop(UnixListener::bind(&place).unwrap());
    refused(&["usr/odd", "socket"]);
    fs::remove_file(&place).unwrap();
    if is_root() {
        let null = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(
            CWD,
            &place,
            FileType::CharacterDevice,
            Mode::from_raw_mode(0o600),
            null,
        )
        .unwrap();
        refused(&["usr/odd", "device"]);
        fs::remove_file(&place).unwrap();
    }
    file(&place, "x", 0o000);
    let mut command: Command = demo.command();
    command.args([
        "appimage",
        "--store",
        "store",
        "--progress",
        "none",
        "App.AppDir",
        "-o",
        "tmp/x",
    ]);
    demo.refuses(&mut demo.as_nobody(&command), 1, &["usr/odd", "Permission denied"]);
}

#[test]
fn a_long_chain_of_names_is_no_trouble() {
    let demo = demo();
    let mut deep = demo.path("App.AppDir");
    for _ in 0..12 {
        deep = deep.join("n".repeat(255));
    }
    fs::create_dir_all(&deep).unwrap();
    file(&deep.join("x"), "x", 0o644);
    lint(&demo, &["-o", "x.AppImage"]).success();
}
