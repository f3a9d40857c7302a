//! Under which keys of a credentials file a registry may be found, best first.
//!
//! As <https://github.com/containers/image/blob/main/pkg/docker/config/config.go> does it: the repository itself and
//! its parent namespaces (podman writes `host/namespace`), then the host. Keys in files may also be URLs, and Docker
//! Hub goes by several names, so both sides are normalised before they are compared a second time.

/// The key that `docker login` writes, and asks helpers for, when the registry is Docker Hub.
pub(crate) const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The exact keys to try: `host/a/b`, `host/a`, `host`.
pub(crate) fn exact(registry: &str, repository: &str) -> Vec<String> {
    let host = if is_hub(registry) { "docker.io" } else { registry };
    let mut key = format!("{host}/{repository}");
    let mut keys = vec![key.clone()];
    while let Some(cut) = key.rfind('/') {
        key.truncate(cut);
        keys.push(key.clone());
    }
    keys
}

/// A key or host without scheme and path, with one name for Docker Hub.
pub(crate) fn normalised(key: &str) -> String {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let host = rest.split('/').next().unwrap_or(rest).to_ascii_lowercase();
    if is_hub(&host) { "docker.io".to_owned() } else { host }
}

/// Whether `key` in a file names a whole registry rather than a namespace of one.
pub(crate) fn names_a_host(key: &str) -> bool {
    key.starts_with("https://") || key.starts_with("http://") || !key.contains('/')
}

/// What to ask a helper for.
pub(crate) fn for_helper(registry: &str) -> &str {
    if is_hub(registry) { HUB_KEY } else { registry }
}

fn is_hub(host: &str) -> bool {
    matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_come_before_the_host() {
        assert_eq!(exact("host:5000", "a/b"), ["host:5000/a/b", "host:5000/a", "host:5000"]);
        assert_eq!(
            exact("registry-1.docker.io", "library/x"),
            ["docker.io/library/x", "docker.io/library", "docker.io"]
        );
    }

    #[test]
    fn urls_and_names_of_the_hub_are_one() {
        for key in
            [HUB_KEY, "docker.io", "index.docker.io", "https://registry-1.docker.io", "Docker.io"]
        {
            assert_eq!(normalised(key), "docker.io");
        }
        assert_eq!(normalised("https://host:5000/v2/"), "host:5000");
        assert!(names_a_host("https://host/v1/") && !names_a_host("host/namespace"));
    }
}
