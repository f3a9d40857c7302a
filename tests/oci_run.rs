//! From store to running container: what `closure2img oci` writes is loaded and run by docker and podman, and copied by
//! skopeo and umoci, in every form that it can be written in.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::containerd::Containerd;
use support::copy::{skopeo, unpack};
use support::dockerd::Dockerd;
use support::image::Layout;
use support::nix::{self, APP_SAYS};
use support::outcome::Outcome;
use support::podman::Podman;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;
use support::tree::assert_same_tree;

/// What the app prints when it is run with `-- 'a b' c`.
fn said() -> String {
    format!("{APP_SAYS}argument: a b\nargument: c\n")
}

/// Makes an image of the test app; answers what `--json` says.
#[track_caller]
fn make(output: &Path, flags: &[&str]) -> Value {
    let mut command = binary();
    command.arg("oci").arg(&nix::store().app).arg("--json").arg("-o").arg(output);
    Outcome::of(command.args(flags).args(["--", "a b", "c"])).success().json()
}

/// `docker run` or `podman run` without a network, as an outcome.
fn run<'a>(image: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--rm", "--network=none", image], rest].concat()
}

fn load(archive: &Path) -> [&std::ffi::OsStr; 3] {
    ["load".as_ref(), "-i".as_ref(), archive.as_os_str()]
}

#[test]
fn docker_runs_what_it_loads_in_every_form() {
    peer!("docker", "dockerd", "nix-build");
    let dir = temp_dir();
    let docker = Dockerd::start();
    // No zstd: docker reads it only from version 23 on.
    for (format, compress) in [
        ("archive", "gzip"),
        ("archive", "gzip:9"),
        ("archive", "none"),
        ("archive", "estargz"),
        ("docker", "gzip"),
        ("docker", "none"),
        ("docker", "estargz"),
    ] {
        let form = format!("{format}, {compress}");
        let archive = dir.path().join("app.tar");
        let made =
            make(&archive, &["--format", format, "--compress", compress, "--tag", "team/app:1.0"]);
        assert_eq!(made["name"], "team/app:1.0", "{form}");
        docker.docker(load(&archive)).success().prints("Loaded image: team/app:1.0\n");
        let id = docker.docker(["image", "inspect", "--format={{.Id}}", "team/app:1.0"]).success();
        assert_eq!(made["image_id"], id.text(), "{form}");
        docker.docker(run("team/app:1.0", &[])).success().prints(&said());
        // Arguments on docker's command line replace those of the image.
        let other = docker.docker(run("team/app:1.0", &["other"])).success();
        other.prints(&format!("{APP_SAYS}argument: other\n"));
        docker.docker(["image", "rm", "team/app:1.0"]).success();
    }
}

#[test]
fn docker_loads_from_a_pipe_under_the_name_of_the_store_path() {
    peer!("docker", "dockerd", "nix-build");
    let docker = Dockerd::start();
    for flags in [&[][..], &["--format=docker"], &["--compress=none", "--tag=named"]] {
        let mut tool = binary();
        tool.arg("oci")
            .arg(&nix::store().app)
            .args(["-o", "-"])
            .args(flags)
            .args(["--", "a b", "c"]);
        let mut tool = tool.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starting");
        let pipe = tool.stdout.take().expect("stdout is a pipe");
        let loaded = Outcome::of(docker.command().arg("load").stdin(pipe)).success();
        assert!(tool.wait().expect("waiting").success());
        let name = if flags.len() == 2 { "named:latest" } else { "test-app:latest" };
        loaded.prints(&format!("Loaded image: {name}\n"));
        docker.docker(run(name, &[])).success().prints(&said());
    }
}

#[test]
fn podman_runs_what_it_loads_in_every_form() {
    peer!("nix-build", "podman", "runc");
    let dir = temp_dir();
    let podman = Podman::new();
    for (format, compress) in [
        ("archive", "gzip"),
        ("archive", "none"),
        ("archive", "zstd"),
        ("archive", "zstd:chunked"),
        ("archive", "estargz"),
        ("docker", "gzip"),
        ("docker", "none"),
    ] {
        let form = format!("{format}, {compress}");
        let archive = dir.path().join("app.tar");
        let made = make(&archive, &["--format", format, "--compress", compress, "--tag", "app:1"]);
        podman.podman(load(&archive)).success();
        let id = podman.podman(["image", "inspect", "--format=sha256:{{.Id}}", "app:1"]).success();
        assert_eq!(made["image_id"], id.text(), "{form}");
        podman.podman(run("app:1", &[])).success().prints(&said());
        podman.podman(["image", "rm", "app:1"]).success();
    }
}

#[test]
fn containerd_runs_what_it_imports_in_every_form() {
    peer!("containerd", "ctr", "nix-build", "runc");
    let dir = temp_dir();
    let containerd = Containerd::start();
    // The snapshotter that works on every file system.
    let native = "--snapshotter=native";
    let forms = [
        ("archive", "gzip"),
        ("archive", "none"),
        ("archive", "zstd"),
        ("archive", "zstd:chunked"),
        ("archive", "estargz"),
        ("docker", "gzip"),
    ];
    for (format, compress) in forms {
        let archive = dir.path().join("app.tar");
        let flags = ["--format", format, "--compress", compress, "--tag", "team/app:1.0"];
        let made = make(&archive, &flags);
        let import = ["images".as_ref(), "import".as_ref(), native.as_ref(), archive.as_os_str()];
        containerd.ctr(import).success();
        let name = "docker.io/team/app:1.0";
        let listed = containerd.ctr(["images", "list", &format!("name=={name}")]).success();
        // Of Docker's own archives containerd makes manifests itself.
        let digest = made["digest"].as_str().expect("a digest");
        assert_eq!(listed.text().contains(digest), format == "archive", "{}", listed.text());
        containerd.ctr(["run", native, "--rm", name, "app"]).success().prints(&said());
        containerd.ctr(["images", "remove", name]).success();
    }
}

#[test]
fn skopeo_sees_one_image_in_one_file_by_either_name() {
    peer!("nix-build", "skopeo");
    let dir = temp_dir();
    for compress in ["gzip", "none", "zstd"] {
        let archive = dir.path().join(format!("{compress}.tar"));
        let made = make(&archive, &["--compress", compress, "--tag", "app:1"]);
        for (transport, name) in [
            ("oci-archive", ""),
            ("oci-archive", ":1"),
            ("docker-archive", ""),
            ("docker-archive", ":app:1"),
        ] {
            let image = format!("{transport}:{}{name}", archive.display());
            let manifest = skopeo(["inspect", "--raw", &image]).success().json();
            assert_eq!(manifest["config"]["digest"], made["image_id"], "{image}");
            // Copying reads all blobs and compares each with its digest.
            let copy = dir.path().join(format!("copy-{compress}-{transport}{}", name.len()));
            let copied = format!("dir:{}", copy.display());
            skopeo(["copy", &image, &copied]).success();
        }
        let oci = format!("oci-archive:{}", archive.display());
        let digest = skopeo(["inspect", "--format={{.Digest}}", &oci]).success();
        assert_eq!(made["digest"], digest.text());
    }
}

#[test]
fn a_layout_is_a_directory_for_skopeo_and_umoci() {
    peer!("nix-build", "skopeo", "umoci");
    let dir = temp_dir();
    let layout = dir.path().join("layout");
    let made = make(&layout, &["--format=layout", "--tag=app:1"]);
    let image = format!("oci:{}:1", layout.display());
    let digest = skopeo(["inspect", "--format={{.Digest}}", &image]).success();
    assert_eq!(made["digest"], digest.text());
    let copy = dir.path().join("copy.tar");
    skopeo(["copy", &image, &format!("docker-archive:{}:app:1", copy.display())]).success();
    let root = unpack(&layout, "1", &dir.path().join("bundle"));
    let data = &nix::store().data;
    assert_same_tree(data, &root.join(data.strip_prefix("/").expect("an absolute path")));

    // Again into the same place: the layout is replaced, and nothing is left beside it.
    let again = make(&layout, &["--format=layout", "--tag=app:2"]);
    assert_eq!(again["digest"], made["digest"]);
    let descriptor = Layout::at(&layout).descriptor();
    assert_eq!(descriptor["annotations"]["org.opencontainers.image.ref.name"], "2");
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .expect("listing")
        .map(|entry| entry.expect("listing").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["bundle", "copy.tar", "layout"]);
}

#[test]
fn an_archive_is_a_layout_in_a_tar() {
    peer!("nix-build", "tar");
    let dir = temp_dir();
    let archive = dir.path().join("app.tar");
    make(&archive, &["--tag=app:1"]);
    let layout = dir.path().join("layout");
    make(&layout, &["--format=layout", "--tag=app:1"]);
    let unpacked = dir.path().join("unpacked");
    Layout::unpacked(&archive, &unpacked);
    fs::remove_file(unpacked.join("manifest.json")).expect("docker's part of the archive");
    assert_same_tree(&unpacked.join("blobs"), &layout.join("blobs"));
    for file in ["index.json", "oci-layout"] {
        assert_same_tree(&unpacked.join(file), &layout.join(file));
    }
}

#[test]
fn docker_loads_as_many_layers_as_it_can() {
    peer!("docker", "dockerd");
    let dir = temp_dir();
    // Each path refers to the next, so that all are in the closure of the first.
    let store = ScanStore::new(&dir.path().join("store"));
    for number in 0..130 {
        store.file(
            &format!("path-{number:03}"),
            ScanStore::path(&format!("path-{:03}", number + 1)),
        );
    }
    let make = |layers: &str| {
        let mut tool = binary();
        tool.arg("oci").arg(ScanStore::path("path-000")).arg("--store").arg(store.dir());
        let archive = dir.path().join(format!("{layers}.tar"));
        tool.args(["--strategy=popularity", "--max-layers", layers, "--tmp", "--tag=many:1"]);
        tool.arg("-o").arg(&archive);
        (Outcome::of(&mut tool).success(), archive)
    };
    let (quiet, archive) = make("125");
    assert!(!quiet.errors().contains("125 layers, and"), "{}", quiet.errors());
    let docker = Dockerd::start();
    docker.docker(load(&archive)).success();
    let layers = ["image", "inspect", "--format={{len .RootFS.Layers}}", "many:1"];
    docker.docker(layers).success().prints("125\n");
    let (warned, _) = make("127");
    warned.complains("docker loads and pulls at most 125 layers, and this image has 127");
}

#[test]
fn an_image_that_fails_leaves_what_was_there() {
    peer!("nix-build");
    for flags in
        [&["--compress=none"][..], &["--compress=gzip"], &["--format=docker"], &["--format=layout"]]
    {
        let dir = temp_dir();
        let (store, output) = (dir.path().join("store"), dir.path().join("out/app"));
        fs::create_dir(dir.path().join("out")).expect("creating a folder");
        make(&output, flags);
        let before = dir.path().join("before");
        let mut copy = Command::new("cp");
        Outcome::of(copy.arg("-r").arg(&output).arg(&before)).success();

        // What the last layer needs is not there.
        let app = &nix::store().app;
        nix::copy_to_chroot_store(&[app], &store);
        let data = nix::store().data.strip_prefix("/").expect("an absolute path");
        fs::remove_file(store.join(data).join("greeting")).expect("removing a file");
        let mut tool = binary();
        tool.arg("oci").arg(app).arg("--store").arg(&store).args(flags).arg("-o").arg(&output);
        let failed = Outcome::of(&mut tool).code(1);
        failed.complains(data.to_str().expect("ASCII")).complains("hint: ").prints("");
        assert_same_tree(&output, &before);
        assert_eq!(fs::read_dir(dir.path().join("out")).expect("listing").count(), 1, "{flags:?}");
    }
}
