//! ACIs run, are put upon each other, found by name, and verified: by the programs that do so.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::aci::{approved, id, unpack};
use support::demo::{Demo, ROOT};
use support::nix::{self, APP_SAYS};
use support::outcome::Outcome;
use support::peer::{is_root, program};
use support::scan_store::ScanStore;
use support::server::WebServer;
use support::temp_dir;
use support::tool::binary;
use support::tree::assert_same_tree;

/// Makes an image of the test app; answers what `--json` says.
#[track_caller]
fn make(image: &Path, flags: &[&str]) -> Value {
    let mut command = binary();
    command.arg("aci").arg(&nix::store().app).args(["--name=localhost/app", "--tag=1.0", "--json"]);
    Outcome::of(command.args(flags).arg("-o").arg(image).args(["--", "a b", "c"])).success().json()
}

/// What it prints.
fn said() -> String {
    format!("{APP_SAYS}argument: a b\nargument: c\n")
}

/// The store paths in a root file system are those of the app's closure, each with what Nix has.
#[track_caller]
fn assert_closure(rootfs: &Path) {
    let wanted = nix::requisites(&nix::store().app);
    let dir = fs::read_dir(rootfs.join("nix/store")).expect("listing the store");
    let mut found: Vec<String> = dir
        .map(|entry| format!("/nix/store/{}", entry.expect("an entry").file_name().display()))
        .collect();
    found.sort();
    assert_eq!(found, wanted);
    for path in wanted {
        assert_same_tree(&rootfs.join(&path[1..]), Path::new(&path));
    }
}

#[test]
fn the_program_runs_in_the_root_file_system() {
    peer!("nix-build", "tar", "unshare", "systemd-nspawn", "runc");
    if !is_root() {
        return;
    }
    let dir = temp_dir();
    for compress in ["none", "gzip", "xz:3"] {
        let image = dir.path().join(format!("{}.aci", &compress[..2]));
        make(&image, &["--compress", compress]);
        let manifest = approved(&image);
        let rootfs = unpack(&image, &dir.path().join(&compress[..2]));
        assert_closure(&rootfs);
        let exec: Vec<String> =
            serde_json::from_value(manifest["app"]["exec"].clone()).expect("a program");
        // The kernel alone.
        let mut unshare = Command::new(program("unshare"));
        unshare.args(["-m", "-p", "-f"]).arg(format!("--root={}", rootfs.display())).args(&exec);
        Outcome::of(unshare.env_clear()).success().prints(&said());
        run_in_nspawn(&rootfs, &exec);
        run_in_runc(&rootfs, &exec, dir.path());
    }
}

/// As rkt's default stage 1 does it. It wants a system's folders.
#[track_caller]
fn run_in_nspawn(rootfs: &Path, exec: &[String]) {
    fs::set_permissions(rootfs, fs::Permissions::from_mode(0o755)).expect("setting a mode");
    for name in ["etc", "proc", "sys", "dev", "run", "tmp", "usr"] {
        fs::create_dir_all(rootfs.join(name)).expect("creating a folder");
    }
    let mut nspawn = Command::new(program("systemd-nspawn"));
    nspawn
        .args(["--quiet", "--register=no", "--keep-unit", "--pipe", "--as-pid2", "-D"])
        .arg(rootfs);
    // What it says of the machine's cgroups goes to stderr.
    Outcome::of(nspawn.env("SYSTEMD_NSPAWN_LOCK", "0").args(exec)).success().prints(&said());
}

#[track_caller]
fn run_in_runc(rootfs: &Path, exec: &[String], dir: &Path) {
    let bundle = dir.join("bundle");
    fs::create_dir_all(&bundle).expect("creating a folder");
    let config = bundle.join("config.json");
    let _ = fs::remove_file(&config);
    let runc = || Command::new(program("runc"));
    Outcome::of(runc().arg("spec").current_dir(&bundle)).success();
    let text = fs::read_to_string(&config).expect("reading a configuration");
    let mut spec: Value = serde_json::from_str(&text).expect("runc writes JSON");
    spec["root"]["path"] = json!(rootfs);
    spec["process"]["args"] = json!(exec);
    spec["process"]["terminal"] = json!(false);
    fs::write(&config, spec.to_string()).expect("writing a configuration");
    let root = dir.join("runc");
    let name = format!("c2i-aci-{}", std::process::id());
    let mut run = runc();
    run.arg("--root").arg(&root).args(["run", &name]).current_dir(&bundle);
    Outcome::of(&mut run).success().prints(&said());
}

#[test]
fn layers_upon_each_other_are_the_whole() {
    peer!("nix-build", "tar");
    let dir = temp_dir();
    let image = dir.path().join("app.aci");
    let made = make(&image, &["--split-layers=2", "--link-root"]);
    let manifest = approved(&image);
    assert_eq!(made["id"], json!(id(&image)));
    let layers = made["layers"].as_array().expect("layers");
    assert_eq!(layers.len(), 2);
    let order = fs::read_to_string(image.with_extension("order")).expect("an order");
    let files: Vec<&str> = order.lines().collect();
    assert_eq!(files.len(), 3);
    assert_eq!(files[2], "app.aci");
    let merged = dir.path().join("merged");
    for (at, layer) in layers.iter().enumerate() {
        let file = PathBuf::from(layer["output"].as_str().expect("a path"));
        assert_eq!(Some(files[at]), file.file_name().and_then(|name| name.to_str()));
        let of_layer = approved(&file);
        assert!(of_layer.get("app").is_none() && of_layer.get("dependencies").is_none());
        // What the upper image says of it is so.
        let dependency = &manifest["dependencies"][at];
        assert_eq!(dependency["imageName"], of_layer["name"]);
        assert_eq!(dependency["imageID"], json!(id(&file)));
        assert_eq!(dependency["size"], fs::metadata(&file).expect("an image").len());
        assert_eq!(dependency["labels"], of_layer["labels"]);
        unpack(&file, &merged);
    }
    let rootfs = unpack(&image, &merged);
    assert_closure(&rootfs);
    assert!(rootfs.join("bin").is_symlink());
    // What is shared stays the same file.
    let again = dir.path().join("again");
    fs::create_dir(&again).expect("creating a folder");
    let second = make(&again.join("app.aci"), &["--split-layers=2", "--link-root", "--threads=3"]);
    for (a, b) in layers.iter().zip(second["layers"].as_array().expect("layers")) {
        assert_eq!((&a["id"], &a["name"], &a["size"]), (&b["id"], &b["name"], &b["size"]));
    }
    assert_eq!(made["id"], second["id"]);
}

/// A home for gpg with a key of nobody's; its path is short, since its agent has a socket there.
fn key(home: &Path) {
    fs::set_permissions(home, fs::Permissions::from_mode(0o700)).expect("setting a mode");
    let mut gpg = Command::new(program("gpg"));
    gpg.env("GNUPGHOME", home).args(["--batch", "--quiet", "--passphrase", ""]);
    gpg.args(["--quick-gen-key", "Tester <t@example.com>", "ed25519", "sign"]);
    Outcome::of(&mut gpg).success();
}

/// The agent that gpg has started ends.
fn end_agent(home: &Path) {
    let mut end = Command::new(program("gpgconf"));
    Outcome::of(end.env("GNUPGHOME", home).args(["--kill", "gpg-agent"])).success();
}

#[test]
fn signatures_are_over_the_files_as_they_are() {
    peer!("gpg", "gpgconf");
    let (home, dir) = (temp_dir(), Demo::new());
    key(home.path());
    let image = dir.path("app.aci");
    let mut command = binary();
    command
        .env("GNUPGHOME", home.path())
        .arg("aci")
        .arg(ROOT)
        .arg("--store")
        .arg(dir.path("store"));
    command.arg("--sign=t@example.com").arg("-o").arg(&image);
    Outcome::of(&mut command).success();
    approved(&image);
    let asc = dir.path("app.aci.asc");
    assert!(
        fs::read_to_string(&asc).expect("a signature").starts_with("-----BEGIN PGP SIGNATURE-----")
    );
    let verify = || {
        let mut gpg = Command::new(program("gpg"));
        Outcome::of(gpg.env("GNUPGHOME", home.path()).arg("--verify").arg(&asc).arg(&image))
    };
    verify().success().complains("Good signature");
    let mut bytes = fs::read(&image).expect("reading an image");
    bytes[100] ^= 1;
    fs::write(&image, bytes).expect("writing an image");
    verify().failure().complains("BAD signature");
    // Without the key nothing is left, not even an image.
    let unsigned = dir.path("unsigned.aci");
    let mut command = binary();
    command
        .env("GNUPGHOME", home.path())
        .arg("aci")
        .arg(ROOT)
        .arg("--store")
        .arg(dir.path("store"));
    command.arg("--sign=nobody@example.com").arg("-o").arg(&unsigned);
    Outcome::of(&mut command).code(1).complains("no secret key for `nobody@example.com`");
    assert!(!unsigned.exists() && !dir.path("unsigned.aci.asc").exists());
    end_agent(home.path());
}

#[test]
fn a_folder_that_is_served_is_found_by_name() {
    peer!("actool", "busybox", "gpg", "gpgconf", "nix-build");
    let (home, dir) = (temp_dir(), temp_dir());
    key(home.path());
    let server = WebServer::start(dir.path(), &home.path().join("log"));
    let url = format!("http://localhost:{}", server.port());
    let mut command = binary();
    command.env("GNUPGHOME", home.path()).arg("aci").arg(&nix::store().app);
    command.args(["--name=localhost/group/app", "--tag=1.0", "--split-layers=2", "--json"]);
    command.args(["--sign=t@example.com", "--discovery-url", &url]);
    let made = Outcome::of(command.arg("--discovery-dir").arg(dir.path())).success().json();
    end_agent(home.path());
    let discover = |name: &str| {
        let mut actool = Command::new(program("actool"));
        actool.args(["discover", "--json", "--insecure", "--port", &server.port().to_string()]);
        Outcome::of(actool.arg(name)).success()
    };
    let file = |url_of_it: &Value| {
        let url_of_it = url_of_it.as_str().expect("an address");
        dir.path().join(url_of_it.strip_prefix(&format!("{url}/")).expect("an address of ours"))
    };
    let found = discover("localhost/group/app:1.0").json();
    let endpoint = &found["ACIEndpoints"][0];
    assert_eq!(file(&endpoint["ACI"]), Path::new(made["output"].as_str().expect("a path")));
    assert!(file(&endpoint["ASC"]).is_file());
    assert!(file(&found["PublicKeys"][0]).is_file());
    let manifest = approved(&file(&endpoint["ACI"]));
    // Its dependencies are found by what it says of them, from the page of the image that they belong to.
    for dependency in manifest["dependencies"].as_array().expect("dependencies") {
        let name = dependency["imageName"].as_str().expect("a name");
        let said = discover(name);
        let line = said.text().lines().last().expect("JSON").to_owned();
        let json = said.text()[said.text().find('{').expect("JSON")..].to_owned();
        let found: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{line}"));
        let layer = file(&found["ACIEndpoints"][0]["ACI"]);
        assert_eq!(dependency["imageID"], json!(id(&layer)));
    }
}

#[test]
fn the_example_makes_an_image_that_runs() {
    peer!("gcc", "tar", "unshare");
    if !is_root() {
        return;
    }
    let dir = temp_dir();
    let store = ScanStore::new(&dir.path().join("store"));
    let [source, shell] = ["shell.c", "shell"].map(|name| dir.path().join(name));
    let text = "#include <stdio.h>\nint main(void) { return puts(\"a shell\") < 0; }\n";
    fs::write(&source, text).expect("writing a program");
    let mut gcc = Command::new(program("gcc"));
    Outcome::of(gcc.arg("-static").arg("-o").arg(&shell).arg(&source)).success();
    store.program("bash-5.2/bin/bash", fs::read(&shell).expect("a program"));
    let script = format!("#!{}/bin/bash\n", ScanStore::path("bash-5.2"));
    store.program("ipython-8.5/bin/ipython", script);

    // As examples/aci/README.md has it, but for where the store is.
    let tool = Path::new(env!("CARGO_BIN_EXE_closure2img")).parent().expect("a folder");
    let path = std::env::var("PATH").expect("a path");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/aci/build");
    let mut build = Command::new(example);
    build.env("PATH", format!("{}:{path}", tool.display())).current_dir(dir.path());
    build.args(["bash-5.2", "ipython-8.5"].map(ScanStore::path)).arg("--store").arg(store.dir());
    let made = Outcome::of(&mut build).success();
    let image = dir.path().join("bash-ipython.aci");
    assert_eq!(made.text(), id(&image));
    let manifest = approved(&image);
    assert_eq!(manifest["app"]["mountPoints"][0]["name"], "x11socket");
    let rootfs = unpack(&image, &dir.path().join("x"));
    let exec = manifest["app"]["exec"][0].as_str().expect("a program");
    let mut run = Command::new(program("unshare"));
    run.args(["-m", "-p", "-f"]).arg(format!("--root={}", rootfs.display())).arg(exec);
    Outcome::of(&mut run).success().prints("a shell\n");
}
