//! Desktop entries that an application installs become what the root of an AppImage must have: whatever else menus take,
//! such as icons by their path, is mended on the way. What stands in the root of an AppDir is its author's.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::app_dir::{SVG, app_dir, file, made, unpacked};
use support::demo::{Demo, ROOT, chmod};
use support::outcome::Outcome;
use support::peer::program;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nof this application";

/// A demo whose root has these entries and icons installed.
fn with(files: &[(&str, &[u8])]) -> Demo {
    let demo = Demo::new();
    let root = demo.real(ROOT);
    let share = root.join("share");
    chmod(&root, 0o755);
    // A link to what is of no use here.
    fs::remove_file(&share).expect("removing a link");
    for (name, content) in files {
        file(&share.join(name), content, 0o444);
    }
    demo
}

/// The AppImage of the root, unpacked, with the entry's name and text; `desktop-file-validate` has nothing against it.
#[track_caller]
fn entry(demo: &Demo, args: &[&str], to: &str) -> (std::path::PathBuf, String, String) {
    let all = [&["store/result", "-o", "x.AppImage"], args].concat();
    let told: Value = made(demo, all);
    let image = unpacked(demo, &told, to);
    let mut names =
        fs::read_dir(&image).expect("listing").map(|entry| entry.expect("an entry").path());
    let file =
        names.find(|path| path.extension().is_some_and(|it| it == "desktop")).expect("an entry");
    Outcome::of(Command::new(program("desktop-file-validate")).arg(&file)).success();
    let name = file.file_name().and_then(|name| name.to_str()).expect("ASCII").to_owned();
    (image, name, fs::read_to_string(file).expect("reading"))
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|it| it == line), "no `{line}` in:\n{text}");
}

#[test]
fn an_icon_by_its_path_becomes_one_by_its_name() {
    peer!("unsquashfs", "desktop-file-validate");
    // As Debian's python3.11 has it: no categories either, and the program by the path of another machine.
    let text = b"[Desktop Entry]\nType=Application\nName=Demo 3\nExec=/usr/bin/hello -x %f\nIcon=/usr/share/pixmaps/demo3.png\n";
    let demo = with(&[("applications/demo3.desktop", text), ("pixmaps/demo3.png", PNG)]);
    for (args, to) in [(&[][..], "a"), (&["--exec", "bin/hello", "--name", "Mine"], "b")] {
        let (image, name, text) = entry(&demo, args, to);
        assert_eq!(name, "demo3.desktop");
        for line in ["Icon=demo3", "Exec=hello -x %f", "Categories=Utility;", "Name=Demo 3"] {
            has(&text, line);
        }
        assert_eq!(fs::read(image.join("demo3.png")).unwrap(), PNG);
        assert_eq!(fs::read_link(image.join(".DirIcon")).unwrap(), Path::new("demo3.png"));
    }
}

#[test]
fn an_icon_in_the_store_and_one_with_a_suffix_are_found() {
    peer!("unsquashfs", "desktop-file-validate");
    let text = format!(
        "[Desktop Entry]\nType=Application\nName=Demo\nExec={ROOT}/bin/hello\nIcon={ROOT}/share/art/odd.name.svg\nCategories=Utility;\n"
    );
    let demo = with(&[
        ("applications/demo.desktop", text.as_bytes()),
        ("art/odd.name.svg", SVG.as_bytes()),
    ]);
    let (image, _, text) = entry(&demo, &[], "in-store");
    has(&text, "Icon=odd.name");
    has(&text, "Exec=hello");
    assert_eq!(fs::read_to_string(image.join("odd.name.svg")).unwrap(), SVG);

    let text = b"[Desktop Entry]\nType=Application\nName=Demo\nExec=hello\nIcon=demo.svg\nCategories=Utility;\n";
    let icon = "icons/hicolor/scalable/apps/demo.svg";
    let demo = with(&[("applications/demo.desktop", text), (icon, SVG.as_bytes())]);
    let (image, _, text) = entry(&demo, &[], "suffix");
    has(&text, "Icon=demo");
    assert_eq!(fs::read_to_string(image.join("demo.svg")).unwrap(), SVG);

    // One that is nowhere is a plain one.
    let text = b"[Desktop Entry]\nType=Application\nName=Demo\nExec=hello\nIcon=/opt/none.png\nCategories=Utility;\n";
    let demo = with(&[("applications/demo.desktop", text)]);
    let (image, _, text) = entry(&demo, &[], "none");
    has(&text, "Icon=none");
    assert!(fs::read(image.join("none.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn of_several_entries_the_programs_is_taken_and_none_that_is_broken() {
    peer!("unsquashfs", "desktop-file-validate");
    let other = b"[Desktop Entry]\nType=Application\nName=Other\nExec=other\nIcon=other\nCategories=Utility;\n";
    let link = b"[Desktop Entry]\nType=Link\nName=Page\nURL=https://example.org\n";
    let broken = b"[Desktop Entry]\nType=Application\nName=Hello\nExec=hello %q\nIcon=hello\nCategories=Utility;\n";
    let fits = b"[Desktop Entry]\nType=Application\nName=Fits\nExec=hello\nIcon=hello\nCategories=Utility;\n";
    let files = |hello: &'static [u8]| -> [(&str, &[u8]); 3] {
        [
            ("applications/a.desktop", other),
            ("applications/b.desktop", hello),
            ("applications/c.desktop", link),
        ]
    };
    let (_, name, text) = entry(&with(&files(fits)), &["--exec", "bin/hello"], "fits");
    assert_eq!(name, "b.desktop");
    has(&text, "Name=Fits");
    for hello in [&broken[..], other] {
        let (_, name, text) = entry(&with(&files(hello)), &["--exec", "bin/hello"], "new");
        assert_eq!(name, "hello.desktop");
        has(&text, "Exec=hello");
    }
}

#[test]
fn an_entry_in_the_root_of_an_app_dir_is_not_touched() {
    let demo = Demo::new();
    let dir = demo.path("Hello.AppDir");
    app_dir(&dir);
    let text = "[Desktop Entry]\nType=Application\nName=Hello\nExec=hello\nIcon=/usr/share/hello.png\nCategories=Utility;\n";
    file(&dir.join("hello.desktop"), text, 0o644);
    demo.refused(["appimage", "Hello.AppDir"], 1, &["Icon=/usr/share/hello.png"]);
}
