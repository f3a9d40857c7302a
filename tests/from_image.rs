//! Images on top of others: both run, layers of the one underneath arrive as they are and are not sent where they are
//! already, and the plan of before is found again between them.

mod previous_support;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use previous_support::{WITHOUT, World, noise};
use serde_json::{Value, json};
use support::copy::{skopeo, umoci, unpack};
use support::demo::Demo;
use support::dockerd::Dockerd;
use support::handmade;
use support::image::Layout;
use support::nix::{self, APP_SAYS};
use support::outcome::Outcome;
use support::podman::Podman;
use support::registry::DockerRegistry;
use support::scan_store::{ScanStore, elf};
use support::temp_dir;
use support::tool::binary;

const NAME: &str = "org.opencontainers.image.base.name";
const DIGEST: &str = "org.opencontainers.image.base.digest";

/// A layout with the tag `1`, made by umoci: a shell and the program `/bin/below`, which prints variables.
fn busybox(dir: &Path) -> PathBuf {
    let (layout, bin) = (dir.join("below"), dir.join("bin"));
    fs::create_dir(&bin).expect("creating a folder");
    fs::copy(nix::store().busybox.join("bin/busybox"), bin.join("busybox"))
        .expect("copying a file");
    symlink("busybox", bin.join("sh")).expect("making a link");
    let below = bin.join("below");
    fs::write(&below, "#!/bin/sh\necho \"below: $A $B\"\necho \"$PATH\"\n")
        .expect("writing a file");
    support::demo::chmod(&below, 0o755);
    let image = format!("{}:1", layout.display());
    umoci(["init", "--layout", text(&layout)]).success();
    umoci(["new", "--image", &image]).success();
    umoci(["config", "--image", &image, "--config.env", "A=below", "--config.env", "PATH=/bin"])
        .success();
    let flags = ["--config.cmd=/bin/below", "--config.label=who=below", "--config.workingdir=/bin"];
    umoci([&["config", "--image", &image][..], &flags].concat()).success();
    umoci(["insert", "--rootless", "--image", &image, text(&bin), "/bin"]).success();
    layout
}

fn text(path: &Path) -> &str {
    path.to_str().expect("ASCII")
}

/// `closure2img oci APP --from-image BASE FLAG…`
fn app(base: &str, flags: &[&str]) -> Command {
    let mut tool = binary();
    tool.arg("oci").arg(&nix::store().app).args(["--from-image", base]).args(flags);
    tool
}

fn raw(reference: &str) -> Value {
    let image = format!("docker://{reference}");
    skopeo(["inspect", "--raw", "--tls-verify=false", &image]).success().json()
}

fn upload(layout: &Path, reference: &str) {
    let (from, to) = (format!("oci:{}:1", layout.display()), format!("docker://{reference}"));
    skopeo(["copy", "--dest-tls-verify=false", &from, &to]).success();
}

/// What `/bin/below` prints.
fn below_says() -> String {
    format!("below: below above\n{}/bin:/bin\n", nix::store().app.display())
}

#[test]
fn both_run_and_nothing_is_sent_that_the_registry_has() {
    peer!("docker-registry", "nix-build", "podman", "runc", "skopeo", "umoci");
    let [one, two] = [(); 2].map(|()| DockerRegistry::plain());
    let dir = temp_dir();
    let base = one.reference("bases/busybox:1");
    upload(&busybox(dir.path()), &base);
    let below = raw(&base)["layers"].clone();
    let digest = skopeo([
        "inspect",
        "--tls-verify=false",
        "--format={{.Digest}}",
        &format!("docker://{base}"),
    ]);
    let digest = digest.success().text().to_owned();

    let before = one.log().len();
    let (name, tag) = (one.reference("app"), one.reference("app:1"));
    let pushed = Outcome::of(&mut app(&base, &["--env=B=above", "--push", &tag])).success();
    let pinned = format!("{}@{digest}", one.reference("bases/busybox"));
    let pushed = pushed.complains(&format!("on top of {pinned}"));
    let log = one.log().split_off(before);
    let blob = below[0]["digest"].as_str().expect("a digest");
    let mounted = |line: &&str| line.contains("POST /v2/app/") && line.contains(&blob[7..]);
    assert!(log.lines().any(|line| mounted(&line) && line.contains("\" 201 ")), "{log}");
    assert!(!log.contains(&format!("GET /v2/bases/busybox/blobs/{blob}")), "{log}");

    let manifest = raw(&tag);
    assert_eq!(manifest["layers"][0], below[0]);
    assert_eq!(manifest["annotations"], json!({NAME: base, DIGEST: digest}));
    let podman = Podman::new();
    let run = ["run", "--rm", "--network=none", "--tls-verify=false", "--pull=missing"];
    podman.podman(run.iter().chain(&[tag.as_str()])).success().prints(APP_SAYS);
    let other = podman.podman(run.iter().chain(&["--entrypoint=/bin/below", &tag])).success();
    other.prints(&below_says());

    // Once more there is nothing to do, neither here nor where the other image is.
    let before = one.log().len();
    Outcome::of(&mut app(&base, &["--env=B=above", "--push", &tag])).success();
    let log = one.log().split_off(before);
    assert!(!["POST", "PUT", "/blobs/uploads"].iter().any(|it| log.contains(it)), "{log}");
    assert!(!log.contains(&blob[7..]), "{log}");

    // The same again, by digest: but for what it says of its base, the same image. To another registry it is copied.
    let (again, there) = (one.reference("app:2"), two.reference("team/app:1"));
    let both = ["--env=B=above", "--push", &again, "--push", &there];
    let copied = Outcome::of(&mut app(&base, &both)).success();
    let digest = pushed.text().strip_prefix(&format!("{name}@")).expect("its repository");
    copied.prints(&format!("{name}@{digest}\n{}@{digest}\n", two.reference("team/app")));
    assert_eq!(raw(&there), manifest);
    let by_digest = Outcome::of(&mut app(&pinned, &["--env=B=above", "--push", &again])).success();
    assert!(!by_digest.errors().contains("on top of"), "{}", by_digest.errors());
    assert_eq!(raw(&again)["layers"], manifest["layers"]);
    assert_eq!(raw(&again)["config"], manifest["config"]);
    // On top of an image in the same repository, nothing is mounted either.
    let before = one.log().len();
    Outcome::of(&mut app(&tag, &["--push", &one.reference("app:3")])).success();
    let log = one.log().split_off(before);
    assert!(!log.contains(&blob[7..]), "{log}");
}

/// The tar of the one layer of a layout.
fn layer_of(layout: &Path) -> PathBuf {
    let read = Layout::at(layout);
    read.blob_file(&read.layers()[0])
}

#[test]
fn files_hold_both() {
    peer!("docker", "dockerd", "nix-build", "skopeo", "umoci");
    let dir = temp_dir();
    let below = busybox(dir.path());
    let docker = Dockerd::start();
    for (format, compress) in
        [("archive", "none"), ("archive", "gzip"), ("docker", "none"), ("docker", "gzip")]
    {
        let archive = dir.path().join("app.tar");
        let flags = [
            "--env=B=above",
            "--format",
            format,
            "--compress",
            compress,
            "--tag=app:1",
            "-o",
            text(&archive),
        ];
        Outcome::of(&mut app(text(&below), &flags)).success();
        docker.docker(["load", "-i", text(&archive)]).success().prints("Loaded image: app:1\n");
        docker.docker(["run", "--rm", "--network=none", "app:1"]).success().prints(APP_SAYS);
        let program = ["run", "--rm", "--network=none", "--entrypoint=/bin/below", "app:1"];
        docker.docker(program).success().prints(&below_says());
        let source = if format == "docker" { "docker-archive" } else { "oci-archive" };
        let image = format!("{source}:{}", archive.display());
        let config = skopeo(["inspect", "--config", &image]).success().json();
        assert_eq!(config["config"]["Labels"], json!({"who": "below"}));
        assert_eq!(config["config"]["WorkingDir"], "/bin");
        assert!(config["config"].get("Cmd").is_none(), "{config}");
        docker.docker(["image", "rm", "app:1"]).success();
    }
    // What docker made and saved, in whichever form this docker saves.
    let (saved, flags) = (dir.path().join("saved.tar"), ["--tag=app:1", "-o", "app.tar"]);
    docker.docker(["import", "--change=ENV A=docker", text(&layer_of(&below)), "made:1"]).success();
    docker.docker(["create", "--name=changed", "made:1", "/bin/below"]).success();
    docker.docker(["commit", "--change=CMD [\"/bin/below\"]", "changed", "made:2"]).success();
    docker.docker(["save", "-o", text(&saved), "made:2"]).success();
    let mut tool = app(text(&saved), &flags);
    Outcome::of(tool.current_dir(dir.path())).success();
    docker.docker(["load", "-i", text(&dir.path().join("app.tar"))]).success();
    docker.docker(["run", "--rm", "--network=none", "app:1"]).success().prints(APP_SAYS);
    let program = ["run", "--rm", "--network=none", "--entrypoint=/bin/below", "app:1"];
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let says = format!("below: docker \n{}/bin:{path}\n", nix::store().app.display());
    docker.docker(program).success().prints(&says);

    // One archive on top of another, as a layout.
    let (archive, layout) = (dir.path().join("app.tar"), dir.path().join("layout"));
    let flags = ["--format=layout", "--tag=app:1", "-o", text(&layout), "--exec=busybox"];
    let mut tool = binary();
    tool.arg("oci").arg(&nix::store().busybox).args(["--from-image", text(&archive)]).args(flags);
    Outcome::of(&mut tool).success();
    let root = unpack(&layout, "1", &dir.path().join("bundle"));
    assert!(root.join("bin/below").is_file() && root.join("nix/store").is_dir());
    let history = Layout::at(&layout).config()["history"].clone();
    let filled = |entry: &&Value| entry["empty_layer"] != true;
    let entries = history.as_array().expect("a list").iter().filter(filled).count();
    assert_eq!(entries, Layout::at(&layout).layers().len());
}

#[test]
fn what_the_image_underneath_runs_is_run_unless_something_else_is_said() {
    peer!("tar");
    let world = World::new();
    world.store.program("one/bin/one", "#!/none");
    handmade::layout(&world.path("below"), &[world.store.real("base")], &["/bin/init"]);
    handmade::change(&world.path("below"), |config, _| {
        config["config"]["Cmd"] = json!(["-x"]);
        config["config"]["User"] = json!("web");
        config["config"]["Healthcheck"] = json!({"Test": ["NONE"]});
        config["config"]["ExposedPorts"] = json!({"80/tcp": {}});
    });
    for (root, flags, entrypoint, cmd) in [
        ("app-1", &[][..], json!(["/bin/init"]), json!(["-x"])),
        ("app-1", &["--", "-y"], json!(["/bin/init"]), json!(["-y"])),
        ("app-1", &["--exec", "/bin/sh"], json!(["/bin/sh"]), Value::Null),
        ("one", &[], json!([format!("{}/bin/one", ScanStore::path("one"))]), Value::Null),
    ] {
        let flags = [&["--from-image=below", "--expose=53/udp"], flags].concat();
        let (layout, _) = world.layout(root, "out", &flags);
        let config = layout.config()["config"].clone();
        assert_eq!((&config["Entrypoint"], &config["Cmd"]), (&entrypoint, &cmd));
        assert_eq!(
            (&config["User"], &config["Healthcheck"]),
            (&json!("web"), &json!({"Test": ["NONE"]}))
        );
        assert_eq!(config["ExposedPorts"], json!({"53/udp": {}, "80/tcp": {}}));
    }
    // A user of the image underneath need not be known here, and one that is made hides its others.
    let (layout, _) = world.layout("app-1", "out", &["--from-image=below", "--user=app:staff"]);
    assert_eq!(layout.config()["config"]["User"], "app:staff");
    let (_, made) = world.layout("app-1", "out", &["--from-image=below", "--user=app:1:1"]);
    made.complains("`/etc/group`, `/etc/passwd` is replaced");
    let (_, made) = world.layout("one", "out", &["--from-image=below", "--link-root"]);
    made.complains("whatever `below` has as `/bin` is replaced");
}

/// Digests of the layers that are not those of the image underneath.
fn own(made: &Value) -> BTreeSet<String> {
    let layers = made["layers"].as_array().expect("a list").iter();
    let own = layers.filter(|layer| layer["base"] == false);
    own.map(|layer| layer["digest"].as_str().expect("a digest").to_owned()).collect()
}

#[test]
fn the_plan_of_before_is_found_on_any_image() {
    peer!("docker-registry", "tar");
    let registry = DockerRegistry::plain();
    let world = World::new();
    // One has entries for no layer, one no history at all; one is ours and has paths that are on top of it again.
    for (name, seed) in [("told", 7), ("silent", 8)] {
        let content = world.path(&format!("content-{name}"));
        fs::write(&content, noise(1000, seed)).expect("writing a file");
        handmade::layout(&world.path(name), &[content], &["/none"]);
    }
    handmade::change(&world.path("told"), |config, _| {
        config["history"] = json!([{"created_by": "x", "empty_layer": true}, {"created_by": "y"}, {"empty_layer": true}]);
    });
    world.layout("other", "ours", &[]);
    world.layout("base", "same", &[]);
    let bases = ["told", "silent", "ours", "same"];
    for first in bases {
        let tag = registry.reference(&format!("{first}:1"));
        let push = |root: &str, base: &str, flags: &[&str]| {
            let flags = [&["--from-image", base, "--push", &tag, "--json"], flags].concat();
            let made = world.run("oci", root, &flags);
            assert!(!made.errors().contains(WITHOUT), "{}", made.errors());
            made.json()
        };
        // Nobody would plan so without a word.
        let before = push("app-1", first, &["--layer=base,big"]);
        assert_eq!(own(&before).len(), before["layers"].as_array().map_or(0, Vec::len) - 1);
        let together = before["layers"].as_array().and_then(|all| all.last()).expect("a layer");
        let together = together["digest"].as_str().expect("a digest");
        for second in bases {
            let after = push("app-2", second, &[]);
            assert!(own(&after).contains(together), "{second} after {first}: {after:#}");
            let paths: u64 = after["layers"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|it| it["paths"].as_u64())
                .sum();
            assert_eq!(paths, 4, "{second} after {first}: {after:#}");
        }
    }
}

#[test]
fn layers_are_counted_together() {
    peer!("tar");
    let world = World::new();
    let content = world.store.real("base");
    handmade::layout(&world.path("below"), &[&content], &["/none"]);
    let told = |flags: &[&str]| {
        let flags = [&["--from-image=below"], flags].concat();
        world.layout("app-1", "out", &flags).0.layers().len()
    };
    assert_eq!([told(&["--max-layers=2"]), told(&["--max-layers=4"])], [2, 4]);
    assert_eq!(told(&["--max-layers=3", "--tmp"]), 3);
}

#[test]
fn what_cannot_be_built_upon_is_refused_and_nothing_stays_behind() {
    peer!("docker-registry", "tar");
    let registry = DockerRegistry::plain();
    let demo = Demo::new();
    let file = demo.path("content");
    fs::write(&file, "content").expect("writing a file");
    let at = |name: &str| demo.path(name);
    for name in ["good", "zstd", "foreign", "config", "ids", "windows", "damaged"] {
        handmade::layout(&at(name), &[&file], &["/none"]);
    }
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    handmade::change(&at("zstd"), |_, manifest| manifest["layers"][0]["mediaType"] = zstd.into());
    handmade::change(&at("foreign"), |_, manifest| {
        manifest["layers"][0]["mediaType"] = foreign.into();
    });
    handmade::change(&at("config"), |config, _| config["config"]["Env"] = "A=1".into());
    handmade::change(&at("ids"), |config, _| config["rootfs"]["diff_ids"] = json!([]));
    handmade::change(&at("windows"), |config, _| config["os"] = "windows".into());
    let layer = Layout::at(&at("damaged")).layers()[0].clone();
    let file = Layout::at(&at("damaged")).blob_file(&layer);
    let size = fs::metadata(&file).expect("a blob").len();
    let blob = layer["digest"].as_str().expect("a digest");
    fs::write(&file, vec![b'x'; usize::try_from(size).expect("small")]).expect("damaging a blob");
    handmade::layout_for("s390x", &at("s390x"), &[&file], &["/none"]);
    handmade::layout_for("riscv64", &at("riscv64"), &[&file], &["/none"]);
    let index = registry.reference("bases/index:1");
    let mut tool = demo.command();
    Outcome::of(tool.args(["index", &index, "s390x", "riscv64"])).success();

    let (tag, missing) = (registry.reference("app:1"), registry.reference("bases/none:1"));
    let outputs = [["-o", "out.tar"], ["--push", &tag]];
    for (base, flags, code, named) in [
        (
            "good",
            &["--max-layers=1"][..],
            2,
            &["`--max-layers 1`", "raise it to 2", "`good` has 1 layer"][..],
        ),
        ("good", &["--max-layers=2", "--tmp"], 2, &["raise it to 3"]),
        ("good", &["--arch=arm64"], 1, &["`linux/amd64`", "`linux/arm64`", "--arch"]),
        ("zstd", &["--format=docker"], 1, &["zstd", "--format archive"]),
        ("foreign", &[], 1, &["foreign", "may not be passed on"]),
        ("config", &[], 1, &["`config`", "`Env` in the configuration is a string"]),
        ("ids", &[], 1, &["has 1 layers, and 0 by its configuration"]),
        ("windows", &[], 1, &["windows"]),
        ("damaged", &[], 1, &[blob, "it has digest"]),
        ("content", &[], 1, &["content"]),
        ("./nowhere", &[], 1, &["nowhere"]),
        (&index, &[], 1, &[&index, "`linux/riscv64`, `linux/s390x`"]),
        (&missing, &[], 1, &[&missing]),
    ] {
        for output in outputs {
            let mut tool = demo.ask("oci");
            tool.args(["--from-image", base]).args(flags).args(output);
            demo.refuses(&mut tool, code, named);
        }
    }
    let tags = registry.storage().join("docker/registry/v2/repositories/app/_manifests");
    assert!(!tags.exists(), "half an image");
}

#[test]
fn programs_and_the_image_underneath_are_for_one_machine() {
    peer!("tar");
    let world = World::new();
    world.store.program("foreign/bin/program", elf(243));
    world.store.file("script/file", "no program");
    let content = world.store.real("base");
    for arch in ["riscv64", "s390x"] {
        handmade::layout_for(arch, &world.path(arch), &[&content], &["/none"]);
    }
    // What is underneath says for whom the image is, so that nobody else need.
    for root in ["foreign", "script"] {
        let (layout, _) = world.layout(root, "out", &["--from-image=riscv64"]);
        assert_eq!(layout.config()["architecture"], "riscv64");
        assert_eq!(layout.descriptor()["platform"]["architecture"], "riscv64");
    }
    let mut wrong = world.ask("oci", "foreign");
    let wrong = Outcome::of(wrong.args(["--from-image=s390x", "-o", "out.tar"])).code(1);
    wrong
        .complains("`s390x` is for linux/s390x")
        .complains("--arch riscv64")
        .complains("--from-image");
    assert!(!world.path("out.tar").exists());
}
