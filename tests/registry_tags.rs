//! `tags` and `rm` against a real registry: what is listed is there, and what is removed takes nothing along.

mod support;

use std::fs;
use std::path::Path;

use serde_json::json;
use support::copy::skopeo;
use support::handmade;
use support::registry::DockerRegistry;
use support::temp_dir;
use support::tool::tool;

/// Pushes two images, the first under the tags `a` and `b`, the second under `c`; answers the first's digest.
fn push(repository: &str, dir: &Path) -> String {
    fs::write(dir.join("file"), "content").expect("writing a file");
    let mut digests = Vec::new();
    for (name, tags) in [("one", &["a", "b"][..]), ("two", &["c"])] {
        let layout = dir.join(name);
        handmade::layout(&layout, &[dir.join("file")], &[name]);
        let tags: Vec<String> = tags.iter().map(|tag| format!("{repository}:{tag}")).collect();
        let layout = layout.to_str().expect("ASCII");
        let args = ["copy", layout].into_iter().chain(tags.iter().map(String::as_str));
        let copied = tool(args).success();
        let (_, digest) =
            copied.text().lines().next().and_then(|line| line.split_once('@')).expect("a digest");
        digests.push(digest.to_owned());
    }
    digests.swap_remove(0)
}

#[track_caller]
fn assert_tags(repository: &str, expected: &[&str]) {
    tool(["tags", repository]).success().prints(&format!("{}\n", expected.join("\n")));
    for tag in expected {
        let image = format!("docker://{repository}:{tag}");
        skopeo(["inspect", "--tls-verify=false", &image]).success();
    }
}

#[test]
fn a_tag_goes_alone_and_an_image_with_its_tags() {
    peer!("docker-registry", "skopeo", "tar");
    let registry = DockerRegistry::plain();
    let dir = temp_dir();
    let repository = registry.reference("team/app");
    let digest = push(&repository, dir.path());
    assert_tags(&repository, &["a", "b", "c"]);
    let listed = tool(["tags", &repository, "--json"]).success().json();
    assert_eq!(listed, json!({"repository": repository, "tags": ["a", "b", "c"]}));

    let removed = tool(["rm", &format!("{repository}:a"), "--json"]).success().json();
    assert_eq!(removed, json!({"removed": [format!("{repository}:a")]}));
    assert_tags(&repository, &["b", "c"]);
    let again = tool(["rm", &format!("{repository}:a")]).code(1);
    again.complains("does not exist").complains("hint: ").prints("");
    tool(["rm", &format!("{repository}@{digest}")]).success().prints("");
    assert_tags(&repository, &["c"]);
    tool(["rm", &format!("{repository}@{digest}")]).code(1).complains("does not exist");
}

#[test]
fn where_nothing_is_deleted_all_stays() {
    peer!("docker-registry", "skopeo", "tar");
    let registry = DockerRegistry::undeletable();
    let dir = temp_dir();
    let repository = registry.reference("app");
    let digest = push(&repository, dir.path());
    for name in [format!("{repository}:a"), format!("{repository}@{digest}")] {
        let failed = tool(["rm", &name]).code(1);
        failed.complains("does not delete").complains("storage.delete.enabled").prints("");
    }
    assert_tags(&repository, &["a", "b", "c"]);
    let image = format!("docker://{repository}:a");
    let inspected = skopeo(["inspect", "--tls-verify=false", "--format={{.Digest}}", &image]);
    assert_eq!(inspected.success().text(), digest);
}

#[test]
fn what_is_not_said_is_not_removed() {
    let digest = format!("sha256:{}", "0".repeat(64));
    for name in ["localhost:1/app", "localhost/app", &format!("localhost:1/app:1@{digest}")] {
        tool(["rm", name]).code(2).complains("hint: ").prints("");
    }
    // All are checked before the first goes: nobody is asked here.
    tool(["rm", "localhost:1/app:1", "localhost:1/app"]).code(2).complains("does not say");
    tool(["tags", "localhost:1/app:1"]).code(2).complains("`localhost:1/app`");
    tool(["rm", "https://localhost/app:1"]).code(1).complains("URL");
}

#[test]
fn no_repository_is_told() {
    peer!("docker-registry");
    let registry = DockerRegistry::plain();
    let failed = tool(["tags", &registry.reference("none")]).code(1);
    failed.complains("does not exist").complains("hint: ").prints("");
}
