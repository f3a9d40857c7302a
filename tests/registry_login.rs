//! Logins: what ours leaves behind others find, and what others leave behind ours finds.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use support::demo::{Demo, explained};
use support::dockerd::Dockerd;
use support::fake_http::{FakeHttp, Reply};
use support::outcome::Outcome;
use support::peer::program;
use support::podman::Podman;
use support::registry::{DockerRegistry, Options};

const USER: &str = "ann";
const PASSWORD: &str = "s3cr3t:p4ssw0rd";
/// Both, with a colon between, in base 64.
const BASIC: &str = "YW5uOnMzY3IzdDpwNHNzdzByZA==";
const WRONG: &str = "wr0ng-p4ss";

fn guarded() -> DockerRegistry {
    DockerRegistry::start(Options { htpasswd: Some((USER, PASSWORD)), tls: false })
}

/// The command, with text on its standard input.
fn told(command: &mut Command, input: &str) -> Outcome {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(input.as_bytes()).expect("writing a file");
    std::io::Seek::rewind(&mut file).expect("rewinding a file");
    Outcome::of(command.stdin(Stdio::from(file)))
}

/// `closure2img login HOST` in an environment where `DOCKER_CONFIG` is `docker` in the demo's folder.
fn log_in(demo: &Demo, host: &str, password: &str) -> Outcome {
    let mut login = demo.command();
    login.env("DOCKER_CONFIG", demo.path("docker"));
    told(login.args(["login", host, "--username", USER, "--password-stdin"]), password)
}

fn push(demo: &Demo, registry: &DockerRegistry) -> Command {
    let mut oci = demo.ask("oci");
    oci.args(["--max-layers", "2", "--push", &registry.reference("app:1")]);
    oci
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("reading a file")).expect("JSON")
}

#[track_caller]
fn keeps_secrets(outcome: &Outcome) {
    let said = format!("{}{}", outcome.errors(), String::from_utf8_lossy(&outcome.stdout));
    for secret in [PASSWORD, BASIC, WRONG, "p4ssw0rd"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_login_is_kept_for_pushes_and_for_others() {
    peer!("docker-registry", "htpasswd", "skopeo", "podman", "runc");
    let (demo, registry) = (Demo::new(), guarded());
    let host = registry.host();
    let file = demo.path("docker/config.json");
    let outcome = log_in(&demo, &host, &format!("{PASSWORD}\n")).success();
    keeps_secrets(&outcome);
    outcome.prints("").complains(&host).complains(&file.display().to_string());
    assert_eq!(read(&file), json!({ "auths": { host.clone(): { "auth": BASIC } } }));
    let mode = fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let config = demo.path("docker");
    keeps_secrets(&Outcome::of(push(&demo, &registry).env("DOCKER_CONFIG", &config)).success());
    let image = format!("docker://{}", registry.reference("app:1"));
    let inspect = |file: &Path| {
        let mut skopeo = Command::new(program("skopeo"));
        skopeo.args(["inspect", "--tls-verify=false", "--authfile"]);
        Outcome::of(skopeo.arg(file).arg(&image))
    };
    inspect(&file).success();
    let podman = Podman::new();
    let mut login = podman.command();
    // Without a password it says who is logged in.
    login.args(["login", "--get-login", "--authfile"]).arg(&file).arg(&host);
    assert_eq!(Outcome::of(&mut login).success().text().trim(), USER);

    let mut logout = demo.command();
    logout.env("DOCKER_CONFIG", &config).args(["logout", &host]);
    Outcome::of(&mut logout).success().complains("logged out");
    assert_eq!(read(&file), json!({ "auths": {} }));
    Outcome::of(&mut logout).success().complains("nobody is logged in");
    assert_ne!(inspect(&file).code, Some(0));
    let outcome = Outcome::of(push(&demo, &registry).env("DOCKER_CONFIG", &config));
    explained(outcome, 1, &["answered 401", &format!("`closure2img login {host}`")]);
}

#[test]
fn logins_of_docker_podman_and_skopeo_are_found() {
    peer!("docker-registry", "htpasswd", "skopeo", "podman", "runc", "docker", "dockerd");
    let (demo, registry) = (Demo::new(), guarded());
    let host = registry.host();
    let docker = Dockerd::start();
    let account = ["--username", USER, "--password-stdin"];
    told(docker.command().arg("login").args(account).arg(&host), PASSWORD).success();
    Outcome::of(push(&demo, &registry).env("DOCKER_CONFIG", docker.config_dir())).success();

    // And docker finds ours, in the file that it has written itself.
    docker.docker(["logout", &host]).success();
    let outcome = Outcome::of(push(&demo, &registry).env("DOCKER_CONFIG", docker.config_dir()));
    explained(outcome, 1, &["answered 401"]);
    let mut login = demo.command();
    login.env("DOCKER_CONFIG", docker.config_dir()).args(["login", &host]).args(account);
    told(&mut login, PASSWORD).success();
    docker.docker(["pull", &registry.reference("app:1")]).success();

    let auth = demo.path("run/containers/auth.json");
    fs::create_dir_all(auth.parent().expect("a folder")).expect("creating a folder");
    for mut login in [Command::new(program("skopeo")), Podman::new().command()] {
        fs::write(&auth, "{}").expect("writing a file");
        login.args(["login", "--tls-verify=false", "--authfile"]).arg(&auth);
        told(login.args(account).arg(&host), PASSWORD).success();
        let mut push = push(&demo, &registry);
        Outcome::of(push.env("XDG_RUNTIME_DIR", demo.path("run"))).success();
        let mut explicit = demo.ask("oci");
        explicit.args(["--push", &registry.reference("app:2")]);
        Outcome::of(explicit.env("REGISTRY_AUTH_FILE", &auth)).success();
    }
}

/// Writes to what runs in a terminal once that has printed `question`; answers all that it has printed so far.
fn reply(child: &mut Child, shown: &mut String, question: &str, line: &str) {
    let out = child.stdout.as_mut().expect("standard output");
    let mut byte = [0];
    while !shown.contains(question) {
        let count = out.read(&mut byte).expect("reading from a terminal");
        assert!(count > 0, "it ended before it asked `{question}`: {shown}");
        shown.push(char::from(byte[0]));
    }
    let input = child.stdin.as_mut().expect("standard input");
    input.write_all(format!("{line}\n").as_bytes()).expect("writing to a terminal");
}

#[test]
fn a_terminal_does_not_show_the_password() {
    peer!("docker-registry", "htpasswd", "script");
    let (demo, registry) = (Demo::new(), guarded());
    let tool = demo.command();
    let login = format!("'{}' login {}", tool.get_program().display(), registry.host());
    let mut script = Command::new(program("script"));
    script.args(["--quiet", "--return", "--command", &login, "/dev/null"]);
    script.env("DOCKER_CONFIG", demo.path("docker")).env("HOME", demo.path("home"));
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starting a terminal");
    let mut shown = String::new();
    reply(&mut child, &mut shown, "Account at ", USER);
    reply(&mut child, &mut shown, "Password or token: ", PASSWORD);
    let output = child.wait_with_output().expect("waiting for a terminal");
    let rest = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && rest.contains("logged in"), "{shown}{rest}");
    assert!(!shown.contains("p4ssw0rd") && !rest.contains("p4ssw0rd"), "{shown}{rest}");
    assert_eq!(read(&demo.path("docker/config.json"))["auths"][registry.host()]["auth"], BASIC);
}

#[test]
fn a_wrong_password_is_not_kept() {
    peer!("docker-registry", "htpasswd");
    let (demo, registry) = (Demo::new(), guarded());
    let host = registry.host();
    let outcome = log_in(&demo, &host, WRONG);
    keeps_secrets(&outcome);
    explained(outcome, 1, &[&format!("`{host}` did not accept"), "answered 401"]).prints("");
    assert!(!demo.path("docker").exists());
}

#[test]
fn a_registry_that_asks_nothing_tells_nothing() {
    peer!("docker-registry");
    let (demo, registry) = (Demo::new(), DockerRegistry::plain());
    log_in(&demo, &registry.host(), PASSWORD).success().complains("warning: ");
    assert!(demo.path("docker/config.json").exists());
}

#[test]
fn what_cannot_be_a_login() {
    let demo = Demo::new();
    let before = demo.files();
    let login = |args: &[&str], input: &str, code: i32, named: &[&str]| {
        let mut login = demo.command();
        login.env("DOCKER_CONFIG", demo.path("docker")).arg("login").args(args);
        let outcome = told(&mut login, input);
        keeps_secrets(&outcome);
        explained(outcome, code, named).prints("");
    };
    login(&[], PASSWORD, 2, &["REGISTRY"]);
    login(&["ann/app"], PASSWORD, 2, &["`ann/app`", "HOST[:PORT]"]);
    login(&["127.0.0.1:1", "--password-stdin"], PASSWORD, 2, &["--username"]);
    login(&["127.0.0.1:1", "--username", USER], PASSWORD, 2, &["--password-stdin"]);
    let account = |name: &'static str| ["127.0.0.1:1", "--username", name, "--password-stdin"];
    login(&account("a:b"), PASSWORD, 2, &["colon"]);
    login(&account(USER), "\n", 2, &["the password is empty"]);
    login(&account(USER), &"x".repeat(70_000), 2, &["65536 bytes"]);
    login(&account(USER), PASSWORD, 1, &["127.0.0.1:1", "Connection refused"]);
    demo.unchanged(&before);

    // A file that is not understood is not replaced; a redirect is not followed with a password.
    let open = FakeHttp::start(|_| Reply::status(200));
    fs::create_dir(demo.path("docker")).expect("creating a folder");
    fs::write(demo.path("docker/config.json"), "{").expect("writing a file");
    let host = open.host();
    let args = [&host, "--username", USER, "--password-stdin"];
    login(&args, PASSWORD, 1, &["config.json", "JSON"]);
    assert_eq!(fs::read_to_string(demo.path("docker/config.json")).expect("a file"), "{");
}

#[test]
fn a_password_for_one_push_is_kept_nowhere() {
    peer!("docker-registry", "htpasswd");
    let (demo, registry) = (Demo::new(), guarded());
    let other = guarded();
    let account = ["--username", USER, "--password-stdin"];
    let push = |input: &str, more: &[&str]| {
        let mut push = push(&demo, &registry);
        let outcome =
            told(push.env("DOCKER_CONFIG", demo.path("docker")).args(account).args(more), input);
        keeps_secrets(&outcome);
        outcome
    };
    push(PASSWORD, &[]).success();
    assert!(!demo.path("docker").exists());
    // It wins over what is stored.
    log_in(&demo, &registry.host(), PASSWORD).success();
    let named = ["answered 401", "were not accepted"];
    explained(push(WRONG, &["--env", "A=1"]), 1, &named);
    let failed = push(WRONG, &["--env", "A=1", "--json", "--tag", "x"]);
    explained(failed, 1, &named);
    // One password is for one registry.
    let two = push(PASSWORD, &["--push", &other.reference("app:1")]);
    explained(two, 2, &["`--username` is for one registry", &other.host()]);
    let mut nowhere = demo.ask("oci");
    nowhere.args(["-o", "x.tar"]).args(account);
    explained(told(&mut nowhere, PASSWORD), 2, &["`--username` is for a registry"]);
    explained(
        Outcome::of(demo.ask("oci").args(["-o", "x.tar", "--username", USER])),
        2,
        &["--password-stdin"],
    );
}

#[test]
fn a_helper_keeps_the_password() {
    peer!("docker-registry", "htpasswd");
    let (demo, registry) = (Demo::new(), guarded());
    let host = registry.host();
    let (bin, kept) = (demo.path("bin"), demo.path("kept"));
    fs::create_dir(&bin).expect("creating a folder");
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat > '{0}' ;;\nget) cat '{0}' ;;\nerase) rm '{0}' ;;\nesac\n",
        kept.display()
    );
    let helper = bin.join("docker-credential-demo");
    // Not by this process, which may be starting another just then that would hold the file open.
    let mut install = Command::new("install");
    told(install.args(["-m", "755", "/dev/stdin"]).arg(&helper), &script).success();
    fs::create_dir(demo.path("docker")).expect("creating a folder");
    let file = demo.path("docker/config.json");
    let config = json!({ "credsStore": "demo", "detachKeys": "ctrl-q" });
    fs::write(&file, config.to_string()).expect("writing a file");

    let path = std::env::var("PATH").expect("PATH");
    let path = format!("{}:{path}", bin.display());
    let run = |command: &mut Command, input: &str| {
        command.env("PATH", &path).env("DOCKER_CONFIG", demo.path("docker"));
        let outcome = told(command, input);
        keeps_secrets(&outcome);
        outcome.success()
    };
    let account = ["--username", USER, "--password-stdin"];
    run(demo.command().args(["login", &host]).args(account), PASSWORD)
        .complains("docker-credential-demo");
    assert_eq!(read(&kept)["Secret"], PASSWORD);
    let mut expected = config;
    expected["auths"] = json!({ host.clone(): {} });
    assert_eq!(read(&file), expected);
    run(&mut push(&demo, &registry), "");
    run(demo.command().args(["logout", &host]), "").complains("logged out");
    assert!(!kept.exists());
}

#[test]
fn a_token_that_lies_around_does_not_keep_from_reading() {
    // Stands for ghcr.io, by way of a proxy. It knows nobody, and lets everybody read.
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = FakeHttp::start(move |request| {
        if request.path.contains("/token") {
            return match count.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::status(403),
                _ => Reply::Answer(200, Vec::new(), r#"{"token":"anonymous"}"#),
            };
        }
        let realm = "WWW-Authenticate: Bearer realm=\"http://ghcr.io/token\"".to_owned();
        match count.load(Ordering::SeqCst) {
            0 => Reply::Answer(401, vec![realm], ""),
            _ => Reply::status(404),
        }
    });
    let run = |arguments: &[&str]| {
        let demo = Demo::new();
        let mut command = demo.command();
        command.args(arguments).args(["--insecure", "ghcr.io"]).env("GITHUB_TOKEN", "hub-t0ken");
        // Nothing of this goes into the world.
        command.env("HTTPS_PROXY", "http://127.0.0.1:1");
        command.env("HTTP_PROXY", format!("http://{}", server.host()));
        let outcome = Outcome::of(&mut command);
        assert!(!outcome.errors().contains("hub-t0ken"), "{}", outcome.errors());
        outcome
    };
    let outcome = run(&["diff", "ghcr.io/team/app:1", "ghcr.io/team/app:2"]);
    explained(outcome, 1, &["ghcr.io/team/app:1"]);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert!(server.count("GET", "/manifests/1") >= 2);
    // Who writes has to be somebody.
    asked.store(0, Ordering::SeqCst);
    let push = ["oci", "--store", "store", "store/result", "--no-previous", "--max-layers", "2"];
    let outcome = run(&[&push[..], &["--push", "ghcr.io/team/app:1"]].concat());
    explained(outcome, 1, &["answered 403"]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
