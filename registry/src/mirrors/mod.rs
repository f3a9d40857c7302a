//! Where else an image may be pulled from: `registries.conf` of podman, skopeo and buildah.
//!
//! containers-registries.conf(5), version 2: an entry is for all images below its `prefix`; the longest prefix counts.
//! Its mirrors are tried in order, then its `location`, or the image's own name if that is empty. It is about pulls
//! alone: what is pushed goes where its name says.

mod conf;

use std::path::PathBuf;
use std::{env, fs, io};

use crate::{Error, Reference};

use self::conf::{Entry, PullFrom};

/// The files, of which none has to exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorPlaces {
    /// The first of these that exists.
    pub files: Vec<PathBuf>,
    /// Then all `*.conf` in these, by name; a later entry replaces an earlier one for the same prefix.
    pub folders: Vec<PathBuf>,
}

impl MirrorPlaces {
    /// Those of this process: `CONTAINERS_REGISTRIES_CONF` alone, or the user's or the system's `registries.conf`; and
    /// the `registries.conf.d` of both.
    pub fn from_env() -> Self {
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let user =
            path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
        let user = user.map(|config| config.join("containers"));
        let system = PathBuf::from("/etc/containers");
        let both = [user.clone(), Some(system.clone())].into_iter().flatten();
        Self {
            files: match path("CONTAINERS_REGISTRIES_CONF") {
                Some(file) => vec![file],
                None => both.map(|folder| folder.join("registries.conf")).collect(),
            },
            folders: [Some(system), user]
                .into_iter()
                .flatten()
                .map(|folder| folder.join("registries.conf.d"))
                .collect(),
        }
    }
}

/// A place to pull from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// What the image is called there.
    pub(crate) reference: Reference,
    /// Whether certificates are not checked there, and plain http will do.
    pub(crate) insecure: bool,
}

/// The entries of all files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mirrors {
    entries: Vec<Entry>,
}

impl Mirrors {
    /// Reads the files.
    pub(crate) fn read(places: &MirrorPlaces) -> Result<Self, Error> {
        let mut mirrors = Self::default();
        for path in &places.files {
            if mirrors.add(path)? {
                break;
            }
        }
        for folder in &places.folders {
            let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
                Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
                Err(error) if is_absent(&error) => continue,
                Err(source) => return Err(Error::ReadMirrors { path: folder.clone(), source }),
            };
            paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
            paths.sort();
            for path in &paths {
                mirrors.add(path)?;
            }
        }
        Ok(mirrors)
    }

    /// False if there is no such file.
    fn add(&mut self, path: &PathBuf) -> Result<bool, Error> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => return Ok(false),
            Err(source) => return Err(Error::ReadMirrors { path: path.clone(), source }),
        };
        let entries = conf::parse(&text)
            .map_err(|reason| Error::InvalidMirrors { path: path.clone(), reason })?;
        for entry in entries {
            self.entries.retain(|known| known.prefix != entry.prefix);
            self.entries.push(entry);
        }
        Ok(true)
    }

    /// Where `reference` is pulled from, in the order to try: at least one place.
    pub(crate) fn candidates(&self, reference: &Reference) -> Result<Vec<Candidate>, Error> {
        let name = reference.to_string();
        let matching = self.entries.iter().filter_map(|entry| Some((entry.matches(&name)?, entry)));
        let Some((end, entry)) = matching.max_by_key(|(end, entry)| (*end, entry.prefix.len()))
        else {
            return Ok(vec![Candidate { reference: reference.clone(), insecure: false }]);
        };
        if entry.blocked {
            return Err(Error::Blocked { reference: name, prefix: entry.prefix.clone() });
        }
        let pinned = reference.digest().is_some();
        let mut candidates = Vec::new();
        for mirror in &entry.mirrors {
            let allowed = match mirror.from {
                PullFrom::All => !entry.mirror_by_digest_only || pinned,
                PullFrom::DigestOnly => pinned,
                PullFrom::TagOnly => !pinned,
            };
            if allowed {
                let insecure = mirror.insecure;
                let reference = rewritten(&mirror.location, &name[end..])?;
                candidates.push(Candidate { reference, insecure });
            }
        }
        let own = match entry.location.as_str() {
            "" => reference.clone(),
            location => rewritten(location, &name[end..])?,
        };
        candidates.push(Candidate { reference: own, insecure: entry.insecure });
        Ok(candidates)
    }
}

fn rewritten(location: &str, rest: &str) -> Result<Reference, Error> {
    Ok(format!("{location}{rest}").parse()?)
}

/// Folders of others may be closed to us; then they are none of ours.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn mirrors(text: &str) -> Mirrors {
        Mirrors { entries: conf::parse(text).unwrap() }
    }

    fn shown(mirrors: &Mirrors, text: &str) -> Vec<String> {
        let candidates = mirrors.candidates(&text.parse().unwrap()).unwrap();
        let insecure = |candidate: &Candidate| if candidate.insecure { "!" } else { "" };
        candidates.iter().map(|it| format!("{}{}", insecure(it), it.reference)).collect()
    }

    const CONF: &str = r#"
        unqualified-search-registries = ["docker.io"]
        [[registry]]
        location = "docker.io"
        [[registry.mirror]]
        location = "mirror.example/hub"
        [[registry.mirror]]
        location = "10.0.0.1:5000"
        insecure = true
        pull-from-mirror = "digest-only"

        [[registry]]
        prefix = "docker.io/library"
        location = "internal.example/official"

        [[registry]]
        prefix = "*.corp.example"
        insecure = true
        [[registry.mirror]]
        location = "mirror.example/corp"
        pull-from-mirror = "tag-only"

        [[registry]]
        prefix = "*.a.corp.example"
        location = "a.example/all"

        [[registry]]
        location = "quay.io/team"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "mirror.example/team"

        [[registry]]
        prefix = "bad.example"
        blocked = true
    "#;

    #[test]
    fn mirrors_come_first_and_the_longest_prefix_counts() {
        let mirrors = mirrors(CONF);
        for (text, expected) in [
            ("ghcr.io/x:1", &["ghcr.io/x:1"][..]),
            ("user/app:1", &["mirror.example/hub/user/app:1", "docker.io/user/app:1"]),
            ("alpine:3", &["internal.example/official/alpine:3"]),
            ("docker.io.example/x", &["docker.io.example/x:latest"]),
            ("a.corp.example/x:1", &["mirror.example/corp/x:1", "!a.corp.example/x:1"]),
            ("b.a.corp.example/x:1", &["a.example/all/x:1"]),
            ("corp.example/x:1", &["corp.example/x:1"]),
            ("x.example/y.corp.example/z:1", &["x.example/y.corp.example/z:1"]),
            ("quay.io/team/x:1", &["quay.io/team/x:1"]),
            ("quay.io/teams/x:1", &["quay.io/teams/x:1"]),
        ] {
            assert_eq!(shown(&mirrors, text), expected, "{text}");
        }
        assert_eq!(
            shown(&mirrors, &format!("user/app{DIGEST}")),
            [
                format!("mirror.example/hub/user/app{DIGEST}"),
                format!("!10.0.0.1:5000/user/app{DIGEST}"),
                format!("docker.io/user/app{DIGEST}")
            ]
        );
        assert_eq!(shown(&mirrors, &format!("quay.io/team/x{DIGEST}")).len(), 2);
        assert_eq!(shown(&mirrors, &format!("b.corp.example/x{DIGEST}")).len(), 1);
        let error = mirrors.candidates(&"bad.example/x".parse().unwrap()).unwrap_err();
        assert!(matches!(error, Error::Blocked { .. }));
    }

    #[test]
    fn files_are_found_and_later_entries_replace_earlier_ones() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let entry = |from: &str, to: &str| {
            format!("[[registry]]\nprefix = \"{from}\"\nlocation = \"{to}\"\n")
        };
        fs::create_dir(at("d")).unwrap();
        fs::write(at("user.conf"), entry("a.io", "user.io") + &entry("b.io", "user.io")).unwrap();
        fs::write(at("system.conf"), entry("c.io", "system.io")).unwrap();
        fs::write(at("d/2.conf"), entry("a.io", "two.io")).unwrap();
        fs::write(at("d/1.conf"), entry("a.io", "one.io")).unwrap();
        fs::write(at("d/readme"), "[").unwrap();
        let files = ["absent.conf", "user.conf", "system.conf"].map(at).to_vec();
        let places = MirrorPlaces { files, folders: vec![at("absent"), at("d")] };
        let mirrors = Mirrors::read(&places).unwrap();
        assert_eq!(shown(&mirrors, "a.io/x:1"), ["two.io/x:1"]);
        assert_eq!(shown(&mirrors, "b.io/x:1"), ["user.io/x:1"]);
        assert_eq!(shown(&mirrors, "c.io/x:1"), ["c.io/x:1"]);
        fs::write(at("d/3.conf"), "[[registry]]\nlocation = 3").unwrap();
        let error = Mirrors::read(&places).unwrap_err().to_string();
        assert!(error.contains("3.conf"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_pulled_stays_the_same(
            prefix in "(\\*\\.)?[a-c](\\.[a-c]){0,2}(/[a-c]){0,2}",
            location in "[a-c]\\.[a-c](/[a-c]){0,2}",
            name in "[a-c](\\.[a-c]){1,2}(/[a-c]){1,3}(:[a-c])?",
            pinned in any::<bool>(),
        ) {
            let text = format!("[[registry]]\nprefix = \"{prefix}\"\nlocation = \"{location}\"");
            let Ok(entries) = conf::parse(&text) else { return Ok(()) };
            let reference: Reference = format!("{name}{}", if pinned { DIGEST } else { "" }).parse().unwrap();
            // A prefix may be a whole image, and its location then lacks a repository.
            if let Ok(candidates) = (Mirrors { entries }).candidates(&reference) {
                prop_assert_eq!(candidates.len(), 1);
                prop_assert_eq!(candidates[0].reference.tag(), reference.tag());
                prop_assert_eq!(candidates[0].reference.digest(), reference.digest());
            }
        }
    }
}
