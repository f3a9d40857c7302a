//! What a container of the image does: each flag, the configuration file under the flags, and what is guessed when
//! nobody says; read from the image, and asked of running containers.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::copy::skopeo;
use support::dockerd::Dockerd;
use support::image::Layout;
use support::nix;
use support::outcome::Outcome;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::{binary, tool};

/// Runs the command, which names roots and flags, with a Cmd; answers the layout that it made.
#[track_caller]
fn layout(command: &mut Command, cmd: &[&str], dir: &Path) -> Layout {
    let at = dir.join("layout");
    command.args(["--format=layout", "--tag=app:1", "-o"]).arg(&at).arg("--").args(cmd);
    Outcome::of(command).success();
    Layout::at(&at)
}

/// A store with a program, `tool-1.0`, that refers to a CA bundle, `cacert`, and to a root with users, `base`.
fn store(dir: &Path) -> ScanStore {
    let store = ScanStore::new(&dir.join("store"));
    store.file("cacert/etc/ssl/certs/ca-bundle.crt", "no certificate");
    store.file("base/etc/passwd", "root:x:0:0::/:/bin/sh\nkeeper:x:7:8::/:\n");
    store.file("base/etc/group", "keepers:x:8:\n");
    store.program("base/bin/one", "#!/bin/sh\n");
    store.program("base/bin/two", "#!/bin/sh\n");
    let references = format!("#!{} {}\n", ScanStore::path("cacert"), ScanStore::path("base"));
    store.program("tool-1.0/bin/tool", references);
    store.program("stranger/bin/stranger", "#!/bin/sh\n");
    store
}

/// `closure2img oci` for paths of this store by their names, as a command to add to.
fn oci(store: &ScanStore, roots: &[&str]) -> Command {
    let mut command = binary();
    command.arg("oci").args(roots.iter().map(|root| ScanStore::path(root)));
    command.arg("--store").arg(store.dir());
    command
}

/// The `config` object of the image that the command makes.
#[track_caller]
fn config_of(command: &mut Command) -> Value {
    let dir = temp_dir();
    layout(command, &[], dir.path()).config()["config"].clone()
}

/// Asserts that the command fails with this code and these words, and leaves nothing behind.
#[track_caller]
fn refuses(command: &mut Command, code: i32, words: &[&str]) {
    let dir = temp_dir();
    let failed = Outcome::of(command.arg("-o").arg(dir.path().join("image.tar"))).code(code);
    for word in words {
        failed.clone().complains(word);
    }
    assert_eq!(fs::read_dir(dir.path()).expect("listing a folder").count(), 0);
}

#[test]
fn every_flag_lands_in_the_image() {
    peer!("skopeo");
    let dir = temp_dir();
    let store = store(dir.path());
    let mut command = oci(&store, &["tool-1.0"]);
    command.args([
        "--exec=bin/tool",
        "--env=A=1",
        "--env=B=x=y z",
        "--env=EMPTY=",
        "--env=PATH=/p",
    ]);
    command.args(["--workdir=/work", "--user=1000:100", "--expose=80", "--expose=53/udp"]);
    command.args(["--volume=/data", "--volume=/more", "--label=l=m", "--label=url=http://x/?a=b"]);
    command.args(["--annotation=org.example.a=b c", "--stop-signal=SIGINT", "--arch=arm64"]);
    command.arg("--created=2024-01-31T00:00:00Z");
    let layout = layout(&mut command, &["-x", "a b"], dir.path());

    let program = format!("{}/bin/tool", ScanStore::path("tool-1.0"));
    let bundle = format!("{}/etc/ssl/certs/ca-bundle.crt", ScanStore::path("cacert"));
    let config = layout.config();
    let expected = json!({
        "Entrypoint": [program],
        "Cmd": ["-x", "a b"],
        "Env": ["A=1", "B=x=y z", "EMPTY=", "PATH=/p", format!("SSL_CERT_FILE={bundle}")],
        "WorkingDir": "/work",
        "User": "1000:100",
        "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
        "Volumes": { "/data": {}, "/more": {} },
        "Labels": { "l": "m", "url": "http://x/?a=b" },
        "StopSignal": "SIGINT",
    });
    assert_eq!(config["config"], expected);
    assert_eq!((&config["architecture"], &config["os"]), (&json!("arm64"), &json!("linux")));
    assert_eq!(config["created"], "2024-01-31T00:00:00Z");
    assert_eq!(layout.manifest()["annotations"], json!({ "org.example.a": "b c" }));
    assert_eq!(layout.descriptor()["platform"]["architecture"], "arm64");
    let image = format!("oci:{}:1", dir.path().join("layout").display());
    let seen = skopeo(["inspect", "--config", &image]).success().json();
    assert_eq!(seen["config"], expected);
}

#[test]
fn what_nobody_says_is_guessed() {
    let dir = temp_dir();
    let store = store(dir.path());
    let path = |name: &str, file: &str| format!("{}/{file}", ScanStore::path(name));
    let bundle = format!("SSL_CERT_FILE={}", path("cacert", "etc/ssl/certs/ca-bundle.crt"));
    let tool = path("tool-1.0", "bin/tool");

    let one = config_of(&mut oci(&store, &["tool-1.0"]));
    let env = json!([format!("PATH={}", path("tool-1.0", "bin")), bundle]);
    assert_eq!(one, json!({ "Entrypoint": [tool], "Env": env }));
    // Two programs in one root, one in the other: only one can be meant. The PATH has both, in the order given.
    let two = config_of(&mut oci(&store, &["base", "tool-1.0"]));
    let bins = format!("PATH={}:{}", path("base", "bin"), path("tool-1.0", "bin"));
    assert_eq!(two, json!({ "Entrypoint": [tool], "Env": [bins, bundle] }));
    // No telling which; and no CA bundle in this closure.
    let none = config_of(&mut oci(&store, &["base"]));
    assert_eq!(none, json!({ "Env": [format!("PATH={}", path("base", "bin"))] }));
    // A file in a root says which.
    let mut command = binary();
    command.arg("oci").arg(path("base", "bin/two")).arg("--store").arg(store.dir());
    assert_eq!(config_of(&mut command)["Entrypoint"], json!([path("base", "bin/two")]));
}

#[test]
fn programs_are_looked_up_in_the_roots() {
    let dir = temp_dir();
    let store = store(dir.path());
    let two = format!("{}/bin/two", ScanStore::path("base"));
    for exec in ["two", "bin/two", &two] {
        for flag in ["--exec", "--entrypoint"] {
            let config = config_of(oci(&store, &["tool-1.0", "base"]).args([flag, exec]));
            assert_eq!(config["Entrypoint"], json!([two]), "{flag} {exec}");
        }
    }
    refuses(
        oci(&store, &["base"]).arg("--exec=bin/three"),
        1,
        &["bin/three", "bin/one", "bin/two"],
    );
    // A slip in a root must not run something else.
    let mut slip = binary();
    slip.arg("oci").arg(format!("{}/bin/tol", ScanStore::path("tool-1.0")));
    refuses(slip.arg("--store").arg(store.dir()), 1, &["bin/tol` does not exist"]);
    // It is in the store, and would not be in the image.
    let stranger = format!("{}/bin/stranger", ScanStore::path("stranger"));
    refuses(oci(&store, &["base"]).args(["--exec", &stranger]), 1, &[&stranger]);
}

/// A configuration file with this content.
fn file(dir: &Path, content: &Value) -> PathBuf {
    let file = dir.join("config.json");
    fs::write(&file, content.to_string()).expect("writing a file");
    file
}

#[test]
fn flags_win_over_the_configuration_file() {
    let dir = temp_dir();
    let store = store(dir.path());
    let health = json!({ "Test": ["CMD", "/check"], "Interval": 30_000_000_000_u64 });
    let base = json!({
        "Entrypoint": ["/from/file"], "Cmd": ["file"], "Env": ["A=file", "B=file"], "User": "5:6",
        "WorkingDir": "/file", "ExposedPorts": { "1": {} }, "Volumes": { "/file": {} },
        "Labels": { "a": "file", "b": "file" }, "StopSignal": "SIGTERM", "Healthcheck": health,
    });
    let alone = config_of(oci(&store, &["base"]).arg("--config").arg(file(dir.path(), &base)));
    let path = format!("PATH={}/bin", ScanStore::path("base"));
    let mut expected = base.clone();
    expected["Env"] = json!(["A=file", "B=file", path]);
    expected["ExposedPorts"] = json!({ "1/tcp": {} });
    assert_eq!(alone, expected);

    // The same file as `skopeo inspect --config` would print it.
    let whole =
        file(dir.path(), &json!({ "architecture": "amd64", "os": "linux", "config": base }));
    let mut command = oci(&store, &["base"]);
    command.arg("--config").arg(whole).args(["--exec=one", "--env=A=flag", "--user=7"]);
    command.args(["--workdir=/flag", "--expose=2", "--volume=/flag", "--label=a=flag"]);
    let both = config_of(command.args(["--stop-signal=SIGINT", "--env=PATH=/flag"]));
    let expected = json!({
        // No Cmd: it was meant for the file's program.
        "Entrypoint": [format!("{}/bin/one", ScanStore::path("base"))],
        "Env": ["A=flag", "B=file", "PATH=/flag"], "User": "7", "WorkingDir": "/flag",
        "ExposedPorts": { "1/tcp": {}, "2/tcp": {} }, "Volumes": { "/file": {}, "/flag": {} },
        "Labels": { "a": "flag", "b": "file" }, "StopSignal": "SIGINT", "Healthcheck": health,
    });
    assert_eq!(both, expected);

    for (content, words) in [
        (json!({ "Cmd": "x" }), ["config.json", "Cmd"]),
        (json!({ "cmd": ["x"] }), ["config.json", "did you mean `Cmd`"]),
        (json!({ "User": "nobody" }), ["nobody", "hint: "]),
    ] {
        let config = file(dir.path(), &content);
        refuses(oci(&store, &["base"]).arg("--config").arg(config), 1, &words);
    }
    refuses(oci(&store, &["base"]).arg("--config=/none.json"), 1, &["/none.json"]);
}

#[test]
fn a_user_must_be_in_the_image() {
    let dir = temp_dir();
    let store = store(dir.path());
    refuses(oci(&store, &["base"]).arg("--user=keeper"), 1, &["keeper", "--user keeper:1000:1000"]);
    refuses(oci(&store, &["base"]).args(["--link-root", "--user=other"]), 1, &["other"]);
    refuses(oci(&store, &["base"]).args(["--link-root", "--user=keeper:none"]), 1, &["none"]);
    for (user, expected) in
        [("keeper", "keeper"), ("keeper:keepers", "keeper:keepers"), ("app:10:20", "10:20")]
    {
        let config = config_of(oci(&store, &["base"]).args(["--link-root", "--user", user]));
        assert_eq!(config["User"], expected);
    }
}

#[test]
fn nonsense_is_wrong_usage() {
    let root = ScanStore::path("base");
    for flags in [
        &["--env=X"][..],
        &["--env==x"],
        &["--label=x"],
        &["--expose=0"],
        &["--expose=80/icmp"],
        &["--workdir=here"],
        &["--volume=data"],
        &["--user=a:b:c"],
        &["--arch=z80"],
        &["--tag=UPPER"],
        &["--compress=gzip:10"],
        &["--format=docker", "--compress=zstd"],
        &["--max-layers=0"],
        &["--max-layers=128"],
        &["--max-layers=1", "--tmp"],
        &["--push=registry.example/app@sha256:0"],
    ] {
        let mut command = binary();
        command.args(["oci", &root]).args(flags);
        let dir = temp_dir();
        let store = store(dir.path());
        refuses(command.arg("--store").arg(store.dir()), 2, &["error: "]);
    }
    tool(["oci", &root]).code(2).complains("-o").complains("--push").prints("");
    tool(["oci", &root, "-o", "-", "--json"]).code(2).prints("");
}

#[test]
fn containers_have_what_was_asked_for() {
    peer!("docker", "dockerd", "nix-build");
    let dir = temp_dir();
    let store = nix::store();
    let archive = dir.path().join("app.tar");
    let health = json!({ "Healthcheck": { "Test": ["CMD", "true"] } });
    let mut command = binary();
    command.arg("oci").args([&store.busybox, &store.app]).args(["--tag=app:1", "--exec=/bin/sh"]);
    command.args(["--user=app:1234:567", "--tmp", "--link-root", "--workdir=/tmp", "--env=X=a b"]);
    command.arg("--config").arg(file(dir.path(), &health)).arg("-o").arg(&archive);
    let script = "id -u; id -g; id -un; id -gn; stat -c %a /tmp; pwd; touch file; echo $X; ls -l file \
                  | cut -d' ' -f1; type app; [ -x /bin/app ] && [ -x /bin/sh ] && /bin/app";
    Outcome::of(command.args(["--", "-c", script])).success();
    let docker = Dockerd::start();
    docker.docker(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success();
    let run = ["run", "--rm", "--network=none"];
    let said = docker.docker(run.iter().chain(&["app:1"])).success();
    let app = store.app.join("bin/app");
    said.prints(&format!(
        "1234\n567\napp\napp\n1777\n/tmp\na b\n-rw-r--r--\napp is {}\n{}",
        app.display(),
        nix::APP_SAYS
    ));
    let said = docker.docker(run.iter().chain(&["--entrypoint=/bin/sh", "app:1", "-c", "echo hi"]));
    said.success().prints("hi\n");
    let inspect = ["image", "inspect", "--format={{json .Config.Healthcheck}}", "app:1"];
    assert_eq!(docker.docker(inspect).success().json(), health["Healthcheck"]);
}
