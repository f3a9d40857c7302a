//! The plan travels with the image: whatever form it is written in, and however often it is copied, it can be read
//! back; and what is damaged is told apart from what never had a plan.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use closure2img::earlier::{Earlier, Kind, Place, read_local, read_registry};
use closure2img::image::Machine;
use flate2::Compression;
use flate2::write::GzEncoder;
use registry::{Client, ClientOptions, Digest};
use serde_json::{Value, json};
use support::copy::skopeo;
use support::demo::{Demo, HELLO, ROOT};
use support::dockerd::Dockerd;
use support::handmade;
use support::podman::Podman;
use support::registry::DockerRegistry;

const LAYERS: [&str; 2] = ["--max-layers", "3"];

/// The lists of store paths that `plan` prints.
fn planned(demo: &Demo) -> Vec<Vec<String>> {
    let mut plan = demo.ask("plan");
    let plan = support::outcome::Outcome::of(plan.args(LAYERS).arg("--json")).success().json();
    let paths = |layer: &Value| serde_json::from_value(layer["paths"].clone()).expect("paths");
    plan["layers"].as_array().expect("a list").iter().map(paths).collect()
}

fn paths(earlier: &Earlier) -> Vec<Vec<String>> {
    let dir = earlier.store_dir.clone().expect("a plan");
    let layers = earlier.layers.iter();
    layers.map(|layer| layer.paths.iter().map(|path| dir.join(path)).collect()).collect()
}

fn arch(name: &str) -> Machine {
    name.parse().expect("a machine")
}

#[track_caller]
fn local(path: &Path) -> Earlier {
    match read_local(path, &arch("amd64")) {
        Ok(earlier) => earlier,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn remote(reference: &str, machine: &str) -> Result<Earlier, closure2img::earlier::Error> {
    let reference = reference.parse().expect("a reference");
    let client = Client::new(reference, ClientOptions::default()).expect("a client");
    read_registry(&client, &arch(machine))
}

/// Writes an image of the demo.
fn image(demo: &Demo, output: &str, flags: &[&str]) -> PathBuf {
    let mut oci = demo.ask("oci");
    support::outcome::Outcome::of(oci.args(LAYERS).args(["-o", output]).args(flags)).success();
    demo.path(output)
}

fn gzipped(path: &Path) -> PathBuf {
    let packed = path.with_extension("tar.gz");
    let mut out = GzEncoder::new(File::create(&packed).expect("a file"), Compression::fast());
    out.write_all(&fs::read(path).expect("an archive")).expect("packing");
    out.finish().expect("packing");
    packed
}

#[test]
fn every_form_of_ours_says_its_plan() {
    let demo = Demo::new();
    let expected = planned(&demo);
    for (output, flags) in [
        ("gzip.tar", &[][..]),
        ("plain.tar", &["--compress=none"]),
        ("zstd.tar", &["--compress=zstd"]),
        ("docker.tar", &["--format=docker"]),
        ("layout", &["--format=layout"]),
    ] {
        let path = image(&demo, output, flags);
        let earlier = local(&path);
        assert_eq!(paths(&earlier), expected, "{output}");
        assert_eq!(earlier.kind, Kind::Image);
        for layer in &earlier.layers {
            assert!(layer.key.is_some() && layer.diff_id.is_some(), "{output}: {layer:?}");
            assert!(layer.blob.as_ref().is_some_and(|blob| blob.size > 0), "{output}: {layer:?}");
        }
        if path.is_file() {
            assert_eq!(paths(&local(&gzipped(&path))), expected, "{output}, packed");
        }
    }
    // Files outside the store have a layer without paths.
    let earlier = local(&image(&demo, "tmp.tar", &["--tmp"]));
    assert_eq!(earlier.layers.last().map(|layer| layer.paths.len()), Some(0));
}

#[test]
fn a_plan_says_itself() {
    let demo = Demo::new();
    let mut plan = demo.ask("plan");
    let printed = support::outcome::Outcome::of(plan.args(LAYERS).arg("--json")).success();
    fs::write(demo.path("plan.json"), &printed.stdout).expect("writing a plan");
    let earlier = local(&demo.path("plan.json"));
    assert_eq!((earlier.kind, paths(&earlier)), (Kind::Plan, planned(&demo)));
    assert!(earlier.layers.iter().all(|layer| layer.nar_size > Some(0)));
    let gnu = "/gnu/store".parse().expect("a store");
    assert!(earlier.check_store(&gnu).is_err());
}

#[test]
fn copies_by_skopeo_keep_it() {
    peer!("docker-registry", "skopeo");
    let demo = Demo::new();
    let registry = DockerRegistry::plain();
    let reference = registry.reference("app:1");
    let pushed = ["--push", &reference];
    image(&demo, "app.tar", &pushed);
    let expected = planned(&demo);
    let earlier = remote(&reference, "amd64").expect("the pushed image");
    assert_eq!(paths(&earlier), expected);
    assert_eq!(earlier, Earlier { name: reference.clone(), ..local(&demo.path("app.tar")) });

    let from = format!("docker://{reference}");
    for (transport, file) in
        [("docker-archive", "docker.tar"), ("oci-archive", "oci.tar"), ("oci", "oci")]
    {
        let path = demo.path(file);
        let to = format!("{transport}:{}:app:1", path.display());
        skopeo(["copy", "--src-tls-verify=false", &from, &to]).success();
        let copy = local(&path);
        assert_eq!(paths(&copy), expected, "{transport}");
        let same = |(one, other): (&closure2img::earlier::EarlierLayer, _)| one.diff_id == other;
        let ids = earlier.layers.iter().map(|layer| layer.diff_id);
        assert!(copy.layers.iter().zip(ids).all(same), "{transport}");
        if path.is_file() {
            assert_eq!(paths(&local(&gzipped(&path))), expected, "{transport}, packed");
        }
    }
    // To another registry's media types and back.
    let other = registry.reference("other:1");
    let to = format!("docker://{other}");
    skopeo([
        "copy",
        "--format=v2s2",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &from,
        &to,
    ])
    .success();
    assert_eq!(paths(&remote(&other, "amd64").expect("the copy")), expected);
    let error = remote(&registry.reference("app:2"), "amd64").expect_err("there is no such tag");
    assert!(matches!(error, closure2img::earlier::Error::NoImage { .. }), "{error}");
}

#[test]
fn engines_keep_it() {
    peer!("docker", "dockerd", "docker-registry", "podman", "runc");
    let demo = Demo::new();
    let registry = DockerRegistry::plain();
    let reference = registry.reference("app:1");
    let archive = image(&demo, "app.tar", &["--tag=app:1", "--push", &reference]);
    let expected = planned(&demo);

    let podman = Podman::new();
    podman.podman(["pull", "--tls-verify=false", &reference]).success();
    for format in ["docker-archive", "oci-archive", "oci-dir"] {
        let saved = demo.path(format);
        let mut save = podman.command();
        save.args(["save", "--format", format, "-o"]).arg(&saved).arg(&reference);
        support::outcome::Outcome::of(&mut save).success();
        assert_eq!(paths(&local(&saved)), expected, "podman, {format}");
    }

    let docker = Dockerd::start();
    docker.docker(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success();
    let saved = demo.path("saved.tar");
    docker.docker(["save".as_ref(), "-o".as_ref(), saved.as_os_str(), "app:1".as_ref()]).success();
    assert_eq!(paths(&local(&saved)), expected, "docker");
}

#[test]
fn of_several_machines_one_is_meant() {
    peer!("docker-registry");
    let demo = Demo::new();
    let registry = DockerRegistry::plain();
    let mut manifests = Vec::new();
    for (machine, root) in [("amd64", ROOT), ("arm64", HELLO)] {
        let reference = registry.reference(&format!("app:{machine}"));
        let mut oci = demo.command();
        oci.args(["oci", "--store", "store", root, "--push", &reference]);
        let pushed = support::outcome::Outcome::of(&mut oci).success();
        let (_, digest) = pushed.text().split_once('@').expect("a digest");
        let platform = json!({"os": "linux", "architecture": machine});
        manifests.push(json!({"digest": digest, "size": 1, "platform": platform,
            "mediaType": "application/vnd.oci.image.manifest.v1+json"}));
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
    let reference = registry.reference("app:both");
    let client =
        Client::new(reference.parse().expect("a reference"), ClientOptions::default()).expect("");
    client.put_manifest("both", media_type, index.to_string().as_bytes()).expect("an index");
    let count = |machine| remote(&reference, machine).expect("an image").paths().count();
    assert!(count("amd64") > count("arm64"));
    let error = remote(&reference, "s390x").expect_err("not for this one").to_string();
    assert!(error.contains("only for `linux/amd64`, `linux/arm64`"), "{error}");
}

#[test]
fn images_of_others_have_no_plan() {
    peer!("tar");
    let demo = Demo::new();
    let layout = demo.path("theirs");
    handmade::layout(&layout, &[demo.real(HELLO)], &["/none"]);
    let earlier = local(&layout);
    assert!(!earlier.has_plan());
    assert_eq!(earlier.layers.len(), 1);
    assert!(earlier.layers[0].blob.is_some() && earlier.layers[0].key.is_none());
}

/// The file of the layout's configuration.
fn config_file(layout: &Path) -> PathBuf {
    let blob = |digest: &Value| {
        layout.join("blobs").join(digest.as_str().expect("a digest").replace(':', "/"))
    };
    let read = |path: &Path| -> Value {
        serde_json::from_slice(&fs::read(path).expect("a document")).expect("JSON")
    };
    let index = read(&layout.join("index.json"));
    blob(&read(&blob(&index["manifests"][0]["digest"]))["config"]["digest"])
}

#[test]
fn damage_is_told() {
    let demo = Demo::new();
    let whole = fs::read(image(&demo, "app.tar", &[])).expect("an archive");
    let diff = |name: &str| ["diff", name, name].map(String::from);
    fs::write(demo.path("cut.tar"), &whole[..whole.len() / 2]).expect("writing");
    demo.refused(diff("cut.tar"), 1, &["cut.tar"]);
    let packed = fs::read(gzipped(&demo.path("app.tar"))).expect("an archive");
    fs::write(demo.path("cut.gz"), &packed[..packed.len() / 2]).expect("writing");
    demo.refused(diff("cut.gz"), 1, &["cut.gz"]);
    fs::write(demo.path("empty"), "").expect("writing");
    demo.refused(diff("empty"), 1, &["neither a plan nor an image", "no bytes"]);
    fs::write(demo.path("text"), "hello").expect("writing");
    demo.refused(diff("text"), 1, &["neither a plan nor an image"]);
    fs::write(demo.path("plan"), r#"{"version":7}"#).expect("writing");
    demo.refused(diff("plan"), 1, &["version: got `7`, expected `1`"]);
    fs::write(demo.path("graph"), r#"[{"path": "/nix/store/x"}]"#).expect("writing");
    demo.refused(diff("graph"), 1, &["a JSON list", "expected the JSON object of a plan"]);
    demo.refused(diff("127.0.0.1:1/x:1"), 1, &["127.0.0.1:1"]);
    fs::create_dir(demo.path("dir")).expect("a directory");
    demo.refused(diff("dir"), 1, &["`dir`", "no `index.json`"]);
    demo.refused(diff("absent.tar"), 1, &["there is no file `absent.tar`"]);
    demo.refused(diff("No Name"), 1, &["`No Name` is neither a file nor the name of an image"]);

    let layout = image(&demo, "layout", &["--format=layout"]);
    let config = config_file(&layout);
    let good = fs::read(&config).expect("a configuration");
    let expected = Digest::of(&good).to_string();
    fs::write(&config, b"{}").expect("writing");
    demo.refused(diff("layout"), 1, &["has digest", &expected]);
    let large = File::create(&config).expect("a file");
    large.set_len(1 << 40).expect("a hole");
    drop(large);
    let error = read_local(&layout, &arch("amd64")).expect_err("a terabyte").to_string();
    assert!(error.contains("larger than"), "{error}");
    fs::remove_file(&config).expect("removing");
    demo.refused(diff("layout"), 1, &["is missing"]);
}

#[test]
fn files_come_before_names() {
    let demo = Demo::new();
    let file = demo.path("app");
    assert!(matches!(Place::find("app"), Ok(Place::Registry(_))));
    fs::write(&file, "").expect("writing");
    let text = file.to_str().expect("UTF-8");
    assert_eq!(Place::find(text).expect("a place"), Place::Local(file.clone()));
    assert!(Place::find("./app").is_err());
}
