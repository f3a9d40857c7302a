//! From an AppDir to the words of the program in it: what the tool writes down is what the runtime reads.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use closure2img::appimage::metadata;
use closure2img::closure::{NarHash, PathInfo};
use layering::{StoreDir, StorePath};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use support::app_dir::{ENTRY, SVG, file, link, made};
use support::demo::{Demo, HELLO, ROOT};
use support::outcome::Outcome;
use support::peer::program;

extern crate alloc;

/// The parser of the runtime, which has no crate in common with the tool.
#[allow(dead_code, unreachable_pub, reason = "a part of a library, of which this is a part")]
#[path = "../runtime/src/metadata.rs"]
mod of_runtime;

#[test]
fn the_runtime_reads_what_is_written_down() {
    let path = |letter: char| -> StorePath {
        format!("{}-{letter}", letter.to_string().repeat(32)).parse().expect("a store path")
    };
    let mut a = PathInfo::new(path('a'), 120, vec![path('a'), path('b')]);
    a.nar_hash = Some(NarHash::from_bytes([0xab; 32]));
    let b = PathInfo::new(path('b'), 0, Vec::new());
    let env = [("A".to_owned(), "back\\slash\nline=x".to_owned()), ("B".to_owned(), String::new())];
    let store: StoreDir = "/gnu/store".parse().expect("a store directory");
    let text = metadata(Some(&store), &env, &[a, b]);
    let read = of_runtime::Metadata::parse(text.as_bytes()).expect("what the tool wrote");
    assert_eq!(read.store, Some(&b"/gnu/store"[..]));
    let wanted: Vec<(&[u8], Vec<u8>)> =
        env.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes().to_vec())).collect();
    assert_eq!(read.environment, wanted);
    let hash = format!("sha256:{}", "ab".repeat(32));
    assert_eq!(read.paths[0].name, path('a').as_str().as_bytes());
    assert_eq!(read.paths[0].nar_hash, Some(hash.as_bytes()));
    assert_eq!((read.paths[0].nar_size, read.paths[1].nar_size), (Some(120), None));
    assert_eq!((read.paths[0].references.as_slice(), read.paths[1].nar_hash), (&[0, 1][..], None));
    let text = metadata(None, &env, &[]);
    let read = of_runtime::Metadata::parse(text.as_bytes()).expect("what the tool wrote");
    assert_eq!((read.store, read.paths.len()), (None, 0));
}

/// Names with hash, size, and references as places that are taken modulo the number of paths.
fn paths() -> impl Strategy<Value = Vec<PathInfo>> {
    let facts = (any::<Option<[u8; 32]>>(), any::<u64>(), vec(any::<prop::sample::Index>(), 0..5));
    let name = "[0-9a-df-np-sv-z]{32}-[a-z0-9+._?=-]{1,20}";
    btree_map(name.prop_filter_map("a store path", |text| text.parse().ok()), facts, 0..12)
        .prop_map(|paths| {
            let names: Vec<StorePath> = paths.keys().cloned().collect();
            let info = |(path, (hash, size, references)): (
                StorePath,
                (_, u64, Vec<prop::sample::Index>),
            )| {
                let references = references.iter().map(|at| at.get(&names).clone()).collect();
                let hash: Option<[u8; 32]> = hash;
                let mut info = PathInfo::new(path, size >> 1, references);
                info.nar_hash = hash.map(NarHash::from_bytes);
                info
            };
            paths.into_iter().map(info).collect()
        })
}

proptest! {
    #[test]
    fn whatever_is_written_down_is_read_again(
        store in prop_oneof!["/nix/store", "/gnu/store", "(/[a-z]{1,9}){1,4}"],
        env in vec(("[^=\\\\\\p{Cc}]{1,12}", "[^\0]{0,40}"), 0..6),
        paths in paths(),
    ) {
        let dir: StoreDir = store.parse().expect("a store directory");
        let dir = (!paths.is_empty()).then_some(&dir);
        let text = metadata(dir, &env, &paths);
        let read = of_runtime::Metadata::parse(text.as_bytes());
        prop_assert!(read.is_ok(), "{read:?}: {text}");
        let read = read.unwrap_or_default();
        prop_assert_eq!(read.store, dir.map(|_| store.as_bytes()));
        let written: Vec<(&[u8], Vec<u8>)> =
            env.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes().to_vec())).collect();
        prop_assert_eq!(read.environment, written);
        prop_assert_eq!(read.paths.len(), paths.len());
        for (path, info) in read.paths.iter().zip(&paths) {
            prop_assert_eq!(path.name, info.path.as_str().as_bytes());
            let hash = info.nar_hash.map(|hash| format!("sha256:{}", data_encoding::HEXLOWER.encode(hash.as_bytes())));
            prop_assert_eq!(path.nar_hash, hash.as_deref().map(str::as_bytes));
            prop_assert_eq!(path.nar_size, Some(info.nar_size).filter(|size| *size > 0));
            let references: Vec<&[u8]> =
                path.references.iter().map(|at| read.paths[*at as usize].name).collect();
            let expected: Vec<&[u8]> =
                info.references.iter().map(|path| path.as_str().as_bytes()).collect();
            prop_assert_eq!(references, expected);
        }
    }
}

#[test]
fn an_app_dir_of_links_starts_where_there_is_no_store() {
    peer!("unshare");
    if !support::peer::root() {
        return;
    }
    let demo = Demo::new();
    let dir = demo.path("Hello.AppDir");
    link(format!("{ROOT}/bin"), &dir.join("usr/bin"));
    file(&dir.join("hello.desktop"), ENTRY, 0o644);
    file(&dir.join("hello.svg"), SVG, 0o644);
    made(&demo, ["Hello.AppDir", "-o", "dir.AppImage"]);
    made(&demo, [HELLO, "-o", "root.AppImage"]);
    let plain = Outcome::of(
        Command::new("chroot").arg(demo.path("store")).arg(format!("{HELLO}/bin/hello")),
    );
    // Its second line has the name that it was called by, which is that of the AppImage.
    let first = |outcome: &Outcome| outcome.text().lines().next().map(str::to_owned);
    let says = first(&plain.success());
    assert!(says.as_deref().is_some_and(|says| says.starts_with("Hello")), "{says:?}");
    for image in ["dir.AppImage", "root.AppImage"] {
        for engine in ["root-extract", "extract"] {
            let mut start = Command::new(program("unshare"));
            // The machine's own store, if it has one, is not to help.
            let script = "[ ! -d /nix ] || mount -t tmpfs none /nix; exec \"$0\"";
            start
                .args(["-m", "sh", "-c", script])
                .arg(demo.path(image))
                .current_dir(demo.path("tmp"));
            start.env("CLOSURE2IMG_ENGINE", engine).env("XDG_CACHE_HOME", demo.path("cache"));
            let outcome = Outcome::of(&mut start);
            forget_links(&demo.path("cache"));
            assert_eq!(first(&outcome.success()), says, "{image} {engine}");
        }
    }
}

/// Takes away the short names that unpacked stores have in `/tmp`, which stay as long as the cache does.
fn forget_links(cache: &Path) {
    for entry in fs::read_dir("/tmp").expect("listing /tmp").flatten() {
        let leads_there = |target: PathBuf| target.starts_with(cache);
        if fs::read_link(entry.path()).is_ok_and(leads_there) {
            fs::remove_file(entry.path()).expect("removing a link");
        }
    }
}
