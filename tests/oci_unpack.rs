//! An image holds the store as it is: what umoci and GNU tar unpack equals the store paths byte for byte, link for link
//! and mode for mode, whatever their names, and nothing else is there.

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use support::copy::unpack;
use support::image::Layout;
use support::nix;
use support::outcome::Outcome;
use support::peer::program;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;
use support::tree::{Compare, tree_diff};

/// Makes an archive of the root's closure and unpacks it to a layout with the tag `1`.
#[track_caller]
fn layout(root: &Path, flags: &[&str], dir: &Path) -> Layout {
    let archive = dir.with_extension("tar");
    let mut tool = binary();
    tool.arg("oci").arg(root).args(["--tag=app:1", "-o"]).arg(&archive);
    // One layer for each path, however tiny.
    Outcome::of(tool.arg("--strategy=popularity").args(flags)).success();
    Layout::unpacked(&archive, dir)
}

/// The names in a folder, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("listing a folder");
    let names = entries.map(|entry| entry.expect("listing a folder").file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().expect("a plain name")).collect();
    names.sort_unstable();
    names
}

/// Asserts that below `root` there is the closure of `top` and nothing else.
#[track_caller]
fn assert_is_the_store(root: &Path, top: &Path) {
    let closure = nix::requisites(top);
    assert_eq!(names(root), ["nix"]);
    assert_eq!(names(&root.join("nix")), ["store"]);
    let base = |path: &String| path.rsplit('/').next().map(str::to_owned);
    let expected: Vec<_> = closure.iter().filter_map(base).collect();
    assert_eq!(names(&root.join("nix/store")), expected);
    let compare = Compare { owner: true, mtime: true };
    for path in closure {
        let copy = root.join(&path[1..]);
        assert_eq!(tree_diff(Path::new(&path), &copy, compare), Vec::<String>::new());
    }
}

/// Extracts all layers over each other, as a container runtime does, with GNU tar.
#[track_caller]
fn extract(layout: &Layout, root: &Path) {
    fs::create_dir(root).expect("creating a folder");
    for layer in layout.layers() {
        let mut tar = Command::new(program("tar"));
        tar.args(["--extract", "--preserve-permissions", "--same-owner", "--numeric-owner"]);
        tar.arg("--directory").arg(root).arg("--file").arg(layout.blob_file(&layer));
        Outcome::of(&mut tar).success();
    }
}

#[test]
fn umoci_unpacks_the_store_as_it_is() {
    peer!("nix-build", "umoci");
    let top = &nix::store().top;
    for compress in ["gzip", "none"] {
        let dir = temp_dir();
        let layout = dir.path().join("layout");
        let mut tool = binary();
        tool.arg("oci").arg(top).args(["--compress", compress, "--format=layout", "--tag=app:1"]);
        Outcome::of(tool.arg("-o").arg(&layout)).success();
        assert_is_the_store(&unpack(&layout, "1", &dir.path().join("bundle")), top);
    }
}

#[test]
fn tar_extracts_the_store_as_it_is() {
    peer!("nix-build", "tar");
    let top = &nix::store().top;
    // Many layers, and all paths in one.
    for flags in [["--compress=none", "--max-layers=100"], ["--compress=gzip", "--max-layers=1"]] {
        let dir = temp_dir();
        let layout = layout(top, &flags, &dir.path().join("layout"));
        let expected = if flags[1].ends_with("=1") { 1 } else { nix::requisites(top).len() };
        assert_eq!(layout.layers().len(), expected);
        extract(&layout, &dir.path().join("root"));
        assert_is_the_store(&dir.path().join("root"), top);
    }
}

#[test]
fn compressed_layers_are_what_the_config_says() {
    peer!("gzip", "nix-build", "tar", "zstd");
    for (compress, program_name, media_type) in [
        ("none", "", "application/vnd.oci.image.layer.v1.tar"),
        ("gzip:1", "gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("zstd:19", "zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
    ] {
        let dir = temp_dir();
        let layout =
            layout(&nix::store().app, &["--compress", compress], &dir.path().join("layout"));
        let diff_ids = layout.config()["rootfs"]["diff_ids"].clone();
        for (layer, diff_id) in layout.layers().iter().zip(diff_ids.as_array().expect("a list")) {
            assert_eq!(layer["mediaType"], media_type);
            let mut tar = layout.blob(layer);
            if !program_name.is_empty() {
                let mut decompress = Command::new(program(program_name));
                decompress.arg("-dc").stdin(fs::File::open(layout.blob_file(layer)).expect("blob"));
                tar = Outcome::of(&mut decompress).success().stdout;
            }
            assert_eq!(*diff_id, format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(&tar))));
        }
    }
}

#[test]
fn layers_hold_canonical_entries_only() {
    peer!("nix-build", "tar");
    let dir = temp_dir();
    let layout = layout(&nix::store().top, &["--compress=none"], &dir.path().join("layout"));
    for layer in layout.layers() {
        let blob = layout.blob(&layer);
        let mut archive = tar::Archive::new(&blob[..]);
        let mut last: Option<PathBuf> = None;
        let mut regular: BTreeMap<PathBuf, u32> = BTreeMap::new();
        for (index, entry) in archive.entries().expect("a tar").enumerate() {
            let entry = entry.expect("an entry");
            let header = entry.header();
            let name = entry.path().expect("a name").into_owned();
            let mode = header.mode().expect("a mode");
            match header.entry_type() {
                tar::EntryType::Directory if index == 0 => {
                    assert_eq!((name.as_path(), mode), (Path::new("nix/"), 0o755));
                }
                tar::EntryType::Directory if index == 1 => {
                    assert_eq!((name.as_path(), mode), (Path::new("nix/store/"), 0o755));
                }
                tar::EntryType::Directory => assert_eq!(mode, 0o555, "{name:?}"),
                tar::EntryType::Regular => {
                    assert!([0o444, 0o555].contains(&mode), "{name:?}");
                    regular.insert(name.clone(), mode);
                }
                // To an earlier file, whose mode is the same.
                tar::EntryType::Link => {
                    let target = entry.link_name().expect("a target").expect("a target");
                    assert_eq!((regular.get(&*target), entry.size()), (Some(&mode), 0), "{name:?}");
                }
                tar::EntryType::Symlink => assert_eq!(mode, 0o777, "{name:?}"),
                other => panic!("{name:?} is {other:?}"),
            }
            let owner = (header.uid().expect("a uid"), header.gid().expect("a gid"));
            assert_eq!((owner, header.mtime().expect("a time")), ((0, 0), 1), "{name:?}");
            for owner_name in [header.username(), header.groupname()] {
                assert_eq!(owner_name.expect("a name"), Some(""), "{name:?}");
            }
            // NAR's order: by the bytes of each component, a folder before what is in it.
            if let Some(last) = &last {
                let parts = |path: &Path| -> Vec<Vec<u8>> {
                    path.components().map(|part| part.as_os_str().as_bytes().to_vec()).collect()
                };
                assert!(parts(last) < parts(&name), "{last:?} before {name:?}");
            }
            last = Some(name);
        }
        assert!(last.is_some_and(|name| name.components().count() >= 3));
    }
}

#[test]
fn long_names_hold_newlines_and_any_bytes() {
    peer!("tar", "umoci");
    let dir = temp_dir();
    let store = ScanStore::new(&dir.path().join("store"));
    let long = |fill: &str| fill.repeat(250 / fill.len());
    for (at, name) in
        ["line\nbreak ", "12 path=x\n", "b\\a\\", "ü", "=", "\u{1f680}"].iter().enumerate()
    {
        let file = format!("names/{}/{at}-{}", long(name), long(name));
        store.file(&file, name);
        store.link(&format!("names/link-{at}"), &long(name).repeat(8));
    }
    let folder = store.real("names");
    for bytes in [&b"\xff\n\xfe"[..], b"\x01\x7f\t", b"50 mtime=7\n"] {
        let name = bytes.repeat(200 / bytes.len());
        fs::write(folder.join(OsStr::from_bytes(&name)), bytes).expect("writing a file");
    }
    for file in fs::read_dir(&folder).expect("listing").map(|entry| entry.expect("listing").path())
    {
        if file.is_file() {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
            fs::set_permissions(&file, mode).expect("setting a mode");
        }
    }
    let store_dir = store.dir().to_str().expect("a plain name");
    let flags = ["--store", store_dir, "--compress=none"];
    let layout = layout(&folder, &flags, &dir.path().join("layout"));
    extract(&layout, &dir.path().join("root"));
    let bundle = dir.path().join("bundle");
    for root in [dir.path().join("root"), unpack(&dir.path().join("layout"), "1", &bundle)] {
        let copy = root.join(&ScanStore::path("names")[1..]);
        let differences = tree_diff(&folder, &copy, Compare::default());
        // A folder made by hand is writable; those of an image never are.
        let mode = |line: &String| line.ends_with("mode 0755 against 0555");
        let others: Vec<_> = differences.iter().filter(|line| !mode(line)).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

/// A store path with names that would delete files in an image, and neighbours that must stay.
fn whiteouts(dir: &Path) -> (ScanStore, PathBuf) {
    let store = ScanStore::new(dir);
    for file in [
        "wh/lib/.wh.gone",
        "wh/lib/gone",
        "wh/opaque/.wh..wh..opq",
        "wh/opaque/kept",
        "wh/.wh.dir/inner/file",
        "wh/.wh",
        "wh/x.wh.y",
    ] {
        store.file(file, file);
    }
    store.link("wh/.wh.link", "lib");
    let root = store.real("wh");
    (store, root)
}

#[test]
fn whiteout_names_are_refused() {
    let dir = temp_dir();
    let (store, root) = whiteouts(&dir.path().join("store"));
    let output = dir.path().join("app.tar");
    let mut tool = binary();
    tool.arg("oci").arg(&root).arg("--store").arg(store.dir()).arg("-o").arg(&output);
    let refused = Outcome::of(&mut tool).code(1);
    refused.complains(".wh.").complains(&ScanStore::path("wh")).complains("--whiteouts omit");
    assert_eq!(names(dir.path()), ["store"], "no image, nor a part of one");
}

#[test]
fn whiteout_names_are_left_out_on_demand() {
    peer!("tar", "umoci");
    for compress in ["gzip", "none"] {
        let dir = temp_dir();
        let (store, root) = whiteouts(&dir.path().join("store"));
        let archive = dir.path().join("app.tar");
        let mut tool = binary();
        tool.arg("oci").arg(&root).arg("--store").arg(store.dir()).arg("-o").arg(&archive);
        tool.args(["--tag=app:1", "--whiteouts=omit", "--compress", compress, "--progress=none"]);
        let made = Outcome::of(&mut tool).success();
        let path = ScanStore::path("wh");
        for name in ["lib/.wh.gone", "opaque/.wh..wh..opq", ".wh.dir", ".wh.link"] {
            made.clone().complains(&format!("`{path}/{name}`"));
        }
        let image = dir.path().join("layout");
        Layout::unpacked(&archive, &image);
        let unpacked = unpack(&image, "1", &dir.path().join("bundle")).join(&path[1..]);
        assert_eq!(names(&unpacked), [".wh", "lib", "opaque", "x.wh.y"]);
        assert_eq!(names(&unpacked.join("lib")), ["gone"]);
        assert_eq!(names(&unpacked.join("opaque")), ["kept"]);
    }
}
