//! Images for several platforms in one call: each is what it would be by itself, an index names them all wherever they
//! go, and the next call plans each around its own.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::copy::skopeo;
use support::demo::Demo;
use support::handmade;
use support::image::Layout;
use support::outcome::Outcome;
use support::registry::DockerRegistry;
use support::scan_store::{ScanStore, elf};
use support::temp_dir;
use support::tool::{binary, tool};

const MACHINES: [(&str, u16); 2] = [("amd64", 62), ("riscv64", 243)];

/// A store in which `app-1-amd64`, `app-2-riscv64` and the like have a program each, refer to their machine's library,
/// and all to the same data.
fn store(dir: &Path) -> ScanStore {
    let store = ScanStore::new(dir);
    store.file("data/file", "data".repeat(20_000));
    for (name, machine) in MACHINES {
        let library = format!("library-{name}");
        store.file(&format!("{library}/lib/library.so"), [elf(machine), vec![7; 50_000]].concat());
        for version in 1..=2 {
            let app = format!("app-{version}-{name}");
            store.program(&format!("{app}/bin/app"), elf(machine));
            let refers = [ScanStore::path("data"), ScanStore::path(&library), version.to_string()];
            store.file(&format!("{app}/refers"), refers.join("\n"));
        }
    }
    store
}

/// `--platform linux/ARCH=ROOT`
fn platform(arch: &str, version: u32) -> String {
    format!("--platform=linux/{arch}={}", ScanStore::path(&format!("app-{version}-{arch}")))
}

/// `closure2img oci` for both machines.
fn both(store: &ScanStore, version: u32, flags: &[&str]) -> Command {
    let mut tool = binary();
    tool.arg("oci").arg("--store").arg(store.dir());
    tool.args(MACHINES.map(|(arch, _)| platform(arch, version))).args(flags);
    tool
}

fn text(path: &Path) -> &str {
    path.to_str().expect("ASCII")
}

fn raw(reference: &str) -> Value {
    let image = format!("docker://{reference}");
    skopeo(["inspect", "--raw", "--tls-verify=false", &image]).success().json()
}

/// What the image for this machine is, as skopeo chooses it.
fn chosen(reference: &str, arch: &str) -> Value {
    let machine = format!("--override-arch={arch}");
    let image = format!("docker://{reference}");
    let flags = ["inspect", "--override-os=linux", "--tls-verify=false"];
    let mut skopeo = support::copy::skopeo_command();
    Outcome::of(skopeo.args([&machine, flags[1], flags[0], flags[2], &image])).success().json()
}

#[test]
fn an_index_names_an_image_for_each() {
    peer!("docker-registry", "skopeo", "tar");
    let registry = DockerRegistry::plain();
    let dir = temp_dir();
    let store = store(dir.path());
    let (name, tag) = (registry.reference("team/app"), registry.reference("team/app:1"));
    let latest = registry.reference("team/app:latest");
    let layout = dir.path().join("layout");
    let flags =
        ["--env=A=1", "--format=layout", "-o", text(&layout), "--push", &tag, "--push", &latest];
    let made = Outcome::of(&mut both(&store, 1, &flags)).success();
    let index = raw(&tag);
    let digest = Layout::at(&layout).descriptor()["digest"].clone();
    let pinned = format!("{name}@{}", digest.as_str().expect("a digest"));
    made.prints(&format!("{pinned}\n{pinned}\n"));
    assert_eq!(raw(&latest), index);
    assert_eq!(raw(&pinned), index);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    for (at, (arch, _)) in MACHINES.iter().enumerate() {
        let manifest = &index["manifests"][at];
        assert_eq!(manifest["platform"], json!({"os": "linux", "architecture": arch}));
        let image = chosen(&tag, arch);
        assert_eq!((&image["Architecture"], &image["Os"]), (&json!(arch), &json!("linux")));
        let program = format!("{}/bin", ScanStore::path(&format!("app-1-{arch}")));
        assert_eq!(image["Env"], json!(["A=1", format!("PATH={program}")]));
        // By itself it is the same image.
        let mut alone = binary();
        alone
            .arg("oci")
            .arg(ScanStore::path(&format!("app-1-{arch}")))
            .arg("--store")
            .arg(store.dir());
        alone.args(["--arch", arch, "--env=A=1", "--json", "-o", "/dev/null"]);
        assert_eq!(Outcome::of(&mut alone).success().json()["digest"], manifest["digest"]);
    }

    // Others take all of it from the archive and from the registry, and it is the same.
    let archive = dir.path().join("app.tar");
    for compress in ["gzip", "none"] {
        let flags =
            ["--env=A=1", "--compress", compress, "--tag=app:1", "--json", "-o", text(&archive)];
        let made = Outcome::of(&mut both(&store, 1, &flags)).success().json();
        if compress == "gzip" {
            assert_eq!(made["digest"], digest);
            let platforms: Vec<&Value> = made["manifests"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|it| &it["platform"])
                .collect();
            assert_eq!(platforms, ["linux/amd64", "linux/riscv64"]);
        }
        let to = format!("docker://{}", registry.reference(&format!("copied:{compress}")));
        let from = format!("oci-archive:{}", archive.display());
        let flags = ["copy", "--all", "--preserve-digests", "--dest-tls-verify=false"];
        skopeo(flags.iter().chain(&[from.as_str(), &to])).success();
    }
    assert_eq!(raw(&registry.reference("copied:gzip")), index);
    let copied = format!("oci:{}:1", dir.path().join("copied").display());
    let flags = ["copy", "--all", "--preserve-digests", "--src-tls-verify=false"];
    skopeo(flags.iter().chain(&[format!("docker://{tag}").as_str(), &copied])).success();
    tool(["copy", text(&layout), &registry.reference("copied:again")]).success();
    assert_eq!(raw(&registry.reference("copied:again")), index);
}

#[test]
fn each_is_planned_around_its_own() {
    peer!("docker-registry", "skopeo");
    let registry = DockerRegistry::plain();
    let dir = temp_dir();
    let store = store(dir.path());
    let tag = registry.reference("app:1");
    let push = |version: u32, flags: &[&str]| {
        let flags = [&["--push", &tag, "--json"], flags].concat();
        let made = Outcome::of(&mut both(&store, version, &flags)).success();
        assert!(!made.errors().contains("planned without"), "{}", made.errors());
        made.json()
    };
    // Nobody would plan so without a word.
    let before = push(1, &["--layer=data,library-*"]);
    let before_log = registry.log().len();
    let same = push(1, &[]);
    assert_eq!(same["digest"], before["digest"]);
    let log = registry.log().split_off(before_log);
    assert!(!log.contains("\"PUT ") && !log.contains("\"POST "), "{log}");
    let after = push(2, &[]);
    for at in 0..MACHINES.len() {
        let layers =
            |made: &Value| made["manifests"][at]["layers"].as_array().expect("a list").clone();
        let kept = layers(&before).pop().expect("a layer");
        assert_eq!(kept["paths"], 2);
        assert!(layers(&after).contains(&kept), "{after:#}");
        assert_ne!(before["manifests"][at]["digest"], after["manifests"][at]["digest"]);
    }
    // Another platform joins those that are there.
    let mut more = both(&store, 2, &["--push", &tag, "--platform"]);
    more.arg(format!("linux/arm/v7={}", ScanStore::path("data")));
    Outcome::of(&mut more).success();
    let index = raw(&tag);
    assert_eq!(index["manifests"][0]["digest"], after["manifests"][0]["digest"]);
    let arm = json!({"os": "linux", "architecture": "arm", "variant": "v7"});
    assert_eq!(index["manifests"][2]["platform"], arm);
    let image = skopeo([
        "inspect",
        "--config",
        "--tls-verify=false",
        &format!(
            "docker://{}@{}",
            registry.reference("app"),
            index["manifests"][2]["digest"].as_str().expect("a digest")
        ),
    ]);
    assert_eq!(image.success().json()["variant"], "v7");
    // Two variants of a machine are told apart.
    let arm = |variant: &str| format!("--platform=linux/arm/{variant}={}", ScanStore::path("data"));
    let variants = [arm("v6"), arm("v7")];
    for _ in 0..2 {
        let mut tool = both(&store, 2, &["--push", &tag]);
        let made = Outcome::of(tool.args(&variants)).success();
        assert!(!made.errors().contains("planned without"), "{}", made.errors());
    }
    assert_eq!(raw(&tag)["manifests"].as_array().map(Vec::len), Some(4));
}

#[test]
fn each_is_put_on_the_image_for_its_platform() {
    peer!("docker-registry", "skopeo", "tar");
    let registry = DockerRegistry::plain();
    let dir = temp_dir();
    let store = store(dir.path());
    let base = registry.reference("bases/both:1");
    let layouts = MACHINES.map(|(arch, _)| {
        let content = dir.path().join(format!("content-{arch}"));
        fs::write(&content, arch).expect("writing a file");
        let layout = dir.path().join(format!("base-{arch}"));
        handmade::layout_for(arch, &layout, &[content], &["/none"]);
        layout
    });
    tool(["index", &base, text(&layouts[0]), text(&layouts[1])]).success();
    let tag = registry.reference("app:1");
    let made =
        Outcome::of(&mut both(&store, 1, &["--from-image", &base, "--push", &tag, "--json"]))
            .success();
    let made = made.complains("on top of").json();
    for (at, layout) in layouts.iter().enumerate() {
        let below = &Layout::at(layout).layers()[0];
        assert_eq!(made["manifests"][at]["layers"][0]["digest"], below["digest"]);
        let digest = made["manifests"][at]["digest"].as_str().expect("a digest");
        let manifest = raw(&format!("{}@{digest}", registry.reference("app")));
        assert_eq!(manifest["layers"][0], *below);
        let noted = &manifest["annotations"]["org.opencontainers.image.base.digest"];
        let flags = ["inspect", "--tls-verify=false", "--format={{.Digest}}"];
        let found = skopeo(flags.iter().chain(&[format!("docker://{base}").as_str()])).success();
        assert_eq!(noted, found.text());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let demo = Demo::new();
    let store = store(&demo.path("scan"));
    let (amd64, riscv64) = (platform("amd64", 1), platform("riscv64", 1));
    let swapped = format!("--platform=linux/riscv64={}", ScanStore::path("app-1-amd64"));
    let windows = amd64.replace("linux", "windows");
    let unknown = amd64.replace("linux/amd64", "linux/pdp11");
    let root = ScanStore::path("app-1-amd64");
    let missing = format!("--platform=linux/amd64={}", ScanStore::path("none"));
    for (flags, code, named) in [
        (
            &[&amd64[..], &swapped][..],
            1,
            &["`linux/riscv64`", "not for riscv64, but for amd64", "--platform"][..],
        ),
        (&[&amd64, &riscv64, &root], 2, &["cannot be used with"]),
        (&[&amd64, "--arch=amd64"], 2, &["cannot be used with"]),
        (&[&amd64, &riscv64, "--format=docker"], 2, &["several platforms", "--format archive"]),
        (&[&amd64, &amd64.replace("/amd64=", "/x86_64/v1=")], 2, &["there twice"]),
        (&[&windows], 2, &["windows"]),
        (&[&unknown], 2, &["pdp11"]),
        (&["--platform=linux/amd64"], 2, &["OS/ARCH=ROOT"]),
        (&[&amd64, &missing.replace("amd64", "arm64")], 1, &["`linux/arm64`", "none"]),
    ] {
        for format in ["archive", "layout"] {
            let mut tool = demo.command();
            tool.args(["oci", "--store", text(store.dir()), "-o", "out"]).args(flags);
            if !flags.contains(&"--format=docker") {
                tool.args(["--format", format]);
            }
            demo.refuses(&mut tool, code, named);
        }
    }
}
