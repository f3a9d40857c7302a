//! Writes what a login leaves behind, so that docker, podman and skopeo find it as well.
//!
//! The file is docker's `config.json`, or the one in `REGISTRY_AUTH_FILE`. All that is in it stays, but for the entries
//! of the registry at hand; a file that cannot be understood is left alone. It is replaced as a whole, by one that its
//! owner alone can read. Where it names a helper for the registry, the helper keeps the secret and the file gets an
//! empty entry, as with docker.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, fchown};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use super::file::File;
use super::{CredentialsError, Environment, helper, keys, read_bytes};
use crate::{RegistryName, Secret};

/// What a login or logout did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The file that was written.
    pub path: PathBuf,
    /// The program that keeps the secret, if it is not in the file.
    pub helper: Option<String>,
    /// Whether there was anything for the registry before.
    pub replaced: bool,
    /// Another place that knows the registry: after a login, one that is looked at earlier.
    pub elsewhere: Option<PathBuf>,
}

impl Environment {
    /// Keeps name and password for `registry`.
    pub fn log_in(
        &self,
        registry: &RegistryName,
        username: &str,
        password: &Secret,
    ) -> Result<Stored, CredentialsError> {
        let (path, mut config) = self.own_file()?;
        let key = keys::for_helper(registry.host());
        let helper = config.helper(registry);
        let replaced = config.remove(registry);
        let entry = match &helper {
            Some(name) => {
                helper::store(name, key, username, password, self.helper_dir.as_deref())
                    .map_err(helper_failed(&path))?;
                Map::new()
            }
            None => {
                let auth = format!("{username}:{}", password.expose());
                Map::from_iter([("auth".to_owned(), BASE64.encode(auth.as_bytes()).into())])
            }
        };
        config.insert(key, entry.into());
        config.write()?;
        let elsewhere = self.knowing(registry).next().filter(|first| *first != path);
        Ok(Stored { path, helper, replaced, elsewhere })
    }

    /// Forgets what is kept for `registry`.
    pub fn log_out(&self, registry: &RegistryName) -> Result<Stored, CredentialsError> {
        let (path, mut config) = self.own_file()?;
        let helper = config.helper(registry);
        let mut replaced = config.remove(registry);
        if let Some(name) = &helper {
            let key = keys::for_helper(registry.host());
            replaced |= helper::erase(name, key, self.helper_dir.as_deref())
                .map_err(helper_failed(&path))?;
        }
        if replaced {
            config.write()?;
        }
        let elsewhere = self.knowing(registry).find(|other| *other != path);
        Ok(Stored { path, helper, replaced, elsewhere })
    }

    /// The file that logins are written to, and what is in it.
    fn own_file(&self) -> Result<(PathBuf, Config), CredentialsError> {
        let path = self.auth_file.clone().or_else(|| self.docker_file());
        let path = path.ok_or(CredentialsError::NoPlace)?;
        let bytes = read_bytes(&path)?.unwrap_or_default();
        let config = Config::parse(&path, &bytes)?;
        Ok((path, config))
    }

    /// The places that have something for `registry`, best first; those that cannot be read say nothing.
    fn knowing(&self, registry: &RegistryName) -> impl Iterator<Item = PathBuf> {
        self.stores().filter_map(|(path, file)| {
            let found = file.ok().flatten()?.find(registry.host(), "").ok()?;
            (!found.is_empty()).then_some(path)
        })
    }
}

fn helper_failed(path: &Path) -> impl Fn(String) -> CredentialsError {
    move |reason| CredentialsError::Helper { path: path.to_owned(), reason }
}

/// A file on its way to be changed.
struct Config {
    path: PathBuf,
    content: Map<String, Value>,
}

impl Config {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, CredentialsError> {
        let path = path.to_owned();
        // The same checks as for reading: what we would not read, we do not write either.
        if let Err(reason) = File::parse(bytes, false) {
            return Err(CredentialsError::Invalid { path, reason });
        }
        let content = serde_json::from_slice(bytes).unwrap_or_default();
        Ok(Self { path, content })
    }

    /// The helper that keeps the secret of `registry`: its own, or the one for all.
    fn helper(&self, registry: &RegistryName) -> Option<String> {
        let own = self.content.get("credHelpers").and_then(Value::as_object);
        let own = own.into_iter().flatten().find(|(key, _)| registry.is(key));
        let name =
            own.map(|(_, name)| name).or_else(|| self.content.get("credsStore"))?.as_str()?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// Removes the registry's entries, under whatever key; true if there were any.
    fn remove(&mut self, registry: &RegistryName) -> bool {
        let Some(auths) = self.content.get_mut("auths").and_then(Value::as_object_mut) else {
            return false;
        };
        let before = auths.len();
        auths.retain(|key, _| !keys::names_a_host(key) || !registry.is(key));
        auths.len() < before
    }

    fn insert(&mut self, key: &str, entry: Value) {
        let auths = self.content.entry("auths").or_insert_with(|| Map::new().into());
        if let Value::Object(auths) = auths {
            auths.insert(key.to_owned(), entry);
        }
    }

    fn write(&self) -> Result<(), CredentialsError> {
        let path = resolved(&self.path);
        let failed = |source| CredentialsError::Write { path: self.path.clone(), source };
        let mut text =
            serde_json::to_vec_pretty(&self.content).map_err(io::Error::from).map_err(failed)?;
        text.push(b'\n');
        replace(&path, &text).map_err(failed)
    }
}

/// Where a link leads, so that it goes on pointing to what is written, even if nothing is there yet.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    match (fs::read_link(path), path.parent()) {
        (Ok(target), Some(folder)) => folder.join(target),
        _ => path.to_owned(),
    }
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Such files can be read by their owner alone from the start.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    if let Ok(old) = fs::metadata(path) {
        // Root who logs in for somebody leaves the file theirs; nobody else can, nor needs to.
        let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use serde_json::json;

    use super::*;
    use crate::Credential;

    fn name(text: &str) -> RegistryName {
        text.parse().unwrap()
    }

    fn read(path: &Path) -> Value {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    fn at(home: &Path) -> Environment {
        Environment { home: Some(home.to_owned()), ..Environment::default() }
    }

    #[test]
    fn what_is_there_stays_and_the_entry_is_found_again() {
        let home = tempfile::tempdir().unwrap();
        let environment = at(home.path());
        let path = home.path().join(".docker/config.json");
        let (host, password) = (name("host.example:5000"), Secret::new("p:w"));
        let stored = environment.log_in(&host, "ann", &password).unwrap();
        assert_eq!((&stored.path, stored.replaced), (&path, false));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

        let others = json!({
            "auths": {
                "https://host.example:5000/v1/": {"auth": "b2xkOm9sZA=="},
                "host.example:5000/team": {"auth": "dDpw"},
                "other.example": {"auth": "dDpw", "email": "x"},
            },
            "psFormat": "table", "plugins": {"a": {"b": 1}}, "HttpHeaders": {"X": "y"},
        });
        fs::write(&path, others.to_string()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let stored = environment.log_in(&host, "ann", &password).unwrap();
        assert!(stored.replaced);
        let mut expected = others.clone();
        let auths = expected["auths"].as_object_mut().unwrap();
        auths.remove("https://host.example:5000/v1/");
        auths.insert("host.example:5000".into(), json!({"auth": "YW5uOnA6dw=="}));
        assert_eq!((read(&path), mode(&path)), (expected.clone(), 0o600));
        assert_eq!(
            environment.credential("host.example:5000", "x").unwrap(),
            Some(Credential::Basic { username: "ann".into(), password })
        );
        assert!(environment.log_out(&host).unwrap().replaced);
        expected["auths"].as_object_mut().unwrap().remove("host.example:5000");
        assert_eq!(read(&path), expected);
        assert!(!environment.log_out(&host).unwrap().replaced);
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing is left beside the file");
    }

    #[test]
    fn docker_hub_has_its_own_key() {
        let home = tempfile::tempdir().unwrap();
        let environment = at(home.path());
        let stored = environment.log_in(&name("docker.io"), "ann", &Secret::new("p")).unwrap();
        let auths = json!({"https://index.docker.io/v1/": {"auth": "YW5uOnA="}});
        assert_eq!(read(&stored.path)["auths"], auths);
        assert!(environment.credential("registry-1.docker.io", "library/x").unwrap().is_some());
        environment.log_out(&name("index.docker.io")).unwrap();
        assert_eq!(read(&stored.path)["auths"], json!({}));
    }

    #[test]
    fn a_file_that_is_not_understood_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("auth.json");
        let environment = Environment { auth_file: Some(path.clone()), ..at(home.path()) };
        for text in ["{", "[]", r#"{"auths": 3}"#, r#"{"auths": {"a": 3}}"#] {
            fs::write(&path, text).unwrap();
            environment.log_in(&name("host:1"), "a", &Secret::new("b")).unwrap_err();
            environment.log_out(&name("host:1")).unwrap_err();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, r#"{"auths": null}"#).unwrap();
        let result = environment.log_in(&name("host:1"), "a", &Secret::new("b"));
        assert!(result.is_err() || read(&path)["auths"]["host:1"].is_object());
        fs::write(&path, " \n").unwrap();
        environment.log_in(&name("host:1"), "a", &Secret::new("b")).unwrap();
        assert!(read(&path)["auths"]["host:1"].is_object());
    }

    #[test]
    fn links_go_on_pointing() {
        let home = tempfile::tempdir().unwrap();
        let (link, real) = (home.path().join(".docker/config.json"), home.path().join("dots/real"));
        fs::create_dir(link.parent().unwrap()).unwrap();
        symlink("../dots/real", &link).unwrap();
        for _ in 0..2 {
            at(home.path()).log_in(&name("host:1"), "a", &Secret::new("b")).unwrap();
            assert!(link.is_symlink() && real.is_file());
        }
    }

    #[test]
    fn a_place_that_is_looked_at_earlier_is_named() {
        let home = tempfile::tempdir().unwrap();
        let podman = home.path().join("auth.json");
        fs::write(&podman, r#"{"auths": {"host:1": {"auth": "dDpw"}}}"#).unwrap();
        let environment = Environment { podman_auth: Some(podman.clone()), ..at(home.path()) };
        let stored = environment.log_in(&name("host:1"), "a", &Secret::new("b")).unwrap();
        assert_eq!(stored.elsewhere, Some(podman.clone()));
        assert_eq!(environment.log_out(&name("host:1")).unwrap().elsewhere, Some(podman));
        let stored = environment.log_in(&name("host:2"), "a", &Secret::new("b")).unwrap();
        assert_eq!(stored.elsewhere, None);
    }

    #[test]
    fn a_helper_keeps_the_secret() {
        let home = tempfile::tempdir().unwrap();
        let said = home.path().join("said");
        let script = format!("echo \"$1 $(cat)\" >> '{}'", said.display());
        let _turn = helper::tests::install(home.path(), &script);
        let environment =
            Environment { helper_dir: Some(home.path().to_owned()), ..at(home.path()) };
        let path = home.path().join(".docker/config.json");
        fs::create_dir(path.parent().unwrap()).unwrap();
        for config in [json!({"credsStore": "test"}), json!({"credHelpers": {"host:1": "test"}})] {
            fs::write(&path, config.to_string()).unwrap();
            let stored =
                environment.log_in(&name("host:1"), "ann", &Secret::new("hunter2")).unwrap();
            assert_eq!(stored.helper.as_deref(), Some("test"));
            assert_eq!(read(&path)["auths"]["host:1"], json!({}));
            let text = fs::read_to_string(&said).unwrap();
            assert!(text.contains("store {") && text.contains("\"hunter2\""), "{text}");
            environment.log_out(&name("host:1")).unwrap();
            assert!(fs::read_to_string(&said).unwrap().ends_with("erase host:1\n"));
        }
        fs::write(&path, r#"{"credsStore": "absent"}"#).unwrap();
        let error =
            environment.log_in(&name("host:1"), "ann", &Secret::new("hunter2")).unwrap_err();
        assert!(error.to_string().contains("not installed"), "{error}");
        assert_eq!(read(&path), json!({"credsStore": "absent"}));
    }
}
