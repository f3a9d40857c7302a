//! Images of every format and maker are recognised, described, found to be right, and taken out as they are.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::copy::{skopeo, umoci, unpack};
use support::dockerd::Dockerd;
use support::nix;
use support::outcome::Outcome;
use support::peer::program;
use support::podman::Podman;
use support::registry::DockerRegistry;
use support::temp_dir;
use support::tool::{binary, tool};
use support::tree::{Compare, assert_same_tree, tree_diff};

/// An image of the closure of `top` by us.
#[track_caller]
fn made(dir: &Path, root: &Path, flags: &[&str]) -> PathBuf {
    let image = dir.join("image.tar");
    let mut tool = binary();
    tool.arg("oci").arg(root).args(["--tag=app:1", "--layer=*busybox*"]).args(flags);
    Outcome::of(tool.arg("-o").arg(&image)).success();
    image
}

/// What `verify` says of an image that is right.
#[track_caller]
fn right(image: &str) -> Value {
    let found = tool(["verify", "--json", "--allow-dangling", image]).success().json();
    assert_eq!(
        (&found["ok"], &found["problems"]),
        (&true.into(), &Value::Array(vec![])),
        "{found}"
    );
    found
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain name")
}

/// What `extract` writes, in a new directory.
#[track_caller]
fn extracted(image: &str, dir: &Path) -> PathBuf {
    let root = dir.join("extracted");
    tool(["extract", image, text(&root)]).success();
    root
}

#[track_caller]
fn assert_has_the_store(root: &Path, top: &Path) {
    let compare = Compare { owner: false, mtime: true };
    for path in nix::requisites(top) {
        let copy = root.join(&path[1..]);
        assert_eq!(tree_diff(Path::new(&path), &copy, compare), Vec::<String>::new());
    }
}

#[test]
fn what_we_made_is_told_in_full() {
    peer!("nix-build");
    let dir = temp_dir();
    let store = nix::store();
    let closure = nix::requisites(&store.top);
    for (compress, format) in
        [("none", "archive"), ("gzip", "layout"), ("zstd", "archive"), ("gzip", "docker")]
    {
        let dir = temp_dir();
        let image = made(dir.path(), &store.top, &["--compress", compress, "--format", format]);
        let found = right(text(&image));
        // Each NAR has the hash that Nix registered, and the image says the same.
        assert_eq!(found["nar_hashes"]["right"], closure.len(), "{found}");
        assert_has_the_store(&extracted(text(&image), dir.path()), &store.top);
    }
    let image = made(dir.path(), &store.top, &[]);
    let told = tool(["inspect", "--json", text(&image)]).success().json();
    let references = &told["references"];
    assert_eq!(references["from"], "image");
    assert_eq!(references["roots"], serde_json::json!([store.top]));
    // What refers to what is what Nix says.
    for info in nix::path_info_json(&store.top).as_array().expect("a list") {
        let path = info["path"].as_str().expect("a path");
        let mut expected: Vec<&Value> =
            info["references"].as_array().expect("a list").iter().collect();
        expected.retain(|reference| **reference != info["path"]);
        let got: Vec<&Value> = references["of"][path].as_array().expect("a list").iter().collect();
        assert_eq!(got, expected, "{path}");
    }
    let layers = told["layers"].as_array().expect("a list");
    let sizes = layers.iter().flat_map(|layer| layer["paths"].as_array().expect("a list"));
    for path in sizes {
        assert!(path["nar_size"].as_u64() > path["size"].as_u64(), "{path}");
    }
    let why = tool(["inspect", text(&image), "--json", "--path", "test-data"]).success().json();
    let chain: Vec<&str> = why["paths"][0]["why"]
        .as_array()
        .expect("a chain")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(chain, [&store.top, &store.app, &store.data].map(|path| text(path)));
    let shown = tool(["inspect", text(&image)]).success();
    assert!(shown.text().contains("closure2img, gzip"), "{}", shown.text());
    tool(["inspect", text(&image), "--path", "/no/such"]).code(1).complains("has no `/no/such`");
}

#[test]
fn copies_say_the_same() {
    peer!("nix-build", "skopeo", "umoci", "docker-registry", "tar");
    let dir = temp_dir();
    let store = nix::store();
    let image = made(dir.path(), &store.app, &[]);
    let told = |image: &str| {
        let mut told = tool(["inspect", "--json", image]).success().json();
        told["references"].take()
    };
    let expected = told(text(&image));
    let oci = format!("oci-archive:{}", text(&image));
    let registry = DockerRegistry::plain();
    let [layout, docker] = ["layout", "docker.tar"].map(|name| dir.path().join(name));
    let reference = registry.reference("app:1");
    skopeo(["copy", &oci, &format!("oci:{}:1", text(&layout))]).success();
    skopeo(["copy", &oci, &format!("docker-archive:{}:app:1", text(&docker))]).success();
    skopeo(["copy", "--dest-tls-verify=false", &oci, &format!("docker://{reference}")]).success();
    for image in [text(&layout), text(&docker), &reference] {
        assert_eq!(told(image), expected, "{image}");
        assert_eq!(right(image)["nar_hashes"]["right"], 3);
        let dir = temp_dir();
        assert_has_the_store(&extracted(image, dir.path()), &store.app);
    }
    let ours = extracted(text(&layout), dir.path());
    assert_same_tree(&unpack(&layout, "1", &dir.path().join("bundle")), &ours);
    // Only documents are read of an image that is far away, unless files are asked for.
    let far = tool(["inspect", &reference]).success();
    assert!(far.text().contains("files were not read"), "{}", far.text());
}

/// An image on ours, with files changed, hidden and removed.
const DOCKERFILE: &str = "FROM base
COPY big /data/big
COPY big /data/copy
RUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox rm /data/big; /bin/busybox mkdir -p /etc/d; /bin/busybox echo x > /etc/d/f\"]
RUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox rm -r /etc/d; /bin/busybox mkdir /etc/d; /bin/busybox echo y > /etc/d/g\"]
";

/// A layout of a bare busybox, as `umoci` makes it.
fn bare(dir: &Path) -> PathBuf {
    let layout = dir.join("bare");
    umoci(["init", "--layout", text(&layout)]).success();
    let image = format!("{}:1", text(&layout));
    umoci(["new", "--image", &image]).success();
    fs::copy("/bin/busybox", dir.join("busybox")).expect("copying busybox");
    umoci(["insert", "--image", &image, text(&dir.join("busybox")), "/bin/busybox"]).success();
    layout
}

#[test]
fn images_of_docker_are_merged_as_docker_merges_them() {
    peer!("docker", "dockerd", "skopeo", "umoci", "tar");
    let dir = temp_dir();
    let base = bare(dir.path());
    right(text(&base));
    let docker = Dockerd::start();
    let archive = dir.path().join("base.tar");
    skopeo([
        "copy",
        &format!("oci:{}:1", text(&base)),
        &format!("docker-archive:{}:base:latest", text(&archive)),
    ])
    .success();
    docker.docker(["load", "-i", text(&archive)]).success();
    let context = dir.path().join("context");
    fs::create_dir(&context).expect("a context");
    fs::write(context.join("Dockerfile"), DOCKERFILE).expect("a Dockerfile");
    fs::write(context.join("big"), vec![b'x'; 1 << 20]).expect("a file");
    let mut build = docker.command();
    Outcome::of(build.env("DOCKER_BUILDKIT", "0").args([
        "build",
        "-q",
        "-t",
        "built",
        text(&context),
    ]))
    .success();
    let saved = dir.path().join("saved.tar");
    docker.docker(["save", "-o", text(&saved), "built"]).success();
    right(text(&saved));
    let told = tool(["inspect", "--json", text(&saved)]).success().json();
    let dead = &told["dead_weight"]["bytes"];
    assert_eq!(
        (&dead["hidden"], &dead["duplicates"]),
        (&((1 << 20) + 2).into(), &(1 << 20).into()),
        "{dead}"
    );

    docker.docker(["create", "--name", "built-one", "built", "/x"]).success();
    let exported = dir.path().join("exported.tar");
    docker.docker(["export", "-o", text(&exported), "built-one"]).success();
    let theirs = dir.path().join("theirs");
    fs::create_dir(&theirs).expect("a folder");
    Outcome::of(Command::new(program("tar")).arg("-xf").arg(&exported).arg("-C").arg(&theirs))
        .success();
    let ours = extracted(text(&saved), dir.path());
    for name in ["bin", "data", "etc/d"] {
        assert_same_tree(&theirs.join(name), &ours.join(name));
    }
}

#[test]
fn images_of_podman_and_buildah_are_right() {
    peer!("podman", "buildah", "skopeo", "umoci", "tar");
    let dir = temp_dir();
    let layout = bare(dir.path());
    let podman = Podman::new();
    let archive = dir.path().join("bare.tar");
    skopeo([
        "copy",
        &format!("oci:{}:1", text(&layout)),
        &format!("oci-archive:{}:bare", text(&archive)),
    ])
    .success();
    podman.podman(["load", "-q", "-i", text(&archive)]).success();
    for format in ["oci-archive", "docker-archive"] {
        let saved = dir.path().join(format);
        podman
            .podman(["save", "-q", "--format", format, "-o", text(&saved), "localhost/bare:latest"])
            .success();
        right(text(&saved));
        let out = dir.path().join(format!("{format}-out"));
        tool(["extract", text(&saved), text(&out)]).success();
        let busybox = fs::read(out.join("bin/busybox")).expect("busybox is there");
        assert_eq!(busybox, fs::read("/bin/busybox").expect("busybox is there"));
    }
}

#[test]
fn file_systems_in_files_are_images_too() {
    peer!("nix-build", "mksquashfs", "tar");
    let dir = temp_dir();
    let store = nix::store();
    let [ours, theirs] = ["ours.sqfs", "theirs.sqfs"].map(|name| dir.path().join(name));
    tool(["squashfs".as_ref(), store.app.as_os_str(), "-o".as_ref(), ours.as_os_str()]).success();
    let tree = dir.path().join("tree/nix/store");
    fs::create_dir_all(&tree).expect("a folder");
    for path in nix::requisites(&store.app) {
        Outcome::of(Command::new("cp").args(["-a", &path]).arg(&tree)).success();
    }
    let mut make = Command::new(program("mksquashfs"));
    Outcome::of(make.arg(dir.path().join("tree")).arg(&theirs).args(["-quiet", "-no-progress"]))
        .success();
    for image in [&ours, &theirs] {
        let found = right(text(image));
        assert_eq!(found["format"], "SquashFS image");
        assert_eq!(found["nar_hashes"]["right"], 3, "{found}");
        let told = tool(["inspect", "--json", text(image)]).success().json();
        let app = text(&store.app);
        let of = told["references"]["of"][app].as_array().map(Vec::len);
        assert_eq!(of, Some(2), "{told}");
        let dir = temp_dir();
        assert_has_the_store(&extracted(text(image), dir.path()), &store.app);
    }
    // An ACI is a tar with `rootfs/`; what `actool` thinks of ours is another test's matter.
    let manifest = r#"{"acKind":"ImageManifest","acVersion":"0.8.11","name":"x/y"}"#;
    fs::write(dir.path().join("manifest"), manifest).expect("a manifest");
    fs::rename(dir.path().join("tree"), dir.path().join("rootfs")).expect("renaming");
    let aci = dir.path().join("x.aci");
    let mut tar = Command::new(program("tar"));
    tar.arg("-C").arg(dir.path()).args(["-czf", text(&aci), "--sort=name", "manifest", "rootfs"]);
    Outcome::of(&mut tar).success();
    let found = right(text(&aci));
    assert_eq!(
        (&found["format"], &found["nar_hashes"]["right"]),
        (&"App Container Image".into(), &3.into())
    );
    let dir = temp_dir();
    assert_has_the_store(&extracted(text(&aci), dir.path()), &store.app);
}
