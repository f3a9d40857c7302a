//! What our own checker says of images that others could have made, and what appc's `actool` says of the same: nothing
//! that passes ours may fail there.

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;

use closure2img::aci::check::Report;
use closure2img::aci::{check, check_manifest};
use closure2img::untar::Packing;
use serde::Deserialize;
use serde_json::{Value, json};
use support::actool::validate;
use support::temp_dir;
use tar::EntryType;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    what: String,
    patch: serde_json::Map<String, Value>,
    place: Option<String>,
    words: Vec<String>,
    actool: String,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../fixtures/aci/manifests.json");
    serde_json::from_str(text).expect("fixtures/aci/manifests.json has cases")
}

fn manifest(patch: &serde_json::Map<String, Value>) -> Value {
    let mut manifest =
        json!({"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "example.com/app"});
    for (key, value) in patch {
        match value {
            Value::Null => manifest.as_object_mut().and_then(|map| map.remove(key)),
            value => {
                manifest.as_object_mut().and_then(|map| map.insert(key.clone(), value.clone()))
            }
        };
    }
    manifest
}

/// A tar of these entries: name, kind, and content or target. Names stand there as they are given.
fn tar(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        let is_link = matches!(kind, EntryType::Link | EntryType::Symlink);
        let bytes = if is_link { b"" } else { content.as_bytes() };
        if is_link {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.append(&header, bytes).expect("adding to a tar");
    }
    tar.into_inner().expect("ending a tar")
}

const GOOD: &str = r#"{"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "a"}"#;
const MANIFEST: (&str, EntryType, &str) = ("manifest", EntryType::Regular, GOOD);
const ROOTFS: (&str, EntryType, &str) = ("rootfs/", EntryType::Directory, "");

#[track_caller]
fn report(bytes: &[u8]) -> Report {
    check(bytes).expect("bytes in memory can be read")
}

#[test]
fn each_field_of_a_manifest_is_checked() {
    for case in cases() {
        let findings = check_manifest(&manifest(&case.patch));
        let errors: Vec<_> = findings
            .iter()
            .filter(|it| it.severity == closure2img::aci::check::Severity::Error)
            .collect();
        let Some(place) = &case.place else {
            assert!(errors.is_empty(), "{}: {errors:?}", case.what);
            continue;
        };
        let [only] = &errors[..] else { panic!("{}: {errors:?}", case.what) };
        assert_eq!(only.place, *place, "{}", case.what);
        for word in &case.words {
            assert!(only.to_string().contains(word), "{}: `{word}` in {only}", case.what);
        }
    }
}

#[test]
fn actool_is_no_stricter() {
    peer!("actool");
    let dir = temp_dir();
    let file = dir.path().join("case.aci");
    for case in cases() {
        let manifest = manifest(&case.patch).to_string();
        let bytes = tar(&[("manifest", EntryType::Regular, &manifest), ROOTFS]);
        fs::write(&file, &bytes).expect("writing a case");
        let said = match validate(&file).code {
            Some(0) => "passes",
            Some(1) => "refuses",
            _ => "ends badly",
        };
        assert_eq!(said, case.actool, "{}", case.what);
        assert_eq!(report(&bytes).is_valid(), case.place.is_none(), "{}", case.what);
        assert!(!report(&bytes).is_valid() || said == "passes", "{}", case.what);
    }
}

/// Of archives: what it is, whether actool passes it, its entries, and what is wrong (empty: nothing).
type Archive = (&'static str, bool, Vec<(&'static str, EntryType, &'static str)>, &'static str);

fn archives() -> Vec<Archive> {
    use EntryType::{Directory, Link, Regular, Symlink};
    let with =
        |more: &[(&'static str, EntryType, &'static str)]| [&[MANIFEST, ROOTFS][..], more].concat();
    vec![
        ("plain", true, with(&[]), ""),
        ("manifest last", true, vec![ROOTFS, MANIFEST], ""),
        (
            "dots in front",
            true,
            vec![("./", Directory, ""), ("./manifest", Regular, GOOD), ("./rootfs", Directory, "")],
            "",
        ),
        (
            "all kinds",
            true,
            with(&[
                ("rootfs/a", Regular, "x"),
                ("rootfs/b", Link, "rootfs/a"),
                ("rootfs/c", Symlink, "/anywhere"),
            ]),
            "",
        ),
        ("a manifest within", true, with(&[("rootfs/manifest", Regular, "garbage")]), ""),
        ("no manifest", false, vec![ROOTFS], "`manifest` is not there"),
        ("no rootfs", false, vec![MANIFEST], "`rootfs` is not there"),
        (
            "rootfs is a file",
            false,
            vec![MANIFEST, ("rootfs", Regular, "")],
            "`rootfs` is no directory",
        ),
        (
            "rootfs is a link",
            false,
            vec![MANIFEST, ("rootfs", Symlink, "/")],
            "`rootfs` is no directory",
        ),
        (
            "manifest is a link",
            false,
            vec![ROOTFS, ("manifest", Symlink, "rootfs/m")],
            "`manifest` is no regular file",
        ),
        ("two manifests", false, with(&[MANIFEST]), "`manifest` is there already"),
        ("a third thing", false, with(&[("more", Regular, "")]), "beside `manifest` and `rootfs`"),
        ("rootfs2", true, with(&[("rootfs2/", Directory, "")]), "beside `manifest` and `rootfs`"),
        (
            "twice",
            false,
            with(&[("rootfs/a", Regular, ""), ("rootfs/a", Regular, "")]),
            "`rootfs/a` is there already",
        ),
        (
            "twice, with a slash",
            false,
            with(&[("rootfs/a", Directory, ""), ("rootfs/a/", Directory, "")]),
            "`rootfs/a/` is there already",
        ),
        ("rootfs twice", true, with(&[ROOTFS]), "`rootfs/` is there already"),
        ("absolute", false, with(&[("/etc/passwd", Regular, "")]), "an absolute name"),
        ("out of it", false, with(&[("rootfs/../../x", Regular, "")]), "no plain name"),
        ("up and down", true, with(&[("rootfs/a/../b", Regular, "")]), "no plain name"),
        ("no parent", true, with(&[("rootfs/a/b", Regular, "")]), "without its directory"),
        (
            "through a link",
            true,
            with(&[("rootfs/a", Symlink, "/etc"), ("rootfs/a/b", Regular, "")]),
            "within what is no directory",
        ),
        (
            "link to nothing",
            true,
            with(&[("rootfs/a", Link, "rootfs/b")]),
            "a hard link to `rootfs/b`",
        ),
        ("link out of it", true, with(&[("rootfs/a", Link, "../b")]), "a hard link to `../b`"),
        (
            "link to the manifest",
            true,
            with(&[("rootfs/a", Link, "manifest")]),
            "a hard link to `manifest`",
        ),
        ("rest of a file system", true, with(&[("rootfs/dev", EntryType::Char, "")]), ""),
    ]
}

#[test]
fn archives_are_checked() {
    for (what, _, entries, words) in archives() {
        let report = report(&tar(&entries));
        let errors: Vec<String> = report.errors().map(ToString::to_string).collect();
        assert!(report.id.is_some(), "{what}");
        match words {
            "" => assert!(errors.is_empty(), "{what}: {errors:?}"),
            _ => assert!(errors.iter().any(|error| error.contains(words)), "{what}: {errors:?}"),
        }
    }
}

#[test]
fn actool_sees_what_it_sees() {
    peer!("actool");
    let dir = temp_dir();
    let file = dir.path().join("case.aci");
    for (what, passes, entries, words) in archives() {
        fs::write(&file, tar(&entries)).expect("writing a case");
        let code = validate(&file).code;
        assert_eq!(code == Some(0), passes, "{what}");
        assert!(passes || !words.is_empty(), "{what}: ours must not pass what actool refuses");
    }
}

fn packed(bytes: &[u8], program: &str) -> Vec<u8> {
    let mut child = std::process::Command::new(support::peer::program(program))
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("starting a compressor");
    child.stdin.take().expect("its input").write_all(bytes).expect("giving it bytes");
    child.wait_with_output().expect("its output").stdout
}

#[test]
fn every_compression_is_read() {
    peer!("gzip", "bzip2", "xz");
    let plain = tar(&[MANIFEST, ROOTFS]);
    let id = report(&plain).id;
    for (program, packing) in
        [("gzip", Packing::Gzip), ("bzip2", Packing::Bzip2), ("xz", Packing::Xz)]
    {
        let bytes = packed(&plain, program);
        let whole = report(&bytes);
        assert!(whole.is_valid(), "{program}: {:?}", whole.findings);
        assert_eq!((whole.packed, whole.id), (packing, id), "{program}");
        // Several members, as `pigz` and `cat` make them.
        let (a, b) = plain.split_at(700);
        let twice = [packed(a, program), packed(b, program)].concat();
        assert_eq!(report(&twice).id, id, "{program}");
        let cut = report(&bytes[..bytes.len() - 9]);
        assert!(!cut.is_valid() && cut.id.is_none(), "{program}");
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0x10;
        let flipped = report(&flipped);
        assert!(!flipped.is_valid() || flipped.id != id, "{program}");
    }
    for (bytes, words) in [
        (&b""[..], "it ends at byte 0"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"#!/bin/sh", "something else"),
        (&plain[..plain.len() - 1100], "it ends at byte"),
    ] {
        let report = report(bytes);
        assert!(report.errors().any(|error| error.to_string().contains(words)), "{report:?}");
    }
}

#[test]
fn a_manifest_must_be_one() {
    for (text, words) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("\u{feff}{}", "not JSON"),
        ("{} x", "not JSON"),
        ("null", "`null`, expected an object"),
        ("[]", "a list, expected an object"),
    ] {
        let report = report(&tar(&[("manifest", EntryType::Regular, text), ROOTFS]));
        assert!(
            report.errors().any(|error| error.to_string().contains(words)),
            "{text}: {report:?}"
        );
    }
    let deep = format!("{{\"app\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!report(&tar(&[("manifest", EntryType::Regular, &deep), ROOTFS])).is_valid());
}

#[test]
fn a_bomb_is_read_in_little_memory() {
    // 64 MiB of zeros behind a header that says so, packed to some 64 KiB.
    let mut bytes = tar(&[MANIFEST, ROOTFS]);
    bytes.truncate(bytes.len() - 1024);
    let mut header = tar::Header::new_ustar();
    header.set_path("rootfs/zeros").expect("a short name");
    header.set_size(64 << 20);
    header.set_mode(0o444);
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).expect("packing");
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), (64 << 20) + 1024), &mut packed)
        .expect("packing");
    let report = report(&packed.finish().expect("packing"));
    assert!(report.is_valid(), "{:?}", report.findings);
    assert!(report.bytes > 64 << 20);
    // A name that is said to be longer than anything may be.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    let report = check(header.as_bytes().as_slice()).expect("bytes in memory can be read");
    assert!(report.errors().any(|error| error.to_string().contains("1 MiB")), "{report:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_no_finding() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let half = tar(&[MANIFEST, ROOTFS]);
    let chained = std::io::Read::chain(&half[..600], Broken);
    assert!(check(chained).expect_err("the disk is gone").to_string().contains("the disk is gone"));
    assert!(check(fs::File::open(Path::new("/")).expect("opening a folder")).is_err());
}
