//! `scripts/demo`, the first thing that anyone runs: it works, and so do the commands that it prints, letter for letter.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::copy::skopeo;
use support::dockerd::Dockerd;
use support::outcome::Outcome;
use support::podman::Podman;
use support::registry::DockerRegistry;
use support::temp_dir;
use support::tool::tool;

/// Runs `scripts/demo` with a cargo that runs this build of the tool; answers what it prints.
fn demo(dir: &Path) -> String {
    let cargo = dir.join("cargo");
    // What cargo would run stands behind its own `--`.
    let script =
        "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done; shift\nexec \"$TOOL\" \"$@\"\n";
    fs::write(&cargo, script).expect("writing a program");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).expect("setting a mode");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut demo = Command::new("scripts/demo");
    demo.env("TOOL", env!("CARGO_BIN_EXE_closure2img"));
    demo.env("PATH", format!("{}:{path}", dir.display()));
    Outcome::of(&mut demo).success().text().to_owned()
}

#[test]
fn the_commands_that_the_demo_prints_work() {
    peer!("docker", "dockerd", "docker-registry", "podman", "runc", "skopeo", "tar");
    let dir = temp_dir();
    let printed = demo(dir.path());
    // The commands on the printed line that begins so, each as its arguments.
    let commands = |start: &str| -> Vec<Vec<&str>> {
        let line = printed.lines().map(str::trim).find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no line begins with {start:?}:\n{printed}"));
        line.split(" && ").map(|command| command.split(' ').skip(1).collect()).collect()
    };
    let docker = Dockerd::start();
    let [load, run] = &commands("docker load")[..] else { panic!("load and run:\n{printed}") };
    docker.docker(load).success();
    greets(&docker.docker(run).success());
    let podman = Podman::new();
    let [load, run] = &commands("podman load")[..] else { panic!("load and run:\n{printed}") };
    podman.podman(load).success();
    greets(&podman.podman(run).success());

    let registry = DockerRegistry::plain();
    let host = registry.host().replace("127.0.0.1", "localhost");
    let here = |args: &[&str]| -> Vec<String> {
        args.iter().map(|arg| arg.replace("localhost:5000", &host)).collect()
    };
    skopeo(here(&commands("skopeo copy")[0])).success();
    let image = format!("docker://{host}/demo:1");
    let inspect = ["inspect", "--tls-verify=false", "--format={{.Digest}}", &image];
    skopeo(inspect).success();
    let pushed = tool(here(&commands("target/release/closure2img")[0])).success();
    let digest = skopeo(inspect).success();
    assert_eq!(pushed.text(), format!("{host}/demo@{}", digest.text()));
}

/// The program found its greeting in another store path.
#[track_caller]
fn greets(said: &Outcome) {
    let lines: Vec<&str> = said.text().lines().collect();
    let called = lines.iter().find(|line| line.starts_with("called as: "));
    assert!(called.is_some_and(|line| line.ends_with("/bin/hello from closure2img")), "{lines:?}");
    let source = fs::read_to_string("fixtures/demo/demo.nix").expect("the demo's source");
    assert!(source.contains(lines[0]), "{lines:?}");
}
