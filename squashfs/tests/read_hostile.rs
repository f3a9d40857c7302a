//! Damaged and hostile images give errors: no panic, no walk without end, no memory without bound.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[macro_use]
mod support;

use std::fs;

use squashfs::read::{Codecs, Error, Image, LocalCache};
use support::{in_image, mksquashfs, noise, text};
use tempfile::TempDir;

/// A small image whose metadata can be changed in place.
fn image(options: &str) -> Vec<u8> {
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("outer/inner")).unwrap();
    fs::write(tree.join("outer/inner/file"), text(6000)).unwrap();
    fs::write(tree.join("outer/noise"), noise(1, 4500)).unwrap();
    fs::write(tree.join("small"), "small").unwrap();
    std::os::unix::fs::symlink("outer/target", tree.join("link")).unwrap();
    let path = dir.path().join("image");
    mksquashfs(&tree, &path, &format!("{options} -b 4096 -nopad -all-root"));
    fs::read(path).unwrap()
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).rposition(|window| window == what).expect("in the image")
}

#[test]
fn no_image() {
    for bytes in [&b""[..], b"hsqs", &[0; 96], &[0xff; 4096]] {
        assert!(Image::open(bytes, 0, LocalCache::default(), Codecs::default()).is_err());
    }
    let text = [b'x'; 200];
    let error = in_image(&text[..], 0).unwrap_err();
    assert!(matches!(error, Error::NotSquashfs { found: 0x7878_7878 }));
    assert!(in_image(&text[..], u64::MAX).is_err());
}

#[test]
fn other_compressors_and_versions_are_named() {
    peer!("mksquashfs");
    let good = image("");
    let mut bytes = good.clone();
    bytes[20] = 4;
    let error = in_image(&bytes[..], 0).unwrap_err().to_string();
    assert!(error.contains("`xz`"), "{error}");
    let mut bytes = good;
    bytes[28] = 3;
    assert_eq!(in_image(&bytes[..], 0).unwrap_err(), Error::Version { major: 3, minor: 0 });
}

#[test]
fn cut_off_anywhere() {
    peer!("mksquashfs");
    for options in ["", "-comp zstd", "-noI -noD -noF"] {
        let whole = image(options);
        in_image(&whole[..], 0).unwrap();
        for len in 0..whole.len() {
            // Whatever was cut off was needed.
            assert!(in_image(&whole[..len], 0).is_err(), "{len} of {}", whole.len());
        }
    }
}

#[test]
fn any_byte_changed() {
    peer!("mksquashfs");
    for options in ["", "-comp zstd", "-noI -noD -noF"] {
        let mut bytes = image(options);
        let data = if options.contains("noD") { find(&bytes, b"line 0\n") + 6000 } else { 96 };
        for at in (0..96).chain(data..bytes.len()) {
            let good = bytes[at];
            for bad in [!good, good ^ 1] {
                bytes[at] = bad;
                // Or not an error: the byte may be a time.
                let _ = in_image(&bytes[..], 0);
            }
            bytes[at] = good;
        }
    }
}

#[test]
fn directories_within_themselves() {
    peer!("mksquashfs");
    let mut bytes = image("-noI -noD -noF");
    let root = u64::from_le_bytes(bytes[32..40].try_into().unwrap());
    // `inner` is the first of its listing: header, entry, name. Its inode becomes the root's.
    let name = find(&bytes, b"inner");
    bytes[name - 16..name - 12].copy_from_slice(&root.to_le_bytes()[2..6]);
    bytes[name - 8..name - 6].copy_from_slice(&root.to_le_bytes()[..2]);
    let error = in_image(&bytes[..], 0).unwrap_err();
    assert!(error.to_string().contains("a directory is in two places"), "{error}");
}

#[test]
fn names_that_lead_elsewhere() {
    peer!("mksquashfs");
    let good = image("-noI -noD -noF");
    for name in [&b"../..xxxx"[..5], b"/etc/", b"ab\0cd"] {
        let mut bytes = good.clone();
        let at = find(&bytes, b"inner");
        bytes[at..at + 5].copy_from_slice(name);
        let error = in_image(&bytes[..], 0).unwrap_err();
        assert!(error.to_string().contains("a name that cannot be one"), "{error}");
    }
}

#[test]
fn sizes_that_are_lies_cost_nothing() {
    peer!("mksquashfs");
    let good = image("-noI -noD -noF");
    let link = find(&good, b"outer/target");
    let mut bytes = good.clone();
    bytes[link - 4..link].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = in_image(&bytes[..], 0).unwrap_err();
    assert!(error.to_string().contains("target is empty or too long"), "{error}");

    // Inodes, fragments and owners that are not there.
    for (at, len) in [(4, 4), (16, 4), (26, 2)] {
        let mut bytes = good.clone();
        bytes[at..at + len].fill(0xff);
        let _ = in_image(&bytes[..], 0);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 400_000, "{peak} kB");
}
