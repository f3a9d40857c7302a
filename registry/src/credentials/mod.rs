//! Who the user is to a registry, as `docker login`, `podman login` and credential helpers left it.
//!
//! The JSON in `DOCKER_AUTH_CONFIG` comes first, as with docker. Then files are searched in podman's order until one
//! knows the registry: `REGISTRY_AUTH_FILE` (which is then the only one), `$XDG_RUNTIME_DIR/containers/auth.json`,
//! `$XDG_CONFIG_HOME/containers/auth.json`, `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, `~/.dockercfg`.
//! Last come `FLY_API_TOKEN` for registry.fly.io and `GITHUB_TOKEN` for ghcr.io. A helper that fails is passed over
//! unless nothing after it knows the registry.

mod environment;
mod file;
mod helper;
mod keys;
mod store;

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::Secret;
pub use environment::Environment;
use file::{File, Found};
pub(crate) use keys::HUB_KEY;
pub use store::Stored;

/// What errors name in place of a file.
const VARIABLE: &str = "DOCKER_AUTH_CONFIG";

/// How to prove who the user is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A name and a password, or what passes for one.
    Basic {
        /// The account.
        username: String,
        /// Its password.
        password: Secret,
    },
    /// A refresh token that the token server turns into access tokens.
    IdentityToken(Secret),
    /// An access token, used as it is.
    RegistryToken(Secret),
}

/// Credentials that are there but cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("cannot read the credentials in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("cannot use the credentials in `{}`: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be written.
    #[error("cannot write the credentials to `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no file to write to.
    #[error(
        "nowhere to keep credentials: neither REGISTRY_AUTH_FILE, DOCKER_CONFIG nor HOME is set"
    )]
    NoPlace,
    /// A helper did not do its work.
    #[error("cannot use the helper that `{}` names for credentials: {reason}", path.display())]
    Helper {
        /// The file that names the helper.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

impl CredentialsError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Helper { path, .. } => Some(format!(
                "install or fix the helper, or remove it from `{}` and log in again",
                path.display()
            )),
            Self::Invalid { path, .. } if path.as_os_str() == VARIABLE => {
                Some(format!("correct {VARIABLE}, or unset it"))
            }
            Self::Invalid { path, .. } => Some(format!(
                "correct `{}`, or name another file in REGISTRY_AUTH_FILE",
                path.display()
            )),
            Self::NoPlace => {
                Some("set DOCKER_CONFIG to the folder that `config.json` shall be in".to_owned())
            }
            Self::Read { .. } | Self::Write { .. } => None,
        }
    }
}

/// Whether two names, as users and files write them, are of one registry.
pub(crate) fn same_registry(one: &str, other: &str) -> bool {
    keys::normalised(one) == keys::normalised(other)
}

/// The names that a folder for `registry` may have.
pub(crate) fn names_of(registry: &str) -> Vec<&str> {
    match keys::normalised(registry).as_str() {
        "docker.io" => vec!["docker.io", "registry-1.docker.io"],
        _ => vec![registry],
    }
}

impl Environment {
    /// The credential for `repository` in `registry`, or `None` if nobody has logged in.
    pub fn credential(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, CredentialsError> {
        let mut failure = None;
        for (path, file) in self.stores() {
            let Some(file) = file? else { continue };
            let found = file
                .find(registry, repository)
                .map_err(|reason| CredentialsError::Invalid { path: path.clone(), reason })?;
            for place in found {
                let name = match place {
                    Found::Credential(credential) => return Ok(Some(credential)),
                    Found::Helper(name) => name,
                };
                let key = keys::for_helper(registry);
                match helper::get(&name, key, self.helper_dir.as_deref()) {
                    Ok(Some(credential)) => return Ok(Some(credential)),
                    Ok(None) => {}
                    Err(reason) => {
                        failure
                            .get_or_insert(CredentialsError::Helper { path: path.clone(), reason });
                    }
                }
            }
        }
        // A helper's failure matters only if nobody else knows the registry.
        match (self.of_service(registry), failure) {
            (None, Some(failure)) => Err(failure),
            (credential, _) => Ok(credential),
        }
    }

    /// `DOCKER_AUTH_CONFIG`, then the files, each with its name.
    fn stores(
        &self,
    ) -> impl Iterator<Item = (PathBuf, Result<Option<File>, CredentialsError>)> + '_ {
        let given = self.docker_auth_config.iter().map(|json| {
            let path = PathBuf::from(VARIABLE);
            let invalid = |reason| CredentialsError::Invalid { path: path.clone(), reason };
            let file = File::parse(json.expose().as_bytes(), false).map(Some).map_err(invalid);
            (path, file)
        });
        given.chain(self.files().into_iter().map(|path| {
            let file = read(&path);
            (path, file)
        }))
    }

    /// What the jobs of two services find in their environment, for the registries of these.
    pub(crate) fn of_service(&self, registry: &str) -> Option<Credential> {
        let (username, token) = match keys::normalised(registry).as_str() {
            "registry.fly.io" => ("x", self.fly_api_token.as_ref()?),
            // Any name will do.
            "ghcr.io" => {
                (self.github_actor.as_deref().unwrap_or("token"), self.github_token.as_ref()?)
            }
            _ => return None,
        };
        Some(Credential::Basic { username: username.to_owned(), password: token.clone() })
    }
}

fn read(path: &Path) -> Result<Option<File>, CredentialsError> {
    let Some(bytes) = read_bytes(path)? else { return Ok(None) };
    let ancient = path.file_name().is_some_and(|name| name == ".dockercfg");
    File::parse(&bytes, ancient)
        .map(Some)
        .map_err(|reason| CredentialsError::Invalid { path: path.to_owned(), reason })
}

/// The content of a file; `None` if there is none.
fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, CredentialsError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(source) => Err(CredentialsError::Read { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, username: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let auth = data_encoding::BASE64.encode(format!("{username}:p").as_bytes());
        fs::write(path, format!(r#"{{"auths": {{"host": {{"auth": "{auth}"}}}}}}"#)).unwrap();
    }

    fn user(environment: &Environment) -> Option<String> {
        match environment.credential("host", "x").unwrap() {
            Some(Credential::Basic { username, .. }) => Some(username),
            _ => None,
        }
    }

    #[test]
    fn files_are_searched_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let run = folder.path().join("run");
        let mut environment = Environment {
            home: Some(home.clone()),
            podman_auth: Some(run.join("containers/auth.json")),
            ..Environment::default()
        };
        assert_eq!(user(&environment), None);
        for (path, name) in [
            (home.join(".docker/config.json"), "docker"),
            (home.join(".config/containers/auth.json"), "config"),
            (run.join("containers/auth.json"), "run"),
        ] {
            write(&path, name);
            assert_eq!(user(&environment).as_deref(), Some(name));
        }
        let elsewhere = folder.path().join("elsewhere.json");
        environment.auth_file = Some(elsewhere.clone());
        assert_eq!(user(&environment), None, "an explicit file is the only one");
        write(&elsewhere, "explicit");
        assert_eq!(user(&environment).as_deref(), Some("explicit"));
    }

    fn password(environment: &Environment, registry: &str) -> Option<(String, String)> {
        match environment.credential(registry, "x").unwrap() {
            Some(Credential::Basic { username, password }) => {
                Some((username, password.expose().to_owned()))
            }
            _ => None,
        }
    }

    #[test]
    fn variables_surround_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        // `h:p`
        fs::write(&file, r#"{"auths": {"host": {"auth": "aDpw"}, "ghcr.io": {"auth": "aDpw"}}}"#)
            .unwrap();
        let secret = |text| Some(Secret::new(text));
        let mut environment = Environment {
            docker_auth_config: secret(r#"{"auths": {"host": {"auth": "dDpw"}}}"#),
            fly_api_token: secret("fly"),
            github_token: secret("hub"),
            github_actor: Some("ann".into()),
            ..Environment::default()
        };
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(password(&environment, "ghcr.io"), pair("ann", "hub"));
        environment.auth_file = Some(file);
        assert_eq!(password(&environment, "host"), pair("t", "p"));
        assert_eq!(password(&environment, "ghcr.io"), pair("h", "p"), "what is stored wins");
        assert_eq!(password(&environment, "registry.fly.io"), pair("x", "fly"));
        assert_eq!(password(&environment, "fly.io"), None);
        assert!(!format!("{environment:?}").contains("fly\""));
        environment.docker_auth_config = secret("hunter2");
        let error = environment.credential("host", "x").unwrap_err().to_string();
        assert!(error.contains("DOCKER_AUTH_CONFIG") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_missing_helper_matters_only_if_nobody_else_knows() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        fs::create_dir_all(home.join(".config/containers")).unwrap();
        fs::write(home.join(".config/containers/auth.json"), r#"{"credsStore": "absent"}"#)
            .unwrap();
        let mut environment = Environment {
            home: Some(home.to_owned()),
            helper_dir: Some(home.to_owned()),
            ..Environment::default()
        };
        let error = environment.credential("host", "x").unwrap_err().to_string();
        assert!(error.contains("auth.json"), "{error}");
        write(&home.join(".docker/config.json"), "docker");
        assert_eq!(user(&environment).as_deref(), Some("docker"));
        environment.fly_api_token = Some(Secret::new("fly"));
        assert!(password(&environment, "registry.fly.io").is_some());
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("auth.json");
        fs::write(&path, "{").unwrap();
        let environment = Environment { auth_file: Some(path), ..Environment::default() };
        let error = environment.credential("host", "x").unwrap_err();
        assert!(error.to_string().contains("auth.json") && error.hint().is_some(), "{error}");
    }
}
