//! `closure2img aci`: what stands in the image for each flag, and the same bytes every time.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::aci::{approved, id, unpack};
use support::outcome::Outcome;
use support::scan_store::{ScanStore, elf};
use support::temp_dir;
use support::tool::binary;
use support::tree::{Compare, tree_diff};

/// A store with two roots, `bash-5.2` and `ipython`, and what they refer to.
fn store(dir: &Path) -> ScanStore {
    let store = ScanStore::new(&dir.join("store"));
    store.program("glibc-2.37/lib/libc.so", elf(62));
    store.file("cacert/etc/ssl/certs/ca-bundle.crt", "no certificate");
    store.program("bash-5.2/bin/bash", [elf(62), ScanStore::path("glibc-2.37").into()].concat());
    store.link("bash-5.2/bin/sh", "bash");
    store.file("bash-5.2/share/doc/a", "the same\n".repeat(3000));
    store.file("bash-5.2/share/doc/b", "the same\n".repeat(3000));
    // A name that is an order to delete in a layer, and nothing here.
    store.file("bash-5.2/share/.wh.x", "");
    store.program("ipython/bin/ipython", format!("#!{}\n", ScanStore::path("bash-5.2")));
    store.program("ipython/bin/two", ScanStore::path("cacert"));
    store
}

/// `closure2img aci` for paths of this store by their names, as a command to add to.
fn aci(store: &ScanStore, roots: &[&str]) -> Command {
    let mut command = binary();
    command.arg("aci").args(roots.iter().map(|root| ScanStore::path(root)));
    command.arg("--store").arg(store.dir());
    command
}

/// Makes an image; answers where it is and its manifest.
#[track_caller]
fn make(dir: &Path, command: &mut Command) -> (PathBuf, Value) {
    let image = dir.join("image.aci");
    let id_said = Outcome::of(command.arg("-o").arg(&image)).success();
    assert_eq!(id_said.text(), id(&image));
    let manifest = approved(&image);
    (image, manifest)
}

fn named(all: &Value, name: &str) -> Value {
    let all = all.as_array().expect("a list");
    let mut found = all.iter().filter(|item| item["name"] == name);
    let one = found.next().unwrap_or_else(|| panic!("no {name} in {all:?}")).clone();
    assert!(found.next().is_none(), "{name} is there twice");
    one
}

#[test]
fn the_example_of_the_acbuild_page_is_one_command() {
    let dir = temp_dir();
    let store = store(dir.path());
    let bash = ScanStore::path("bash-5.2");
    let mut command = aci(&store, &["bash-5.2", "ipython"]);
    command.args(["--name=bash-ipython", "--exec=bin/bash"]);
    command.args(["--mount=nix-store=/nix/store:ro", "--mount=x11socket=/tmp/.X11-unix"]);
    let image = dir.path().join("image.aci");
    // The store that is shipped would be hidden by what is mounted over it.
    let made =
        Outcome::of(command.arg("-o").arg(&image)).success().complains("hides the image's own");
    assert_eq!(made.text(), id(&image));
    let manifest = approved(&image);
    let path = format!("{bash}/bin:{}/bin", ScanStore::path("ipython"));
    let bundle = format!("{}/etc/ssl/certs/ca-bundle.crt", ScanStore::path("cacert"));
    assert_eq!(
        manifest,
        json!({
            "acKind": "ImageManifest",
            "acVersion": "0.8.11",
            "name": "bash-ipython",
            "labels": [{"name": "os", "value": "linux"}, {"name": "arch", "value": "amd64"}],
            "annotations": [{"name": "created", "value": "1970-01-01T00:00:01Z"}],
            "app": {
                "exec": [format!("{bash}/bin/bash")],
                "user": "0",
                "group": "0",
                "environment": [
                    {"name": "PATH", "value": path},
                    {"name": "SSL_CERT_FILE", "value": bundle},
                ],
                "mountPoints": [
                    {"name": "nix-store", "path": "/nix/store", "readOnly": true},
                    {"name": "x11socket", "path": "/tmp/.X11-unix"},
                ],
            },
        })
    );
}

#[test]
fn every_flag_lands_in_the_manifest() {
    let dir = temp_dir();
    let store = store(dir.path());
    let own = format!("sha512-{}", "0a".repeat(64));
    let limits = dir.path().join("limits.json");
    fs::write(&limits, r#"{"default": true, "limit": "1k"}"#).expect("writing a file");
    let mut command = aci(&store, &["bash-5.2"]);
    command.args(["--name=example.com/app", "--tag=1.0", "--label=channel=stable", "--exec=sh"]);
    command.args([
        "--user=1000:100",
        "--groups=1,2",
        "--workdir=/work",
        "--env=A=x=y z",
        "--env=PATH=/p",
    ]);
    command.args(["--mount=data=/data", "--volume=/more", "--port=http=tcp:80"]);
    command.args([
        "--port=many=udp:8000+10:socket",
        "--expose=53/udp",
        "--annotation=homepage=https://x.y",
    ]);
    command.args(["--isolator=os/linux/no-new-privileges=true", "--cap-retain=NET_ADMIN,CAP_KILL"]);
    command.arg(format!("--isolator=resource/block-iops=@{}", limits.display()));
    command.args([
        "--cap-remove=sys_chroot",
        "--memory=512Mi",
        "--cpu=500m",
        "--pre-start=bin/sh -c x",
    ]);
    command.args(["--post-stop=sh", "--created=2024-01-31T00:00:00Z", "--arch=amd64"]);
    command.arg(format!("--depends=example.com/base:2,arch=amd64@{own}+7"));
    command.args(["--depends=other"]);
    let image = dir.path().join("image.aci");
    Outcome::of(command.arg("-o").arg(&image).args(["--", "-c", "a b"])).success();
    let manifest = approved(&image);
    let app = &manifest["app"];
    let sh = format!("{}/bin/sh", ScanStore::path("bash-5.2"));
    assert_eq!(app["exec"], json!([sh, "-c", "a b"]));
    assert_eq!((&app["user"], &app["group"]), (&json!("1000"), &json!("100")));
    assert_eq!(app["supplementaryGIDs"], json!([1, 2]));
    assert_eq!(app["workingDirectory"], "/work");
    assert_eq!(
        app["environment"],
        json!([{"name": "A", "value": "x=y z"}, {"name": "PATH", "value": "/p"}])
    );
    assert_eq!(
        app["mountPoints"],
        json!([{"name": "data", "path": "/data"}, {"name": "volume-more", "path": "/more"}])
    );
    let port = |name: &str, protocol: &str, port: u16, count: u16, socket: bool| json!({"name": name, "protocol": protocol, "port": port, "count": count, "socketActivated": socket});
    assert_eq!(
        app["ports"],
        json!([
            port("http", "tcp", 80, 1, false),
            port("many", "udp", 8000, 10, true),
            port("53-udp", "udp", 53, 1, false)
        ])
    );
    let isolator = |name: &str| named(&app["isolators"], name)["value"].clone();
    assert_eq!(isolator("os/linux/no-new-privileges"), json!(true));
    assert_eq!(
        isolator("os/linux/capabilities-retain-set"),
        json!({"set": ["CAP_KILL", "CAP_NET_ADMIN"]})
    );
    assert_eq!(isolator("os/linux/capabilities-remove-set"), json!({"set": ["CAP_SYS_CHROOT"]}));
    assert_eq!(isolator("resource/memory"), json!({"limit": "512Mi"}));
    assert_eq!(isolator("resource/cpu"), json!({"limit": "500m"}));
    assert_eq!(isolator("resource/block-iops"), json!({"default": true, "limit": "1k"}));
    assert_eq!(
        app["eventHandlers"],
        json!([{"name": "pre-start", "exec": [sh, "-c", "x"]}, {"name": "post-stop", "exec": [sh]}])
    );
    let label = |name: &str| named(&manifest["labels"], name)["value"].clone();
    assert_eq!(
        [label("version"), label("channel"), label("os"), label("arch")],
        ["1.0", "stable", "linux", "amd64"]
    );
    assert_eq!(named(&manifest["annotations"], "created")["value"], "2024-01-31T00:00:00Z");
    assert_eq!(named(&manifest["annotations"], "homepage")["value"], "https://x.y");
    assert_eq!(
        manifest["dependencies"],
        json!([
            {"imageName": "example.com/base", "imageID": own, "size": 7, "labels": [
                {"name": "version", "value": "2"}, {"name": "arch", "value": "amd64"}]},
            {"imageName": "other"},
        ])
    );
}

#[test]
fn a_manifest_from_a_file_is_under_the_flags() {
    let dir = temp_dir();
    let store = store(dir.path());
    let file = dir.path().join("manifest.json");
    let base = json!({
        "name": "from/file",
        "labels": [{"name": "version", "value": "7"}, {"name": "arch", "value": "i386"}, {"name": "os", "value": "linux"}],
        "app": {"user": "1", "group": "2", "exec": ["/x", "y"],
                "environment": [{"name": "PATH", "value": "/file"}, {"name": "KEEP", "value": "1"}]},
        "annotations": [{"name": "created", "value": "2020-01-01T00:00:00Z"}],
    });
    fs::write(&file, base.to_string()).expect("writing a file");
    let mut command = aci(&store, &["bash-5.2"]);
    command.arg("--manifest").arg(&file).args(["--env=KEEP=2", "--port=a=tcp:1"]);
    let (_, manifest) = make(dir.path(), &mut command);
    assert_eq!((&manifest["name"], &manifest["labels"]), (&base["name"], &base["labels"]));
    assert_eq!(manifest["annotations"], base["annotations"]);
    let app = &manifest["app"];
    assert_eq!((&app["exec"], &app["user"]), (&json!(["/x", "y"]), &json!("1")));
    assert_eq!(named(&app["environment"], "PATH")["value"], "/file");
    assert_eq!(named(&app["environment"], "KEEP")["value"], "2");
    assert_eq!(named(&app["ports"], "a")["port"], 1);

    fs::write(
        &file,
        r#"{"app": {"user": "0", "group": "0", "mountPoints": [{"name": "X11", "path": "/x"}]}}"#,
    )
    .expect("writing a file");
    let mut command = aci(&store, &["bash-5.2"]);
    command.arg("--manifest").arg(&file).arg("-o").arg(dir.path().join("bad.aci"));
    Outcome::of(&mut command)
        .code(1)
        .complains("`app.mountPoints[0].name` is `X11`, expected words of")
        .complains("manifest.json");
    assert!(!dir.path().join("bad.aci").exists());
}

#[test]
fn the_root_file_system_is_the_store() {
    peer!("tar");
    let dir = temp_dir();
    let store = store(dir.path());
    for flags in
        [&["--compress=none"][..], &["--compress=gzip:1"], &["--compress=xz:1"], &["--no-dedup"]]
    {
        let out = temp_dir();
        let mut command = aci(&store, &["bash-5.2", "ipython"]);
        command.args(flags).args(["--name=a", "--link-root", "--tmp", "--user=app:7:8"]);
        let (image, manifest) = make(out.path(), &mut command);
        let rootfs = unpack(&image, &out.path().join("x"));
        let mut differences = tree_diff(
            &rootfs.join("nix/store"),
            &store.dir().join("nix/store"),
            Compare::default(),
        );
        // Nix makes them so, and this store is not Nix's.
        differences.retain(|it| !it.ends_with(": mode 0555 against 0755"));
        assert!(differences.is_empty(), "{differences:?}");
        let name = "nix/store/".to_owned() + &ScanStore::path("bash-5.2")[11..];
        let doc = rootfs.join(name).join("share/doc");
        let inode = |file: &str| fs::metadata(doc.join(file)).expect("a file").ino();
        assert_eq!(inode("a") == inode("b"), flags != ["--no-dedup"]);
        assert_eq!(fs::metadata(rootfs.join("tmp")).expect("a folder").mode() & 0o7777, 0o1777);
        let passwd = fs::read_to_string(rootfs.join("etc/passwd")).expect("users");
        assert!(passwd.contains("app:x:7:8:"), "{passwd}");
        assert!(fs::read_link(rootfs.join("bin/sh")).expect("a link").starts_with("/nix/store"));
        assert_eq!(
            (&manifest["app"]["user"], &manifest["app"]["group"]),
            (&json!("7"), &json!("8"))
        );
        // So that it can be removed.
        Outcome::of(Command::new("chmod").args(["-R", "u+w"]).arg(out.path())).success();
    }
}

#[test]
fn the_manifest_comes_first_and_directories_before_what_is_in_them() {
    let dir = temp_dir();
    let store = store(dir.path());
    let (image, _) =
        make(dir.path(), aci(&store, &["bash-5.2"]).args(["--compress=none", "--tmp"]));
    let mut tar = tar::Archive::new(fs::File::open(image).expect("opening an image"));
    let names: Vec<String> = tar
        .entries()
        .expect("a tar")
        .map(|entry| entry.expect("an entry").path().expect("a name").display().to_string())
        .collect();
    assert_eq!(
        names[..5],
        ["manifest", "rootfs/", "rootfs/nix/", "rootfs/nix/store/", "rootfs/tmp/"]
    );
}

#[test]
fn the_same_bytes_every_time() {
    let dir = temp_dir();
    let store = store(dir.path());
    let mut ids = BTreeSet::new();
    for compress in ["none", "gzip", "xz:2"] {
        let mut all = BTreeSet::new();
        for threads in ["1", "2", "5"] {
            let out = temp_dir();
            let mut command = aci(&store, &["ipython"]);
            command.args(["--name=a", "--compress", compress, "--threads", threads]);
            let (image, _) = make(out.path(), command.env("TZ", "Asia/Tokyo"));
            ids.insert(id(&image));
            all.insert(fs::read(image).expect("reading an image"));
        }
        assert_eq!(all.len(), 1, "{compress}");
    }
    assert_eq!(ids.len(), 1, "the ID is that of the tar");
}

#[test]
fn a_flipped_byte_is_another_image() {
    let dir = temp_dir();
    let store = store(dir.path());
    let (image, _) = make(dir.path(), aci(&store, &["bash-5.2"]).arg("--compress=none"));
    let before = id(&image);
    let mut bytes = fs::read(&image).expect("reading an image");
    let at = bytes.windows(9).position(|it| it == b"the same\n").expect("a file's content");
    bytes[at] ^= 1;
    fs::write(&image, bytes).expect("writing an image");
    assert_ne!(id(&image), before);
}

#[test]
fn what_is_said_of_the_image() {
    let dir = temp_dir();
    let store = store(dir.path());
    let (file, image) = (dir.path().join("id"), dir.path().join("a.aci"));
    let mut command = aci(&store, &["bash-5.2"]);
    command.arg("--json").arg("--id-file").arg(&file).arg("-o").arg(&image);
    let said = Outcome::of(&mut command).success().json();
    let size = fs::metadata(&image).expect("an image").len();
    let expected = json!({"name": "bash", "version": "5.2", "os": "linux", "arch": "amd64", "id": id(&image), "size": size, "output": image, "layers": []});
    assert_eq!(said, expected);
    assert_eq!(fs::read_to_string(file).expect("an ID"), id(&image) + "\n");
    // The same on standard output, where there is no room for the ID.
    let piped = Outcome::of(aci(&store, &["bash-5.2"]).args(["-o", "-"])).success();
    assert_eq!(piped.stdout, fs::read(&image).expect("reading an image"));
    piped.complains(&id(&image));
}

#[test]
fn machines_are_those_of_the_programs() {
    let dir = temp_dir();
    let store = ScanStore::new(&dir.path().join("store"));
    for (name, machine) in [("arm", 183), ("riscv", 243)] {
        store.program(&format!("{name}/bin/x"), elf(machine));
    }
    store.program("mixed/bin/x", [elf(62), ScanStore::path("arm").into()].concat());
    let image = dir.path().join("a.aci");
    let run = |root: &str, flags: &[&str]| {
        Outcome::of(aci(&store, &[root]).args(flags).arg("-o").arg(&image))
    };
    run("arm", &[]).code(1).complains("`--arch arm64`");
    run("arm", &["--arch=arm64"]).success();
    assert_eq!(named(&approved(&image)["labels"], "arch")["value"], "aarch64");
    run("riscv", &["--arch=riscv64"])
        .success()
        .complains("no label `arch`, since appc has no name for riscv64");
    let labels = approved(&image)["labels"].clone();
    assert_eq!(labels, json!([{"name": "os", "value": "linux"}]));
    run("mixed", &[]).code(1).complains("several machines");
    run("arm", &["--arch=amd64"]).code(1).complains("not for amd64");
    // Whoever knows better may say so.
    run("arm", &["--arch=arm64", "--label=arch=aarch64_be"]).success();
    assert_eq!(named(&approved(&image)["labels"], "arch")["value"], "aarch64_be");
}

#[test]
fn what_cannot_be_is_refused() {
    let dir = temp_dir();
    let store = store(dir.path());
    for (code, flags, words) in [
        (2, &["--mount=X11=/x"][..], "`X11` is not words of"),
        (2, &["--mount=x=tmp"], "`tmp` is not an absolute path"),
        (2, &["--port=http=tcp:0"], "`0` is not a port from 1 to 65535"),
        (2, &["--port=http=tcp:65536"], "`65536` is not a port"),
        (2, &["--port=http=tcp:65535+2"], "a count from 1 to 1"),
        (2, &["--expose=http"], "`http` is not a port"),
        (2, &["--name=Upper"], "`Upper` is not words of"),
        (2, &["--depends=a@sha256-1"], "`sha256-1` is not `sha512-`"),
        (2, &["--groups=wheel"], "invalid digit"),
        (2, &["--compress=zstd"], "`zstd` is none of `gzip[:1-9]`, `xz[:0-9]` and `none`"),
        (2, &["--workdir=x"], "absolute"),
        (2, &["--isolator=resource/memory={"], "is not JSON"),
        (2, &["--thin", "--split-layers=3"], "cannot be used with"),
        (2, &["--pre-start= "], "`--pre-start` names no program"),
        (1, &["--env=A()=1"], "`app.environment[0].name` is `A()`, expected letters"),
        (1, &["--label=os=windows"], "is `windows`, expected one of `linux`"),
        (1, &["--label=arch=x86_64"], "is `x86_64`, expected one of `amd64`"),
        (1, &["--label=name=x"], "`name`, expected another"),
        (1, &["--isolator=x=1"], "`app.isolators[0].name` is `x`, expected one of `os/linux/"),
        (1, &["--memory=lots"], "is `lots`, expected an amount such as `500m`"),
        (1, &["--annotation=created=now"], "is `now`, expected a time"),
        (
            1,
            &["--mount=a=/x", "--mount=b=/x"],
            "`app.mountPoints[1].path` is `/x`, which is there already",
        ),
        (1, &["--exec=bin/none"], "no root has a program `bin/none`"),
        (1, &["--post-stop=none"], "no root has a program `none`"),
        (1, &["--user=nobody"], "no user is called `nobody`"),
    ] {
        let image = dir.path().join("bad.aci");
        let outcome = Outcome::of(aci(&store, &["bash-5.2"]).args(flags).arg("-o").arg(&image));
        outcome.code(code).complains(words);
        assert!(!image.exists(), "{flags:?}");
    }
    Outcome::of(&mut aci(&store, &["bash-5.2"]))
        .code(2)
        .complains("there is nowhere to put the image");
    Outcome::of(aci(&store, &["bash-5.2"]).args(["-o", "image.tar"]))
        .code(2)
        .complains("call it `image.aci`");
    Outcome::of(aci(&store, &["bash-5.2"]).args(["-o", "-", "--sign=x"]))
        .code(2)
        .complains("do not go together");
    let mut command = aci(&store, &["bash-5.2"]);
    command.args(["--discovery-dir", "www", "--discovery-url", "example.com"]);
    Outcome::of(&mut command).code(2).complains("is no address");
}

#[test]
fn a_thin_image_mounts_what_it_has_not() {
    let dir = temp_dir();
    let store = store(dir.path());
    let (image, manifest) =
        make(dir.path(), aci(&store, &["ipython"]).args(["--name=a", "--thin", "--tmp"]));
    let mounts = manifest["app"]["mountPoints"].as_array().expect("mount points").clone();
    let paths = ["bash-5.2", "cacert", "glibc-2.37", "ipython"];
    let expected: BTreeSet<String> = paths.iter().map(|name| ScanStore::path(name)).collect();
    let found: BTreeSet<String> =
        mounts.iter().map(|it| it["path"].as_str().expect("a path").into()).collect();
    assert_eq!(found, expected);
    assert!(mounts.iter().all(|mount| mount["readOnly"] == true));
    let options = fs::read_to_string(image.with_extension("mounts")).expect("options");
    assert_eq!(options.lines().count(), 4);
    for (line, mount) in options.lines().zip(&mounts) {
        let name = mount["name"].as_str().expect("a name");
        let real = store.dir().join(&mount["path"].as_str().expect("a path")[1..]);
        assert_eq!(
            line,
            format!("--volume={name},kind=host,source={},readOnly=true", real.display())
        );
    }
    let rootfs = unpack(&image, &dir.path().join("x"));
    assert!(rootfs.join("tmp").is_dir() && !rootfs.join("nix").exists());

    // One for the whole store, as the page of acbuild has it.
    let mut command = aci(&store, &["ipython"]);
    let (image, manifest) =
        make(dir.path(), command.args(["--name=a", "--thin", "--mount=nix-store=/nix/store"]));
    assert_eq!(
        manifest["app"]["mountPoints"],
        json!([{"name": "nix-store", "path": "/nix/store"}])
    );
    let options = fs::read_to_string(image.with_extension("mounts")).expect("options");
    let real = store.dir().join("nix/store");
    assert_eq!(options, format!("--volume=nix-store,kind=host,source={}\n", real.display()));
}
