//! Files that are the same are one file in an image, and whoever unpacks it gets the store all the same: umoci with and
//! without root, GNU tar, docker, podman and containerd.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use support::containerd::Containerd;
use support::copy::{umoci, unpack};
use support::dockerd::Dockerd;
use support::image::Layout;
use support::nix;
use support::outcome::Outcome;
use support::peer::program;
use support::podman::Podman;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;
use support::tree::{Compare, tree_diff};

/// The store paths, the root last.
const PATHS: [&str; 3] = ["drivers", "more", "top"];

/// Equal files within a path and across paths, programs and not, under names that a header holds and longer ones; some
/// are links of each other already.
fn store(dir: &Path) -> ScanStore {
    let store = ScanStore::new(dir);
    let (large, small) = (vec![b'x'; 300_000], vec![b'y'; 16_384]);
    let long = "long".repeat(50);
    for name in ["a.so", "b.so", &format!("{long}/c.so")] {
        store.program(&format!("drivers/lib/{name}"), &large);
        store.file(&format!("drivers/data/{name}"), &large);
        store.file(&format!("more/share/{name}"), &small);
    }
    let linked = store.real("drivers").join("lib/d.so");
    fs::hard_link(store.real("drivers").join("lib/a.so"), linked).expect("making a link");
    store.program("more/lib/a.so", &large);
    store.file("more/tiny", "tiny");
    store.file("more/tiny2", "tiny");
    let names = [ScanStore::path("drivers"), ScanStore::path("more")].join("\n");
    store.file("top/references", names);
    store
}

/// Files of the store that are not the first of their kind in it.
const LINKS: usize = 2 + 2 + 2 + 1 + 1;

fn oci(store: &ScanStore, flags: &[&str], output: &Path) {
    let mut tool = binary();
    tool.arg("oci").arg(ScanStore::path("top")).arg("--store").arg(store.dir());
    // One layer, so that equal files of different paths meet.
    tool.args(["--max-layers=1", "--tag=app:1"]).args(flags).arg("-o").arg(output);
    Outcome::of(&mut tool).success();
}

/// Asserts that the store paths below `root` are those of the store, and that equal files are one.
#[track_caller]
fn assert_is_the_store(root: &Path, store: &ScanStore, linked: bool) {
    for name in PATHS {
        let copy = root.join(&ScanStore::path(name)[1..]);
        let differences = tree_diff(&store.real(name), &copy, Compare::default());
        // A folder made by hand is writable; those of an image never are.
        let mode = |line: &String| line.ends_with("mode 0755 against 0555");
        let others: Vec<_> = differences.iter().filter(|line| !mode(line)).collect();
        assert!(others.is_empty(), "{others:?}");
    }
    let files = files(&root.join("nix/store"));
    let inodes: BTreeSet<u64> =
        files.iter().map(|file| fs::metadata(file).expect("a file").ino()).collect();
    assert_eq!(files.len() - inodes.len(), if linked { LINKS } else { 0 });
}

/// All files below a folder, sorted.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("listing a folder") {
        let path = entry.expect("listing a folder").path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

#[test]
fn tar_and_umoci_unpack_the_store_as_it_is() {
    peer!("setpriv", "tar", "umoci");
    let dir = temp_dir();
    let store = store(&dir.path().join("store"));
    for (compress, flag) in [("gzip", "--dedup"), ("none", "--dedup"), ("none", "--no-dedup")] {
        let place = dir.path().join(format!("{compress}{flag}"));
        let layout = place.join("layout");
        fs::create_dir(&place).expect("creating a folder");
        oci(&store, &["--format=layout", "--compress", compress, flag], &layout);
        let linked = flag == "--dedup";
        assert_is_the_store(&unpack(&layout, "1", &place.join("bundle")), &store, linked);
        // As if nobody were root, which umoci then takes care of.
        let image = format!("{}:1", layout.display());
        let bundle = place.join("rootless");
        let bundle_name = bundle.to_str().expect("a plain name");
        umoci(["unpack", "--rootless", "--image", &image, bundle_name]).success();
        assert_is_the_store(&bundle.join("rootfs"), &store, linked);
        let extracted = place.join("extracted");
        fs::create_dir(&extracted).expect("creating a folder");
        let layout = Layout::at(&layout);
        let mut tar = Command::new(program("tar"));
        tar.args(["--extract", "--preserve-permissions", "--directory"]).arg(&extracted);
        tar.arg("--file").arg(layout.blob_file(&layout.layers()[0]));
        Outcome::of(&mut tar).success();
        assert_is_the_store(&extracted, &store, linked);
    }
}

#[test]
fn the_layer_is_the_same_however_it_is_made() {
    let dir = temp_dir();
    let stores = [store(&dir.path().join("one")), store(&dir.path().join("two"))];
    // No links on disk, or other ones.
    let drivers = stores[1].real("drivers").join("lib");
    fs::remove_file(drivers.join("d.so")).expect("removing a file");
    fs::copy(drivers.join("a.so"), drivers.join("d.so")).expect("copying a file");
    fs::remove_file(drivers.join("b.so")).expect("removing a file");
    fs::hard_link(drivers.join("d.so"), drivers.join("b.so")).expect("making a link");
    let digests = |flags: &[&str]| -> BTreeSet<String> {
        let layouts =
            stores.iter().zip(["1", "2"]).flat_map(|store| ["1", "2", "17"].map(|n| (store, n)));
        let digests = layouts.map(|((store, name), threads)| {
            let layout = dir.path().join(format!("{name}-{threads}{}", flags.concat()));
            oci(store, &[flags, &["--format=layout", "--threads", threads]].concat(), &layout);
            let layers = Layout::at(&layout).layers();
            assert_eq!(layers.len(), 1);
            layers[0]["digest"].as_str().expect("a digest").to_owned()
        });
        digests.collect()
    };
    let all = [&["--compress=none"][..], &["--compress=gzip"], &["--compress=none", "--no-dedup"]];
    for flags in all {
        assert_eq!(digests(flags).len(), 1, "{flags:?}");
    }
    assert!(digests(all[0]).is_disjoint(&digests(all[2])));
}

/// A store whose root has busybox, which can tell of each file its mode, number of names and hash; and what is to be said.
fn telling(dir: &Path) -> (ScanStore, String) {
    let store = store(dir);
    let busybox = fs::read(nix::store().busybox.join("bin/busybox")).expect("reading busybox");
    store.program("top/bin/busybox", busybox);
    let mut expected = Vec::new();
    for file in files(&store.dir().join("nix/store")) {
        let content = fs::read(&file).expect("reading a file");
        let mode = fs::metadata(&file).expect("a file").permissions().mode() & 0o7777;
        let name = file.strip_prefix(store.dir()).expect("below it").display();
        let hash = HEXLOWER.encode(&Sha256::digest(&content));
        let names = match (content.first(), content.len(), mode) {
            (Some(b'x'), _, 0o555) => 5,
            (Some(b'x' | b'y'), 16_384.., 0o444) => 3,
            _ => 1,
        };
        expected.push(format!("{mode:o} {names} {hash} /{name}\n"));
    }
    expected.sort();
    (store, expected.concat())
}

/// Tells as [`telling`] says, with nothing but busybox, whose name is `$0`.
const TELL: &str = "$0 find /nix/store -type f | while read -r f; do \
    echo $($0 stat -c '%a %h' $f) $($0 sha256sum $f | $0 cut -d' ' -f1) $f; done";

/// Makes an image that tells, in an archive.
fn telling_image(dir: &Path, compress: &str) -> (PathBuf, String) {
    let (store, expected) = telling(&dir.join("store"));
    let busybox = format!("{}/bin/busybox", ScanStore::path("top"));
    let archive = dir.join("app.tar");
    let run = ["--exec", "bin/busybox", "--compress", compress, "--", "sh", "-c", TELL, &busybox];
    let mut tool = binary();
    tool.arg("oci").arg(ScanStore::path("top")).arg("--store").arg(store.dir());
    tool.arg("--max-layers=1").arg("-o").arg(&archive).args(["--tag=app:1"]).args(run);
    Outcome::of(&mut tool).success();
    (archive, expected)
}

/// Asserts that the container told what it should.
#[track_caller]
fn assert_told(outcome: Outcome, expected: &str) {
    let outcome = outcome.success();
    let mut lines: Vec<String> = outcome.text().lines().map(|line| format!("{line}\n")).collect();
    lines.sort();
    assert_eq!(lines.concat(), expected);
}

#[test]
fn docker_runs_with_one_file_of_each_kind() {
    peer!("docker", "dockerd", "nix-build");
    let dir = temp_dir();
    let (archive, expected) = telling_image(dir.path(), "gzip");
    let docker = Dockerd::start();
    docker.docker(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success();
    assert_told(docker.docker(["run", "--rm", "--network=none", "app:1"]), &expected);
}

#[test]
fn podman_runs_with_one_file_of_each_kind() {
    peer!("nix-build", "podman", "runc");
    for compress in ["gzip", "zstd"] {
        let dir = temp_dir();
        let (archive, expected) = telling_image(dir.path(), compress);
        let podman = Podman::new();
        podman.podman(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success();
        assert_told(podman.podman(["run", "--rm", "--network=none", "app:1"]), &expected);
    }
}

#[test]
fn containerd_runs_with_one_file_of_each_kind() {
    peer!("containerd", "ctr", "nix-build", "runc");
    let dir = temp_dir();
    let (archive, expected) = telling_image(dir.path(), "none");
    let containerd = Containerd::start();
    let native = "--snapshotter=native";
    let import = ["images".as_ref(), "import".as_ref(), native.as_ref(), archive.as_os_str()];
    containerd.ctr(import).success();
    let name = "docker.io/library/app:1";
    assert_told(containerd.ctr(["run", native, "--rm", name, "app"]), &expected);
}
