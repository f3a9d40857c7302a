//! Copying between real registries, archives and layouts: an image goes round and stays itself to the byte, skopeo
//! reads it wherever it is, and an index brings all of its images along.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::copy::skopeo;
use support::dockerd::Dockerd;
use support::handmade;
use support::image::Layout;
use support::nix::{self, APP_SAYS};
use support::outcome::Outcome;
use support::registry::{DockerRegistry, Options};
use support::temp_dir;
use support::tool::{binary, tool};
use support::tree::assert_same_tree;

/// An image of this architecture with some files, as a layout that our tool had no part in.
fn layout(dir: &Path, arch: &str) -> PathBuf {
    let content = dir.join(format!("content-{arch}"));
    fs::create_dir_all(&content).expect("creating a folder");
    for (name, size) in [("small", 10), ("large", 750_000)] {
        let bytes: Vec<u8> =
            (0..size).flat_map(|n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        fs::write(content.join(name), bytes).expect("writing a file");
    }
    fs::write(content.join("arch"), arch).expect("writing a file");
    let layout = dir.join(format!("layout-{arch}"));
    handmade::layout_for(arch, &layout, &[&content], &["/bin/app"]);
    layout
}

fn digest(layout: &Path) -> String {
    Layout::at(layout).descriptor()["digest"].as_str().expect("a digest").to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("ASCII")
}

/// `closure2img copy ARGS`, which must print `REPOSITORY@DIGEST` if `expected` is not empty.
#[track_caller]
fn copy(args: &[&str], expected: &str) {
    let expected = if expected.is_empty() { String::new() } else { format!("{expected}\n") };
    tool(["copy"].iter().chain(args)).success().prints(&expected);
}

fn raw(reference: &str) -> Value {
    let image = format!("docker://{reference}");
    skopeo(["inspect", "--raw", "--tls-verify=false", &image]).success().json()
}

fn digest_of(image: &str) -> String {
    skopeo(["inspect", "--tls-verify=false", "--format={{.Digest}}", image])
        .success()
        .text()
        .to_owned()
}

#[test]
fn an_image_goes_round_and_stays_itself() {
    peer!("docker-registry", "skopeo", "tar");
    let [one, two] = [(); 2].map(|()| DockerRegistry::plain());
    let dir = temp_dir();
    let first = layout(dir.path(), "amd64");
    let digest = digest(&first);
    let name = one.reference("team/app");
    copy(&[text(&first), &format!("{name}:1")], &format!("{name}@{digest}"));

    // To another repository of the same registry, whose blobs are mounted and not sent.
    let before = one.log().len();
    let other = one.reference("other");
    copy(&[&format!("{name}:1"), &format!("{other}:2")], &format!("{other}@{digest}"));
    let log = one.log().split_off(before);
    assert!(!log.contains("\"PATCH /v2/") && !log.contains("\"PUT /v2/other/blobs"), "{log}");

    // To a file, from there to a folder, and from there to another registry under two tags.
    let (archive, folder) = (dir.path().join("app.tar"), dir.path().join("app"));
    copy(&[&format!("{other}:2"), text(&archive)], "");
    copy(&[text(&archive), text(&folder)], "");
    let last = two.reference("app");
    let line = format!("{last}@{digest}");
    copy(&[text(&folder), &format!("{last}:a"), &format!("{last}:b")], &format!("{line}\n{line}"));
    for tag in ["a", "b"] {
        assert_eq!(digest_of(&format!("docker://{last}:{tag}")), digest);
    }
    // By digest, too.
    copy(&[&line, &format!("{last}:c")], &line);

    // Others read all of it, and what they read is what we began with.
    let tagged = format!("oci-archive:{}", text(&archive));
    assert_eq!(digest_of(&tagged), digest);
    assert_eq!(digest_of(&format!("oci:{}", text(&folder))), digest);
    skopeo(["inspect", &format!("docker-archive:{}", text(&archive))]).success();
    let back = dir.path().join("back");
    let to = format!("oci:{}:1", text(&back));
    skopeo([
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
        &format!("docker://{last}:a"),
        &to,
    ])
    .success();
    assert_same_tree(&first.join("blobs"), &back.join("blobs"));
    assert_same_tree(&first.join("blobs"), &folder.join("blobs"));
    let layout = Layout::at(&folder);
    layout.config();
    layout.layers().iter().for_each(|layer| drop(layout.blob(layer)));
}

#[test]
fn docker_loads_an_archive_that_came_from_a_registry() {
    peer!("docker", "dockerd", "docker-registry", "nix-build");
    let (registry, docker) = (DockerRegistry::plain(), Dockerd::start());
    let dir = temp_dir();
    let name = format!("{}:1", registry.reference("team/app"));
    let mut push = binary();
    push.arg("oci").arg(&nix::store().app).args(["--push", &name]);
    Outcome::of(&mut push).success();
    let archive = dir.path().join("app.tar");
    copy(&[&name, text(&archive)], "");
    docker.docker(["load", "-i", text(&archive)]).success();
    docker.docker(["run", "--rm", "--network=none", &name]).success().prints(APP_SAYS);
}

#[test]
fn what_is_there_is_not_sent_again() {
    peer!("docker-registry", "tar");
    let registry = DockerRegistry::plain();
    let dir = temp_dir();
    let layout = layout(dir.path(), "amd64");
    let name = registry.reference("app");
    let line = format!("{name}@{}", digest(&layout));
    copy(&[text(&layout), &format!("{name}:1")], &line);
    let before = registry.log().len();
    copy(&[text(&layout), &format!("{name}:1")], &line);
    let log = registry.log().split_off(before);
    let requests: Vec<&str> =
        log.lines().filter(|line| line.contains("\" 200 ") || line.contains("/v2/app")).collect();
    assert!(!log.contains("POST") && !log.contains("\"PUT"), "{requests:?}");
    copy(&[text(&layout), &format!("{name}:2")], &line);
    let log = registry.log().split_off(before);
    assert!(!log.contains("/blobs/uploads/"), "{log}");
}

#[test]
fn an_index_brings_all_its_images() {
    peer!("docker-registry", "skopeo", "tar");
    let [one, two] = [(); 2].map(|()| DockerRegistry::plain());
    let dir = temp_dir();
    let [amd64, arm64] = ["amd64", "arm64"].map(|arch| layout(dir.path(), arch));
    let [first, second] = [&amd64, &arm64].map(|layout| digest(layout));
    // One image is in the repository already, one in another of the same registry.
    let app = one.reference("team/app");
    copy(&[text(&amd64), &format!("{app}:amd64")], &format!("{app}@{first}"));
    let other = one.reference("arm/app");
    copy(&[text(&arm64), &format!("{other}:1")], &format!("{other}@{second}"));
    let made = tool(["index", &format!("{app}:1"), &format!("{app}:amd64"), &format!("{other}:1")])
        .success();
    let line = made.text().to_owned();
    let index = line.strip_prefix(&format!("{app}@")).expect("its repository").to_owned();
    let document = raw(&format!("{app}:1"));
    let platforms: Vec<&Value> = document["manifests"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["platform"])
        .collect();
    assert_eq!(
        platforms,
        [
            &json!({"architecture": "amd64", "os": "linux"}),
            &json!({"architecture": "arm64", "os": "linux"})
        ]
    );

    // All of it: to a file, and from there to another registry.
    let archive = dir.path().join("all.tar");
    copy(&[&format!("{app}:1"), text(&archive)], "");
    let last = two.reference("app");
    copy(&[text(&archive), &format!("{last}:1")], &format!("{last}@{index}"));
    assert_eq!(raw(&format!("{last}:1")), document);
    let all = dir.path().join("all");
    let to = format!("oci:{}:1", text(&all));
    skopeo([
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        &format!("docker://{last}:1"),
        &to,
    ])
    .success();
    for layout in [&amd64, &arm64] {
        for file in fs::read_dir(layout.join("blobs/sha256")).expect("a folder") {
            let name = file.expect("a file").file_name();
            assert!(all.join("blobs/sha256").join(&name).exists(), "{name:?}");
        }
    }

    // One of it.
    let only = two.reference("only");
    copy(
        &[&format!("{app}:1"), &format!("{only}:1"), "--platform=linux/arm64/v8"],
        &format!("{only}@{second}"),
    );
    copy(
        &[text(&archive), &format!("{only}:2"), "--platform=linux/amd64"],
        &format!("{only}@{first}"),
    );
    let none =
        tool(["copy", text(&archive), &format!("{only}:3"), "--platform=linux/s390x"]).code(1);
    none.complains("`linux/amd64`, `linux/arm64`").complains("--platform").prints("");

    // An index of an index is flat, and twice the same platform is one too many.
    let nested = tool(["index", &format!("{last}:2"), text(&archive), text(&amd64)]).success();
    assert_eq!(nested.text(), format!("{last}@{index}"));
    let changed = dir.path().join("changed");
    handmade::layout(&changed, &[dir.path().join("content-arm64")], &["/other"]);
    let twice = tool(["index", &format!("{last}:3"), text(&archive), text(&changed)]).code(1);
    twice.complains("are both for `linux/amd64`").prints("");
}

#[test]
fn dockers_own_archives_become_images() {
    peer!("docker-registry", "skopeo", "tar");
    let registry = DockerRegistry::plain();
    let dir = temp_dir();
    let layout = layout(dir.path(), "amd64");
    let docker = dir.path().join("docker.tar");
    let to = format!("docker-archive:{}:team/app:7", text(&docker));
    skopeo(["copy", &format!("oci:{}", text(&layout)), &to]).success();
    let name = registry.reference("app");
    tool(["copy", text(&docker), &format!("{name}:1")]).success();
    let manifest = raw(&format!("{name}:1"));
    let config = format!("docker-archive:{}", text(&docker));
    let image_id =
        skopeo(["inspect", "--raw", &config]).success().json()["config"]["digest"].clone();
    assert_eq!(manifest["config"]["digest"], image_id);
    let back = dir.path().join("back");
    let to = format!("oci:{}:1", text(&back));
    skopeo(["copy", "--src-tls-verify=false", &format!("docker://{name}:1"), &to]).success();
    // Packed as a whole, as such archives often are; its name comes along.
    let file = fs::File::create(dir.path().join("docker.tar.gz")).expect("creating a file");
    let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    std::io::copy(&mut fs::File::open(&docker).expect("a file"), &mut packer).expect("packing");
    packer.finish().expect("packing");
    let folder = dir.path().join("folder");
    copy(&[text(&dir.path().join("docker.tar.gz")), text(&folder)], "");
    let descriptor = Layout::at(&folder).descriptor();
    assert_eq!(descriptor["annotations"]["io.containerd.image.name"], "docker.io/team/app:7");
    assert_eq!(
        digest_of(&format!("oci:{}", text(&folder))),
        digest_of(&format!("docker://{name}:1"))
    );
}

#[test]
fn damaged_images_go_nowhere() {
    peer!("docker-registry", "skopeo", "tar");
    let registry = DockerRegistry::plain();
    let dir = temp_dir();
    let layout = layout(dir.path(), "amd64");
    let name = registry.reference("app");
    let line = format!("{name}@{}", digest(&layout));
    copy(&[text(&layout), &format!("{name}:1")], &line);
    let layer = Layout::at(&layout).layers()[0].clone();
    let blob = Layout::at(&layout).blob_file(&layer);
    let whole = fs::read(&blob).expect("reading a blob");
    let mut other = whole.clone();
    other[700] ^= 1;
    for bytes in [other, whole[..whole.len() - 1].to_vec()] {
        fs::write(&blob, bytes).expect("damaging a blob");
        let [archive, folder] = ["bad.tar", "bad"].map(|name| dir.path().join(name));
        for place in [text(&archive), text(&folder), &registry.reference("new:1")] {
            let failed = tool(["copy", text(&layout), place]).code(1);
            failed.complains("hint: ").prints("");
        }
        assert!(!archive.exists() && !folder.exists());
    }
    fs::remove_file(&blob).expect("removing a blob");
    let failed = tool(["copy", text(&layout), text(&dir.path().join("bad.tar"))]).code(1);
    failed.complains("is missing").prints("");
    let inspect = format!("docker://{}", registry.reference("new:1"));
    skopeo(["inspect", "--tls-verify=false", &inspect]).failure();

    // And what is no image, or not there.
    fs::write(dir.path().join("text.tar"), "no tar").expect("writing a file");
    for (source, says) in [
        (text(&dir.path().join("text.tar")), "expected"),
        (text(&dir.path().join("content-amd64")), "neither"),
        ("./no-such.tar", "no file"),
        (&format!("{name}:none"), "no image"),
        ("Not A Name", "neither a file nor"),
    ] {
        let failed = tool(["copy", source, &format!("{name}:2")]).code(1);
        failed.complains(says).complains("hint: ").prints("");
    }
    for bad in [line.as_str(), "x.tar.gz"] {
        tool(["copy", &format!("{name}:1"), bad]).code(1).complains("hint: ").prints("");
    }
}

#[test]
fn secrets_and_authorities_count_on_both_sides() {
    peer!("docker-registry", "htpasswd", "openssl", "skopeo", "tar");
    let from = DockerRegistry::start(Options { htpasswd: Some(("ann", "s3cret")), tls: true });
    let to = DockerRegistry::plain();
    let dir = temp_dir();
    let layout = layout(dir.path(), "amd64");
    let digest = digest(&layout);
    let [source, target] = [&from, &to].map(|registry| registry.reference("app"));
    let copy = |args: [&str; 2]| {
        let mut tool = binary();
        tool.arg("copy").args(args).arg("--ca").arg(from.ca().expect("it has TLS"));
        tool
    };
    let tag = format!("{source}:1");
    let mut known = copy([text(&layout), &tag]);
    known.env("DOCKER_CONFIG", from.docker_config());
    Outcome::of(&mut known).success().prints(&format!("{source}@{digest}\n"));
    let mut known = copy([&tag, &format!("{target}:1")]);
    known.env("DOCKER_CONFIG", from.docker_config()).arg("--json");
    let told = Outcome::of(&mut known).success().json();
    assert_eq!(
        told,
        json!({"digest": digest, "pushed": [format!("{target}@{digest}")], "written": []})
    );
    let failed = Outcome::of(&mut copy([&tag, &format!("{target}:2")])).code(1);
    failed.complains("401").complains(&from.host()).prints("");
}

#[test]
fn what_is_read_comes_from_a_mirror_and_what_is_written_does_not_go_there() {
    peer!("docker-registry", "skopeo", "tar");
    let [mirror, target] = [(); 2].map(|()| DockerRegistry::plain());
    let dir = temp_dir();
    let layout = layout(dir.path(), "amd64");
    let digest = digest(&layout);
    let cached = mirror.reference("cache/app");
    copy(&[text(&layout), &format!("{cached}:1")], &format!("{cached}@{digest}"));
    // Nobody is at the first mirror, nor at the origin.
    let conf = format!(
        "[[registry]]\nlocation = \"127.0.0.1:2\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:1\"\n\
        [[registry.mirror]]\nlocation = \"{0}/cache\"\n[[registry]]\nlocation = \"{1}\"\n\
        [[registry.mirror]]\nlocation = \"{0}/other\"\n",
        mirror.host(),
        target.host(),
    );
    let file = dir.path().join("registries.conf");
    fs::write(&file, conf).expect("writing a file");
    let app = target.reference("app");
    let mut through = binary();
    through.args(["copy", "127.0.0.1:2/app:1", &format!("{app}:1")]);
    Outcome::of(through.env("CONTAINERS_REGISTRIES_CONF", &file))
        .success()
        .prints(&format!("{app}@{digest}\n"));
    assert_eq!(digest_of(&format!("docker://{app}:1")), digest);
    // The mirror has what it had, and nothing else.
    tool(["tags", &cached]).success().prints("1\n");
    for name in ["other/app", "app"] {
        tool(["tags", &mirror.reference(name)]).code(1).complains("does not exist");
    }
}
