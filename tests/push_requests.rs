//! How little a push asks of a real registry, as the registry's own log has it.

mod support;

use std::fs;

use support::demo::Demo;
use support::outcome::Outcome;
use support::registry::{DockerRegistry, Options};

/// Two layers and a configuration.
const BLOBS: usize = 3;

/// A demo store, a registry with a password behind TLS, and a cache that outlives a push.
struct World {
    demo: Demo,
    registry: DockerRegistry,
}

impl World {
    fn new() -> Self {
        let registry =
            DockerRegistry::start(Options { htpasswd: Some(("ann", "s3cret")), tls: true });
        Self { demo: Demo::new(), registry }
    }

    /// Pushes to `name` and answers what the registry was asked meanwhile: `METHOD PATH`.
    #[track_caller]
    fn push(&self, name: &str, flags: &[&str]) -> Vec<String> {
        let before = self.registry.log().len();
        let mut oci = self.demo.ask("oci");
        oci.env("DOCKER_CONFIG", self.registry.docker_config());
        oci.env("XDG_CACHE_HOME", self.demo.path("cache"));
        oci.args(["--push", &self.registry.reference(name), "--ca"]);
        oci.arg(self.registry.ca().expect("it has TLS")).args(flags);
        Outcome::of(&mut oci).success();
        let log = self.registry.log().split_off(before);
        let request = |line: &str| {
            let (_, rest) = line.split_once("] \"")?;
            let (request, _) = rest.split_once(" HTTP/")?;
            Some(request.split('?').next()?.to_owned())
        };
        log.lines().filter_map(request).collect()
    }
}

fn count(requests: &[String], method: &str, part: &str) -> usize {
    requests.iter().filter(|line| line.starts_with(method) && line.contains(part)).count()
}

#[test]
fn no_request_is_made_in_vain() {
    peer!("docker-registry", "htpasswd", "openssl");
    let world = World::new();

    // A new repository: who we are, that there is no such tag and no such repository; then each blob and the manifest.
    let first = world.push("team/app:1", &[]);
    assert_eq!(count(&first, "POST", "/blobs/uploads/"), BLOBS, "{first:#?}");
    assert_eq!(count(&first, "PUT", "/blobs/uploads/"), BLOBS, "{first:#?}");
    assert_eq!(count(&first, "PUT", "/manifests/1"), 1, "{first:#?}");
    assert_eq!(count(&first, "HEAD", ""), 0, "{first:#?}");
    assert_eq!(first.len(), 2 * BLOBS + 1 + 3, "{first:#?}");

    // The same again.
    assert_eq!(world.push("team/app:1", &[]), ["GET /v2/team/app/manifests/1"]);

    // The same under another tag, which is said or found out.
    let known = world.push("team/app:2", &["--known", "1"]);
    assert_eq!(known, ["GET /v2/team/app/manifests/1", "PUT /v2/team/app/manifests/2"]);
    let found = [
        "GET /v2/team/app/manifests/3",
        "GET /v2/team/app/tags/list",
        "GET /v2/team/app/manifests/2",
        "PUT /v2/team/app/manifests/3",
    ];
    assert_eq!(world.push("team/app:3", &[]), found);

    // One blob differs: the configuration.
    let changed = world.push("team/app:1", &["--env", "A=1"]);
    assert_eq!(changed.len(), 4, "{changed:#?}");
    assert_eq!(count(&changed, "HEAD", ""), 0, "{changed:#?}");
    // And back to what the repository has under another tag: nothing is sent, though the tag does not name it.
    let back = world.push("team/app:1", &[]);
    assert_eq!(
        count(&back, "PUT", "/blobs/"),
        1,
        "a configuration of some hundred bytes: {back:#?}"
    );
}

#[test]
fn a_blob_that_the_registry_lost_is_sent_again() {
    peer!("docker-registry", "htpasswd", "openssl");
    let world = World::new();
    world.push("app:1", &[]);
    let layers =
        world.registry.storage().join("docker/registry/v2/repositories/app/_layers/sha256");
    let links = || fs::read_dir(&layers).expect("a folder").count();
    assert_eq!(links(), BLOBS);
    // Somebody collects what is in use.
    fs::remove_dir_all(&layers).expect("removing the links of all layers");
    let healed = world.push("app:1", &["--env", "A=1"]);
    assert_eq!(count(&healed, "PUT", "/manifests/1"), 2, "{healed:#?}");
    assert_eq!(links(), BLOBS, "{healed:#?}");
}

#[test]
fn several_tags_and_repositories_share_what_they_can() {
    peer!("docker-registry", "htpasswd", "openssl");
    let world = World::new();
    let [two, other] = ["app:2", "other:1"].map(|name| world.registry.reference(name));
    let all = world.push("app:1", &["--push", &two, "--push", &other]);
    assert_eq!(count(&all, "PUT", "/app/blobs/"), BLOBS, "{all:#?}");
    for tag in ["/app/manifests/1", "/app/manifests/2", "/other/manifests/1"] {
        assert_eq!(count(&all, "PUT", tag), 1, "{all:#?}");
    }
    // Who we are is asked once for both repositories.
    let statuses = world.registry.log();
    assert_eq!(statuses.matches(" 401 ").count(), 1, "{statuses}");
}
