//! Lazy layers are what their formats say, down to each chunk; to everybody else they are layers like others.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use support::copy::{skopeo, unpack};
use support::image::Layout;
use support::lazy::{estargz, zstd_chunked};
use support::nix;
use support::outcome::Outcome;
use support::podman::Podman;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;
use support::tree::{Compare, assert_same_tree, tree_diff};

const MIB: usize = 1 << 20;

/// Text that compresses to about half, the same for the same seed.
fn text(bytes: usize, mut seed: u32) -> Vec<u8> {
    let next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"abcdefgh ijklmn\n"[(seed >> 28) as usize]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Files of all sizes that matter to chunks of 1 and 4 MiB in blocks of 4, and names that matter to JSON and tar.
fn sizes(store: &ScanStore) -> PathBuf {
    for (number, size) in [
        0,
        1,
        511,
        512,
        513,
        MIB - 1,
        MIB,
        MIB + 1,
        4 * MIB - 1,
        4 * MIB,
        4 * MIB + 1,
        9 * MIB + 77,
    ]
    .into_iter()
    .enumerate()
    {
        store.file(&format!("sizes/{number:02}"), text(size, 7));
        if size <= MIB {
            store.program(&format!("sizes/again/{number:02}"), text(size, 8));
        }
    }
    for number in 0..300 {
        store.file(&format!("sizes/many/{number}"), text(number * 11, 9));
        store.link(&format!("sizes/links/{number}"), "../many/0");
    }
    for name in ["ü \u{1f680}", "<&>\"\\", "tab\tbell\u{7}", "\u{2028}", &"long".repeat(60)] {
        store.file(&format!("sizes/names/{name}"), name);
        store.link(&format!("sizes/names/link to {}", &name[..name.len().min(8)]), &name.repeat(3));
    }
    store.real("sizes")
}

/// Makes a layout of the root; answers it.
#[track_caller]
fn layout(root: &Path, store: &Path, flags: &[&str], dir: &Path) -> Layout {
    let mut tool = binary();
    tool.arg("oci").arg(root).arg("--store").arg(store).args(["--format=layout", "--tag=app:1"]);
    Outcome::of(tool.args(flags).arg("-o").arg(dir)).success();
    Layout::at(dir)
}

#[test]
fn each_chunk_is_where_the_table_says() {
    let dir = temp_dir();
    let store = ScanStore::new(dir.path());
    let root = sizes(&store);
    for (compress, mib, media_type) in [
        ("zstd:chunked", 1, "application/vnd.oci.image.layer.v1.tar+zstd"),
        ("zstd:chunked:9", 1, "application/vnd.oci.image.layer.v1.tar+zstd"),
        ("estargz", 4, "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("estargz:1", 4, "application/vnd.oci.image.layer.v1.tar+gzip"),
    ] {
        let flags = ["--compress", compress, "--user=app:1000:1000", "--tmp"];
        let layout = layout(&root, store.dir(), &flags, &dir.path().join(compress));
        let diff_ids = layout.config()["rootfs"]["diff_ids"].clone();
        let layers = layout.layers();
        assert_eq!(layers.len(), 2);
        for (index, layer) in layers.iter().enumerate() {
            assert_eq!(layer["mediaType"], media_type);
            let blob = layout.blob(layer);
            let read = if mib == 1 { zstd_chunked(&blob, layer) } else { estargz(&blob, layer) };
            let diff_id = format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(&read.tar)));
            assert_eq!(diff_ids[index], diff_id);
            let sizes = read.entries.iter().filter_map(|entry| entry["size"].as_u64());
            let chunks: u64 = sizes.map(|size| size.div_ceil(mib << 20)).sum();
            assert_eq!(chunks, read.chunks as u64);
        }
    }
}

#[test]
fn nothing_else_than_the_plain_layers_is_in_zstd_chunked_ones() {
    peer!("nix-build");
    let dir = temp_dir();
    let diff_ids = ["zstd", "zstd:chunked"].map(|compress| {
        let mut tool = binary();
        let place = dir.path().join(compress);
        tool.arg("oci").arg(&nix::store().app).args(["--compress", compress, "--format=layout"]);
        Outcome::of(tool.arg("-o").arg(&place)).success();
        Layout::at(&place).config()["rootfs"].clone()
    });
    assert_eq!(diff_ids[0], diff_ids[1]);
}

#[test]
fn umoci_and_skopeo_take_estargz_for_gzip() {
    peer!("skopeo", "umoci");
    let dir = temp_dir();
    let path = |name: &str| dir.path().join(name);
    let store = ScanStore::new(dir.path());
    let root = sizes(&store);
    for compress in ["gzip", "estargz"] {
        layout(&root, store.dir(), &["--compress", compress], &path(compress));
    }
    let plain = unpack(&path("gzip"), "1", &path("plain"));
    let lazy = unpack(&path("estargz"), "1", &path("lazy"));
    // The format has these two, and there is no way to leave them out.
    let more = tree_diff(&plain, &lazy, Compare { owner: true, mtime: false });
    assert_eq!(
        more,
        ["./.no.prefetch.landmark: only in the second", "./stargz.index.json: only in the second"]
    );

    // A copy keeps the blobs, and where their tables are.
    let from = format!("oci:{}:1", path("estargz").display());
    skopeo(["copy", &from, &format!("oci:{}:1", path("copy").display())]).success();
    let (copied, made) = (Layout::at(&path("copy")), Layout::at(&path("estargz")));
    assert_eq!(copied.layers(), made.layers());
    for layer in copied.layers() {
        estargz(&copied.blob(&layer), &layer);
    }
}

#[test]
fn podman_and_skopeo_take_zstd_chunked_for_zstd() {
    peer!("podman", "runc", "skopeo");
    let dir = temp_dir();
    let store = ScanStore::new(dir.path());
    let root = sizes(&store);
    let archive = dir.path().join("app.tar");
    let mut tool = binary();
    tool.arg("oci").arg(&root).arg("--store").arg(store.dir()).args(["--tag=app:1", "-o"]);
    Outcome::of(tool.arg(&archive).arg("--compress=zstd:chunked")).success();
    let podman = Podman::new();
    podman.podman(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success();
    let mounted = podman.podman(["image", "mount", "app:1"]).success();
    let copy = Path::new(mounted.text()).join(&ScanStore::path("sizes")[1..]);
    for file in fs::read_dir(&root).expect("listing a folder") {
        let file = file.expect("listing a folder");
        if file.file_type().expect("a type").is_file() {
            assert_same_tree(&file.path(), &copy.join(file.file_name()));
        }
    }
    let links = |dir: &Path| fs::read_dir(dir.join("links")).expect("listing a folder").count();
    assert_eq!(links(&copy), links(&root));
    podman.podman(["image", "unmount", "app:1"]).success();

    let [from, to] = ["oci-archive", "dir"].map(|kind| format!("{kind}:{}", archive.display()));
    let to = format!("{to}.dir");
    skopeo(["copy", "--dest-decompress", &from, &to]).success();
}

#[test]
fn dockers_own_form_has_no_zstd_chunked() {
    let dir = temp_dir();
    let store = ScanStore::new(dir.path());
    let file = store.file("small", "small");
    let mut tool = binary();
    tool.arg("oci").arg(file).arg("--store").arg(store.dir()).args(["--format=docker", "-o"]);
    tool.arg(dir.path().join("app.tar")).arg("--compress=zstd:chunked");
    Outcome::of(&mut tool).code(2).complains("--compress gzip");
}

#[test]
fn names_that_json_cannot_have_are_refused() {
    for (compress, as_link) in
        [("zstd:chunked", false), ("zstd:chunked", true), ("estargz", false), ("estargz", true)]
    {
        let dir = temp_dir();
        let store = ScanStore::new(dir.path());
        store.file("odd/file", "content");
        let odd = OsStr::from_bytes(b"caf\xe9");
        match as_link {
            true => std::os::unix::fs::symlink(odd, store.real("odd").join("link"))
                .expect("making a link"),
            false => fs::write(store.real("odd").join(odd), "content").expect("writing a file"),
        }
        let make = |compress: &str| {
            let mut tool = binary();
            tool.arg("oci").arg(store.real("odd")).arg("--store").arg(store.dir());
            tool.args(["--compress", compress, "-o"]).arg(dir.path().join("app.tar"));
            Outcome::of(&mut tool)
        };
        let refused = make(compress).code(1).complains("not UTF-8").complains("--compress zstd");
        refused.complains(if as_link { "link" } else { "caf" });
        assert!(!dir.path().join("app.tar").exists());
        make("zstd").success();
    }
}
