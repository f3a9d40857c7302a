//! `--verify`: a store path whose content is not what was registered comes into no image, though its files look as
//! before; and a store that is whole gives the image that it gives without.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use support::demo::{Demo, HELLO, chmod};
use support::fake_http::FakeHttp;
use support::image::archive_digest;
use support::nix::{self, nix};
use support::outcome::Outcome;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;

/// Changes the last byte of a file, and neither its size nor its times as far as one can tell.
fn flip(file: &Path) {
    let before = fs::metadata(file).expect("looking at a file");
    chmod(file, 0o755);
    let open = File::options().read(true).write(true).open(file).expect("opening a file");
    let (mut byte, at) = ([0], before.len() - 1);
    open.read_exact_at(&mut byte, at).expect("reading a file");
    open.write_all_at(&[byte[0] ^ 1], at).expect("writing a file");
    open.set_modified(before.modified().expect("a time")).expect("setting a time");
    fs::set_permissions(file, before.permissions()).expect("setting a mode");
}

#[test]
fn a_flipped_bit_is_refused_in_every_form() {
    let demo = Demo::new();
    flip(&demo.real(HELLO).join("bin/hello"));
    let named = [
        HELLO,
        "changed: the hash of its NAR is sha256-",
        "when it was registered",
        &format!("hint: restore it with `nix-store --repair-path {HELLO}`"),
        "--verify",
    ];
    for output in [
        &["-o", "app.tar"][..],
        &["-o", "app.tar", "--compress", "none", "--threads", "1"],
        &["-o", "app", "--format", "layout", "--compress", "zstd", "--no-dedup"],
        &["-o", "-", "--max-layers", "2"],
    ] {
        demo.refuses(demo.ask("oci").arg("--verify").args(output), 1, &named);
    }
    let registry = FakeHttp::registry(|_| None);
    let name = format!("{}/app:1", registry.host());
    demo.refuses(demo.ask("oci").args(["--verify", "--push", &name]), 1, &named);
    assert_eq!(registry.count("PUT", "/manifests/"), 0, "a tag was moved");
    // Who does not ask is not told: sizes are as they were.
    Outcome::of(demo.ask("oci").args(["-o", "app.tar"])).success();
}

#[test]
fn what_is_known_from_before_is_read_again() {
    let demo = Demo::new();
    let cache = temp_dir();
    let oci = || {
        let mut oci = demo.ask("oci");
        oci.arg("--cache").arg(cache.path()).args(["-o", "app.tar"]);
        oci
    };
    Outcome::of(&mut oci()).success();
    Outcome::of(oci().arg("--verify")).success();
    flip(&demo.real(HELLO).join("bin/hello"));
    Outcome::of(&mut oci()).success();
    demo.refuses(oci().arg("--verify"), 1, &[HELLO, "changed: the hash of its NAR"]);
}

#[test]
fn the_hashes_are_those_that_nix_tells() {
    peer!("nix-build");
    let dir = temp_dir();
    let app = &nix::store().app;
    nix::copy_to_chroot_store(&[app], dir.path());
    let oci = |flag: Option<&str>| {
        let mut tool = binary();
        tool.arg("oci").arg(app).arg("--store").arg(dir.path()).args(flag);
        tool
    };
    assert_eq!(archive_digest(&mut oci(Some("--verify"))), archive_digest(&mut oci(None)));

    let data = &nix::store().data;
    let real = dir.path().join(data.strip_prefix("/").expect("an absolute path"));
    let hash = || {
        let hashed = Outcome::of(nix("nix").args(["hash", "path"]).arg(&real)).success();
        hashed.text().trim().to_owned()
    };
    let before = hash();
    chmod(&real, 0o755);
    flip(&real.join("greeting"));
    chmod(&real, 0o555);
    let refused = Outcome::of(oci(Some("--verify")).arg("-o").arg(dir.path().join("app.tar")));
    refused.code(1).complains(&format!("is {} now, and was {before} when", hash()));
    assert!(!dir.path().join("app.tar").exists());
}

#[test]
fn where_no_hash_is_known_there_is_nothing_to_compare() {
    let dir = temp_dir();
    let store = ScanStore::new(dir.path());
    for file in ["top/a", "top/b"] {
        store.file(file, vec![1; 10_000]);
    }
    let oci = |flags: &[&str]| {
        let mut tool = binary();
        tool.arg("oci").arg(ScanStore::path("top")).arg("--store").arg(store.dir()).args(flags);
        archive_digest(&mut tool)
    };
    assert_eq!(oci(&["--verify"]), oci(&[]));
}
