//! For which machine an image is: read off its programs, refused when that is not this machine or not one machine,
//! unless `--arch` says so.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::image::Layout;
use support::outcome::Outcome;
use support::scan_store::{ScanStore, elf};
use support::temp_dir;
use support::tool::binary;

/// `e_machine` of machines that the tests do not run on.
const RISCV64: u16 = 243;
const LOONG64: u16 = 258;
const BPF: u16 = 247;

/// This machine, as ELF and OCI call it.
fn host() -> (u16, &'static str) {
    match std::env::consts::ARCH {
        "x86_64" => (62, "amd64"),
        "aarch64" => (183, "arm64"),
        other => panic!("the tests do not know how ELF calls {other}"),
    }
}

/// `closure2img oci PATH FLAG…`, as a command to add to.
fn oci(store: &ScanStore, name: &str, flags: &[&str]) -> Command {
    let mut command = binary();
    command.arg("oci").arg(ScanStore::path(name)).arg("--store").arg(store.dir()).args(flags);
    command
}

/// The machine that the image says it is for, in all the places that say it.
#[track_caller]
fn architecture(store: &ScanStore, name: &str, flags: &[&str]) -> String {
    let dir = temp_dir();
    let at = dir.path().join("layout");
    let made =
        Outcome::of(oci(store, name, flags).args(["--json", "--format=layout", "-o"]).arg(&at));
    let layout = Layout::at(&at);
    let said = made.success().json()["architecture"].clone();
    assert_eq!(layout.config()["architecture"], said);
    assert_eq!(layout.descriptor()["platform"]["architecture"], said);
    said.as_str().expect("a name").to_owned()
}

/// Asserts that there is no image, and that these words say why.
#[track_caller]
fn refuses(store: &ScanStore, name: &str, flags: &[&str], words: &[&str]) {
    let dir = temp_dir();
    let output = dir.path().join("image.tar");
    let refused = Outcome::of(oci(store, name, flags).arg("-o").arg(&output)).code(1);
    for word in words {
        refused.clone().complains(word);
    }
    assert_eq!(fs::read_dir(dir.path()).expect("listing a folder").count(), 0);
}

/// Where a file is in the image.
fn inside(name: &str, file: &str) -> String {
    format!("{}/{file}", ScanStore::path(name))
}

fn store(dir: &Path) -> ScanStore {
    ScanStore::new(&dir.join("store"))
}

#[test]
fn programs_of_this_machine_make_an_image_for_it() {
    let dir = temp_dir();
    let store = store(dir.path());
    let (number, name) = host();
    store.program("native/bin/program", elf(number));
    assert_eq!(architecture(&store, "native", &[]), name);
    // Of what runs nowhere, or anywhere, nothing can be concluded.
    let mut object = elf(RISCV64);
    object[16] = 1; // ET_REL
    store.file("native/lib/object.o", object);
    store.file("native/lib/filter.bpf", elf(BPF));
    assert_eq!(architecture(&store, "native", &[]), name);
}

#[test]
fn without_programs_the_machine_that_makes_the_image_does_not_show() {
    let dir = temp_dir();
    let store = store(dir.path());
    store.program("script/bin/script", "#!/bin/sh\n");
    store.file("empty/file", "");
    store.file("short/file", b"\x7fELF");
    for path in ["script", "empty", "short"] {
        assert_eq!(architecture(&store, path, &[]), "amd64", "{path}");
        assert_eq!(architecture(&store, path, &["--arch=arm64"]), "arm64", "{path}");
    }
}

#[test]
fn programs_of_another_machine_need_a_word() {
    let dir = temp_dir();
    let store = store(dir.path());
    store.program("foreign/bin/program", elf(RISCV64));
    store.program("script/bin/script", format!("#!{}\n", inside("foreign", "bin/program")));
    // Also when it is not the root that has them.
    for path in ["foreign", "script"] {
        let file = inside("foreign", "bin/program");
        refuses(&store, path, &[], &["riscv64", &file, host().1, "--arch riscv64"]);
        for flag in ["--arch=riscv64", "--arch=riscv64-linux"] {
            assert_eq!(architecture(&store, path, &[flag]), "riscv64");
        }
        let wrong = ["--arch", host().1];
        refuses(&store, path, &wrong, &["riscv64", &file, host().1]);
    }
}

#[test]
fn a_library_tells_as_much_as_a_program() {
    let dir = temp_dir();
    let store = store(dir.path());
    let mut library = elf(RISCV64);
    library[16] = 3; // ET_DYN
    store.file("library/lib/library.so", library);
    refuses(&store, "library", &[], &[&inside("library", "lib/library.so"), "--arch riscv64"]);
}

#[test]
fn programs_of_several_machines_are_named() {
    let dir = temp_dir();
    let store = store(dir.path());
    store.program("mixed/bin/a", elf(RISCV64));
    store.program("mixed/bin/b", elf(LOONG64));
    store.program("mixed/bin/c", elf(host().0));
    // Which layer comes first must not show.
    for layers in ["1", "100"] {
        let (a, b, c) =
            (inside("mixed", "bin/a"), inside("mixed", "bin/b"), inside("mixed", "bin/c"));
        let words = [
            &format!("riscv64 (`{a}`)")[..],
            &format!("loong64 (`{b}`)"),
            &format!("{} (`{c}`)", host().1),
            "--arch",
        ];
        refuses(&store, "mixed", &["--max-layers", layers], &words);
    }
    for wanted in ["loong64", host().1] {
        assert_eq!(architecture(&store, "mixed", &["--arch", wanted]), wanted);
    }
    refuses(&store, "mixed", &["--arch=s390x"], &["s390x", "loong64"]);
}

#[test]
fn machines_go_by_the_names_of_nix_and_uname() {
    let dir = temp_dir();
    let store = store(dir.path());
    store.file("text/file", "no program\n");
    for (said, name) in [
        ("amd64", "amd64"),
        ("x86_64-linux", "amd64"),
        ("aarch64", "arm64"),
        ("i686-linux", "386"),
        ("armv7l-linux", "arm"),
        ("powerpc64le-linux", "ppc64le"),
    ] {
        assert_eq!(architecture(&store, "text", &["--arch", said]), name);
    }
    let unknown = Outcome::of(oci(&store, "text", &["--arch=pdp11"]).args(["-o", "/dev/null"]));
    unknown.code(2).complains("pdp11").complains("arm64");
}
