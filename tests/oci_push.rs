//! Pushing to a real registry: what arrives is the image byte for byte, docker and skopeo take it from there, secrets
//! are found where docker and podman keep them, and a push that fails moves no tag.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::BASE64;
use serde_json::json;
use support::copy::{skopeo, skopeo_command};
use support::dockerd::Dockerd;
use support::image::Layout;
use support::nix::{self, APP_SAYS};
use support::outcome::Outcome;
use support::registry::{DockerRegistry, Options};
use support::temp_dir;
use support::tool::binary;
use support::tree::assert_same_tree;

const PASSWORD: Option<(&str, &str)> = Some(("ann", "s3cret"));

/// `closure2img oci APP --push REFERENCE`, as a command to add to.
fn push(reference: &str) -> Command {
    let mut tool = binary();
    tool.arg("oci").arg(&nix::store().app).args(["--push", reference]);
    tool
}

/// Checks that stdout is exactly one line `REPOSITORY@sha256:…`, and answers it.
#[track_caller]
fn pushed(outcome: Outcome, repository: &str) -> String {
    let outcome = outcome.success();
    let line = outcome.text().to_owned();
    let digest = line.strip_prefix(&format!("{repository}@sha256:"));
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(digest.is_some_and(is_digest), "{line:?} is not {repository}@sha256:…");
    outcome.prints(&format!("{line}\n"));
    line
}

/// The digest of a manifest as skopeo finds it; None if there is none.
fn digest_of(reference: &str) -> Option<String> {
    let image = format!("docker://{reference}");
    let found = skopeo(["inspect", "--tls-verify=false", "--format={{.Digest}}", &image]);
    (found.code == Some(0)).then(|| found.text().to_owned())
}

/// The registry's lines about uploads of blobs: starting one, and sending its bytes.
fn uploads(log: &str, method: &str) -> usize {
    log.lines()
        .filter(|line| {
            line.contains(&format!("\"{method} /v2/")) && line.contains("/blobs/uploads/")
        })
        .count()
}

#[test]
fn what_arrives_is_the_image_byte_for_byte() {
    peer!("docker-registry", "nix-build", "skopeo", "tar");
    let registry = DockerRegistry::plain();
    for (name, flags) in [
        ("gzip", &[][..]),
        ("zstd", &["--compress=zstd", "--tmp"]),
        ("none", &["--compress=none", "--annotation=a=b"]),
    ] {
        let dir = temp_dir();
        let archive = dir.path().join("app.tar");
        let repository = registry.reference(&format!("deep/er/{name}"));
        // To a file and a registry at once: both get the same image.
        let mut tool = push(&format!("{repository}:1"));
        let reference = pushed(Outcome::of(tool.args(flags).arg("-o").arg(&archive)), &repository);
        let unpacked = dir.path().join("unpacked");
        let descriptor = Layout::unpacked(&archive, &unpacked).descriptor();
        assert_eq!(reference, format!("{repository}@{}", descriptor["digest"].as_str().expect("")));
        assert_eq!(digest_of(&format!("{repository}:1")).as_deref(), descriptor["digest"].as_str());
        let back = dir.path().join("back");
        let (from, to) = (format!("docker://{reference}"), format!("oci:{}:1", back.display()));
        skopeo(["copy", "--preserve-digests", "--src-tls-verify=false", &from, &to]).success();
        assert_same_tree(&unpacked.join("blobs"), &back.join("blobs"));
    }
}

#[test]
fn docker_pulls_and_runs_what_was_pushed() {
    peer!("docker", "dockerd", "docker-registry", "nix-build");
    let registry = DockerRegistry::plain();
    let docker = Dockerd::start();
    let docker_type = "application/vnd.docker.distribution.manifest.v2+json";
    let oci_type = "application/vnd.oci.image.manifest.v1+json";
    for (format, media_type) in [("archive", oci_type), ("docker", docker_type)] {
        let repository = registry.reference(format);
        let mut tool = push(&format!("{repository}:v1"));
        let reference = pushed(Outcome::of(tool.args(["--format", format])), &repository);
        let raw = ["inspect", "--raw", "--tls-verify=false", &format!("docker://{reference}")];
        assert_eq!(skopeo(raw).success().json()["mediaType"], media_type);
        for image in [reference, format!("{repository}:v1")] {
            docker.docker(["pull", &image]).success();
            docker.docker(["run", "--rm", "--network=none", &image]).success().prints(APP_SAYS);
        }
    }
}

#[test]
fn a_second_push_uploads_nothing() {
    peer!("docker-registry", "nix-build", "skopeo");
    let registry = DockerRegistry::plain();
    let [one, two] = ["team/app", "other"].map(|name| registry.reference(name));
    let mut both = push(&format!("{one}:1"));
    let both = Outcome::of(both.args(["--push", &format!("{two}:latest")])).success();
    let lines: Vec<&str> = both.text().lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let digest = lines[0].strip_prefix(&format!("{one}@")).expect("the first target comes first");
    assert_eq!(lines[1], format!("{two}@{digest}"));
    assert_eq!(digest_of(&format!("{two}:latest")).as_deref(), Some(digest));

    // Three layers and a configuration in each of two repositories.
    let first = registry.log();
    assert_eq!(uploads(&first, "PUT"), 8, "{first}");
    let again = pushed(Outcome::of(&mut push(&format!("{one}:2"))), &one);
    assert_eq!(again, format!("{one}@{digest}"));
    let second = registry.log().split_off(first.len());
    assert_eq!((uploads(&second, "POST"), uploads(&second, "PUT")), (0, 0), "{second}");
    assert_eq!(digest_of(&format!("{one}:2")), digest_of(&format!("{one}:1")));
}

#[test]
fn what_two_tags_have_in_common_is_sent_once() {
    peer!("docker-registry", "nix-build", "skopeo");
    let registry = DockerRegistry::plain();
    let app = registry.reference("app");
    let mut both = push(&format!("{app}:1"));
    let both = Outcome::of(both.args(["--push", &format!("{app}:2")])).success();
    let lines: Vec<&str> = both.text().lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, lines[1]));
    assert_eq!(digest_of(&format!("{app}:1")), digest_of(&format!("{app}:2")));
    // Three layers and a configuration.
    assert_eq!(uploads(&registry.log(), "PUT"), 4);
}

#[test]
fn layers_are_mounted_from_another_repository() {
    peer!("docker-registry", "nix-build", "skopeo");
    let registry = DockerRegistry::plain();
    let [from, to] = ["team/base", "team/app"].map(|name| registry.reference(name));
    pushed(Outcome::of(&mut push(&format!("{from}:1"))), &from);
    let before = registry.log();
    let mut tool = push(&format!("{to}:1"));
    let reference = pushed(Outcome::of(tool.args(["--mount-from", "team/base"])), &to);
    let log = registry.log().split_off(before.len());
    let mounts = log.lines().filter(|line| line.contains("mount=") && line.contains("\"POST /v2/"));
    assert!(mounts.count() >= 3, "{log}");
    assert_eq!(uploads(&log, "PUT"), 0, "{log}");
    assert!(digest_of(&reference).is_some());

    // A repository that has none of them is no obstacle.
    let elsewhere = registry.reference("elsewhere");
    let mut tool = push(&format!("{elsewhere}:1"));
    tool.args(["--mount-from", "no/such"]);
    let other = nix::store().executable.as_os_str();
    pushed(Outcome::of(tool.arg(other)), &elsewhere);
    assert!(digest_of(&format!("{elsewhere}:1")).is_some());
}

/// A configuration folder with this file in it.
fn file_in(dir: &Path, file: &str, content: &serde_json::Value) -> PathBuf {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("creating a folder");
    fs::write(&path, content.to_string()).expect("writing a file");
    path
}

/// A helper as docker calls them: it tells the secret of the one registry that it is asked about.
fn helper(dir: &Path, name: &str, host: &str) {
    let path = dir.join(format!("docker-credential-{name}"));
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = get ] || exit 2\nread -r asked\n\
        case $asked in\n  {host}) echo '{{\"ServerURL\":\"x\",\"Username\":\"ann\",\"Secret\":\"s3cret\"}}' ;;\n  \
        *) echo 'credentials not found in native keychain'; exit 1 ;;\nesac\n"
    );
    fs::write(&path, script).expect("writing a helper");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("setting a mode");
}

#[test]
fn secrets_are_found_where_docker_and_podman_keep_them() {
    peer!("docker-registry", "htpasswd", "nix-build", "skopeo");
    let registry = DockerRegistry::start(Options { htpasswd: PASSWORD, tls: false });
    let (host, repository) = (registry.host(), registry.reference("team/app"));
    let refused = Outcome::of(&mut push(&format!("{repository}:none"))).code(1);
    refused.clone().complains("401").complains("hint: ").prints("");
    assert!(refused.errors().contains(&host), "{}", refused.errors());

    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name);
    let auth = |secret: &str| json!({ "auth": BASE64.encode(format!("ann:{secret}").as_bytes()) });
    let auths = json!({ "auths": { &host: auth("s3cret") } });
    let wrong = json!({ "auths": { &host: auth("wr0ng") } });
    file_in(&at("docker"), "config.json", &auths);
    file_in(&at("home"), ".docker/config.json", &auths);
    file_in(&at("run"), "containers/auth.json", &auths);
    let auth_file = file_in(&at("file"), "auth.json", &auths);
    file_in(&at("config-home"), ".config/containers/auth.json", &auths);
    file_in(&at("helpers"), "config.json", &json!({ "credHelpers": { &host: "fake" } }));
    file_in(&at("store"), "config.json", &json!({ "credsStore": "fake" }));
    file_in(&at("wrong"), "config.json", &wrong);
    fs::create_dir(at("bin")).expect("creating a folder");
    helper(&at("bin"), "fake", &host);
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", at("bin").display());

    for (tag, variable, value) in [
        ("docker-config", "DOCKER_CONFIG", at("docker")),
        ("docker-home", "HOME", at("home")),
        ("podman-run", "XDG_RUNTIME_DIR", at("run")),
        ("podman-home", "HOME", at("config-home")),
        ("auth-file", "REGISTRY_AUTH_FILE", auth_file),
        ("helper", "DOCKER_CONFIG", at("helpers")),
        ("store", "DOCKER_CONFIG", at("store")),
    ] {
        let mut tool = push(&format!("{repository}:{tag}"));
        let outcome = Outcome::of(tool.env(variable, value).env("PATH", &path));
        assert!(!outcome.errors().contains("s3cret"), "{tag}");
        pushed(outcome, &repository);
        let mut inspect = skopeo_command();
        inspect.args(["inspect", "--tls-verify=false", "--creds=ann:s3cret"]);
        Outcome::of(inspect.arg(format!("docker://{repository}:{tag}"))).success();
    }

    let mut tool = push(&format!("{repository}:wrong"));
    let outcome = Outcome::of(tool.env("DOCKER_CONFIG", at("wrong"))).code(1);
    outcome.complains("401").prints("");
    let mut tool = push(&format!("{repository}:missing"));
    // A helper that is named and is not there is said to be so, and not taken for "no secret".
    let outcome = Outcome::of(tool.env("DOCKER_CONFIG", at("helpers"))).code(1);
    outcome.complains("docker-credential-fake").prints("");
}

#[test]
fn a_registry_with_its_own_authority_is_trusted_when_told() {
    peer!("docker-registry", "htpasswd", "nix-build", "openssl", "skopeo");
    let registry = DockerRegistry::start(Options { htpasswd: PASSWORD, tls: true });
    let other = DockerRegistry::start(Options { htpasswd: None, tls: true });
    let repository = registry.reference("app");
    let ca = registry.ca().expect("it has TLS");
    let tool = |tag: &str| {
        let mut tool = push(&format!("{repository}:{tag}"));
        tool.env("DOCKER_CONFIG", registry.docker_config());
        tool
    };
    pushed(Outcome::of(tool("flag").arg("--ca").arg(&ca)), &repository);
    let reference = pushed(Outcome::of(tool("variable").env("SSL_CERT_FILE", &ca)), &repository);
    let certs = format!("--cert-dir={}", registry.cert_dir().display());
    skopeo(["inspect", &certs, "--creds=ann:s3cret", &format!("docker://{reference}")]).success();

    let wrong = other.ca().expect("it has TLS");
    for mut untrusting in [tool("untrusted"), {
        let mut tool = tool("untrusted");
        tool.arg("--ca").arg(wrong);
        tool
    }] {
        let outcome = Outcome::of(&mut untrusting).code(1);
        outcome.complains("certificate").complains("not trusted").complains("--ca").prints("");
    }
    let missing = Outcome::of(tool("missing").args(["--ca", "/nonexistent.pem"])).failure();
    missing.complains("/nonexistent.pem").prints("");
}

#[test]
fn a_push_that_fails_moves_no_tag() {
    peer!("docker-registry", "nix-build", "skopeo");
    let registry = DockerRegistry::plain();
    let repository = registry.reference("app");
    let tag = format!("{repository}:1");
    let first = pushed(Outcome::of(&mut push(&tag)), &repository);

    let dir = temp_dir();
    let store = nix::store();
    nix::copy_to_chroot_store(&[&store.app2], dir.path());
    let app2 = dir.path().join(store.app2.strip_prefix("/").expect("an absolute path"));
    let program = app2.join("bin/app");
    let mut script = fs::read(&program).expect("reading the script");
    script.extend_from_slice(b"# changed\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("setting a mode");
    fs::write(&program, script).expect("changing a store path");
    let output = dir.path().join("app.tar");
    let mut tool = binary();
    tool.arg("oci").arg(&store.app2).arg("--store").arg(dir.path());
    tool.args(["--push", &tag, "-o"]).arg(&output);
    let failed = Outcome::of(&mut tool).code(1);
    failed.complains("changed").complains(store.app2.to_str().expect("ASCII")).prints("");
    assert!(!output.exists(), "no image was made");
    let digest = digest_of(&tag).expect("the tag is still there");
    assert_eq!(first, format!("{repository}@{digest}"));

    // Nor does one whose program is not there, or one for which there is no room for the file.
    let outcome = Outcome::of(push(&tag).args(["--exec", "bin/none"])).code(1);
    outcome.complains("bin/none").prints("");
    let outcome = Outcome::of(push(&tag).args(["--label", "a=b", "-o", "/dev/full"])).code(1);
    outcome.complains("/dev/full").prints("");
    assert_eq!(digest_of(&tag), Some(digest));
}
