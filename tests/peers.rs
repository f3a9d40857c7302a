//! Each peer starts and works here, shown without our tool: when another test fails, this one tells whose fault it is.

mod support;

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use support::copy::{skopeo, skopeo_command, unpack};
use support::dockerd::Dockerd;
use support::handmade;
use support::nix::{self, APP_SAYS};
use support::outcome::Outcome;
use support::podman::Podman;
use support::registry::{DockerRegistry, Options};
use support::temp_dir;
use support::tree::{Compare, assert_same_tree, tree_diff};

/// An image of the test app's closure in an OCI layout.
fn app_layout(dir: &Path) -> PathBuf {
    let app = &nix::store().app;
    let layout = dir.join("layout");
    let program = app.join("bin/app");
    handmade::layout(
        &layout,
        &nix::requisites(app),
        &[program.to_str().expect("a store path is ASCII")],
    );
    layout
}

/// A layout that holds a text file, for peers that need not run it.
fn small_layout(dir: &Path) -> PathBuf {
    let file = dir.join("file");
    fs::write(&file, "content").expect("writing a file");
    let layout = dir.join("layout");
    handmade::layout(&layout, &[file], &["/none"]);
    layout
}

fn oci(layout: &Path) -> String {
    format!("oci:{}:1", layout.display())
}

#[test]
fn nix_builds_the_test_store() {
    peer!("nix-build");
    let store = nix::store();
    let top = store.top.to_str().expect("a store path is ASCII");
    let closure = nix::requisites(&store.top);
    assert_eq!(closure.len(), 11, "{closure:?}");
    assert!(closure.iter().any(|path| path == top));
    let infos = nix::path_info_json(&store.top);
    let infos = infos.as_array().expect("Nix 2.8 prints a list");
    assert_eq!(infos.len(), closure.len());
    let itself = store.itself.to_str().expect("a store path is ASCII");
    let info = infos.iter().find(|info| info["path"] == itself).expect("the closure has `itself`");
    let references = info["references"].as_array().expect("a list");
    assert!(references.iter().any(|reference| reference == itself), "{references:?}");
}

#[test]
fn nix_copies_a_chroot_store() {
    peer!("nix-build");
    let dir = temp_dir();
    let itself = &nix::store().itself;
    nix::copy_to_chroot_store(&[itself], dir.path());
    for path in nix::requisites(itself) {
        let copy = dir.path().join(path.strip_prefix('/').expect("an absolute path"));
        let compare = Compare { owner: false, mtime: true };
        assert_eq!(tree_diff(Path::new(&path), &copy, compare), Vec::<String>::new());
    }
    assert!(dir.path().join("nix/var/nix/db/db.sqlite").is_file());
}

#[test]
fn a_registry_takes_and_gives() {
    peer!("docker-registry", "skopeo", "tar");
    let dir = temp_dir();
    let layout = small_layout(dir.path());
    let registry = DockerRegistry::plain();
    let image = format!("docker://{}", registry.reference("app:1"));
    // Or skopeo would compress the layer.
    let keep = "--preserve-digests";
    skopeo(["copy", keep, "--dest-tls-verify=false", &oci(&layout), &image]).success();
    let back = dir.path().join("back");
    skopeo(["copy", keep, "--src-tls-verify=false", &image, &oci(&back)]).success();
    assert_same_tree(&layout.join("blobs"), &back.join("blobs"));
    assert!(registry.requests("PUT") >= 3, "{}", registry.log());

    let host = registry.host();
    TcpStream::connect(&host).expect("the registry listens");
    drop(registry);
    TcpStream::connect(&host).expect_err("the registry has ended");
}

#[test]
fn a_registry_asks_for_a_password() {
    peer!("docker-registry", "htpasswd", "skopeo", "tar");
    let dir = temp_dir();
    let layout = oci(&small_layout(dir.path()));
    let registry = DockerRegistry::start(Options { htpasswd: Some(("ann", "s3cret")), tls: false });
    let image = format!("docker://{}", registry.reference("team/app:1"));
    let copy = ["copy", "--dest-tls-verify=false", &layout, &image];
    skopeo(copy).failure().complains("authentication required");
    skopeo(["copy", "--dest-tls-verify=false", "--dest-creds=ann:wrong", &layout, &image])
        .failure();
    let config = registry.docker_config().join("config.json");
    let mut command = skopeo_command();
    Outcome::of(command.env("REGISTRY_AUTH_FILE", config).args(copy)).success();
}

#[test]
fn a_registry_has_tls_with_its_own_authority() {
    peer!("docker-registry", "openssl", "skopeo", "tar");
    let dir = temp_dir();
    let layout = oci(&small_layout(dir.path()));
    let registry = DockerRegistry::start(Options { htpasswd: None, tls: true });
    let image = format!("docker://{}", registry.reference("app:1"));
    skopeo(["copy", &layout, &image]).failure().complains("x509");
    let certs = format!("--dest-cert-dir={}", registry.cert_dir().display());
    skopeo(["copy", &certs, &layout, &image]).success();
    assert!(registry.ca().is_some_and(|ca| ca.is_file()));
}

#[test]
fn docker_loads_pulls_and_runs() {
    peer!(
        "docker",
        "dockerd",
        "docker-registry",
        "htpasswd",
        "nix-build",
        "openssl",
        "skopeo",
        "tar"
    );
    let dir = temp_dir();
    let layout = oci(&app_layout(dir.path()));
    let archive = dir.path().join("app.tar");
    skopeo(["copy", &layout, &format!("docker-archive:{}:app:1", archive.display())]).success();
    let registry = DockerRegistry::start(Options { htpasswd: Some(("ann", "s3cret")), tls: true });
    let pushed = registry.reference("app:1");
    let certs = format!("--dest-cert-dir={}", registry.cert_dir().display());
    let image = format!("docker://{pushed}");
    skopeo(["copy", &certs, "--dest-creds=ann:s3cret", &layout, &image]).success();

    let docker = Dockerd::start();
    docker.docker(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success();
    docker.docker(["run", "--rm", "--network=none", "app:1"]).success().prints(APP_SAYS);
    docker.docker(["image", "rm", "app:1"]).success();
    docker.docker(["pull", &pushed]).failure();
    let mut pull = docker.command();
    pull.env("DOCKER_CONFIG", registry.docker_config()).args(["pull", &pushed]);
    Outcome::of(&mut pull).success();
    let said = docker.docker(["run", "--rm", "--network=none", &pushed, "a b", "c"]).success();
    said.prints(&format!("{APP_SAYS}argument: a b\nargument: c\n"));
}

#[test]
fn podman_loads_and_runs() {
    peer!("nix-build", "podman", "runc", "skopeo", "tar");
    let dir = temp_dir();
    let archive = dir.path().join("app.tar");
    skopeo([
        "copy",
        &oci(&app_layout(dir.path())),
        &format!("oci-archive:{}:app:1", archive.display()),
    ])
    .success();
    let podman = Podman::new();
    podman.podman(["load".as_ref(), "-i".as_ref(), archive.as_os_str()]).success();
    podman.podman(["run", "--rm", "--network=none", "localhost/app:1"]).success().prints(APP_SAYS);
}

#[test]
fn umoci_unpacks_every_awkward_file() {
    peer!("nix-build", "tar", "umoci");
    let dir = temp_dir();
    let top = &nix::store().top;
    let layout = dir.path().join("layout");
    let closure = nix::requisites(top);
    handmade::layout(&layout, &closure, &["/none"]);
    let root = unpack(&layout, "1", &dir.path().join("bundle"));
    for path in closure {
        assert_same_tree(
            Path::new(&path),
            &root.join(path.strip_prefix('/').expect("an absolute path")),
        );
    }
}

#[test]
fn tree_diff_sees_each_difference() {
    let dir = temp_dir();
    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
    for (root, text, target, mode) in [(&a, "same", "x", 0o755), (&b, "sane", "y", 0o644)] {
        fs::create_dir_all(root.join("dir")).expect("creating a folder");
        fs::write(root.join("dir/text"), text).expect("writing a file");
        fs::write(root.join("mode"), "").expect("writing a file");
        fs::set_permissions(root.join("mode"), fs::Permissions::from_mode(mode))
            .expect("setting a mode");
        symlink(target, root.join("link")).expect("creating a link");
    }
    fs::write(a.join("kind"), "").expect("writing a file");
    fs::create_dir(b.join("kind")).expect("creating a folder");
    fs::write(a.join("new\nline"), "").expect("writing a file");
    File::create(b.join("second")).expect("writing a file");

    let differences = tree_diff(&a, &b, Compare::default());
    let expected = [
        "./second: only in the second",
        "./dir/text: contents differ at byte 2",
        "./kind: kind file against folder",
        "./link: target x against y",
        "./mode: mode 0755 against 0644",
        "./new\\nline: only in the first",
    ];
    assert_eq!(differences, expected);
    assert_same_tree(&a, &a);
}
