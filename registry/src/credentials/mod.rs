//! Who the user is to a registry, as `docker login`, `podman login` and credential helpers left it.
//!
//! Files are searched in podman's order until one knows the registry:
//! `REGISTRY_AUTH_FILE` (which is then the only one), `$XDG_RUNTIME_DIR/containers/auth.json`,
//! `$XDG_CONFIG_HOME/containers/auth.json`, `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`, `~/.dockercfg`.
//! The process environment is read in one place ([`Environment::from_env`]), so that everything else can be tried
//! with any other.

mod file;
mod helper;
mod keys;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::Secret;
use file::{File, Found};

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

/// Where credentials may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `REGISTRY_AUTH_FILE`: the only file to look at.
    pub auth_file: Option<PathBuf>,
    /// Where `podman login` and `skopeo login` write: `containers/auth.json` in `XDG_RUNTIME_DIR`, or without that
    /// variable, as in most CI, `/run/containers/<user id>/auth.json`.
    pub podman_auth: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`; without it, `.config` in the home directory.
    pub config_home: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the folder of `config.json`; without it, `.docker` in the home directory.
    pub docker_config: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// The folder of the helpers, if it is not to be searched in `PATH`.
    pub helper_dir: Option<PathBuf>,
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
    /// A helper did not do its work.
    #[error("cannot get the credentials that `{}` refers to: {reason}", path.display())]
    Helper {
        /// The file that names the helper.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

impl CredentialsError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Helper { path, .. } => Some(format!(
                "install or fix the helper, or remove it from `{}` and log in again",
                path.display()
            )),
            Self::Invalid { path, .. } => Some(format!(
                "correct `{}`, or name another file in REGISTRY_AUTH_FILE",
                path.display()
            )),
            Self::Read { .. } => None,
        }
    }
}

impl Environment {
    /// The environment of this process.
    pub fn from_env() -> Self {
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            auth_file: path("REGISTRY_AUTH_FILE"),
            podman_auth: path("XDG_RUNTIME_DIR")
                .map(|folder| folder.join("containers/auth.json"))
                .or_else(podman_default),
            config_home: path("XDG_CONFIG_HOME"),
            docker_config: path("DOCKER_CONFIG"),
            home: path("HOME"),
            helper_dir: None,
        }
    }

    /// The credential for `repository` in `registry`, or `None` if nobody has logged in.
    pub fn credential(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, CredentialsError> {
        for path in self.files() {
            let Some(file) = read(&path)? else { continue };
            let found = file
                .find(registry, repository)
                .map_err(|reason| CredentialsError::Invalid { path: path.clone(), reason })?;
            if let Some(credential) = self.first(found, registry, &path)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// The first that yields something. A helper's failure matters only if nothing after it does.
    fn first(
        &self,
        found: Vec<Found>,
        registry: &str,
        path: &Path,
    ) -> Result<Option<Credential>, CredentialsError> {
        let mut failure = None;
        for place in found {
            match place {
                Found::Credential(credential) => return Ok(Some(credential)),
                Found::Helper(name) => {
                    match helper::get(&name, keys::for_helper(registry), self.helper_dir.as_deref())
                    {
                        Ok(Some(credential)) => return Ok(Some(credential)),
                        Ok(None) => {}
                        Err(reason) => {
                            failure =
                                Some(CredentialsError::Helper { path: path.to_owned(), reason });
                        }
                    }
                }
            }
        }
        failure.map_or(Ok(None), Err)
    }

    fn files(&self) -> Vec<PathBuf> {
        if let Some(file) = &self.auth_file {
            return vec![file.clone()];
        }
        let below_home = |name: &str| self.home.as_ref().map(|home| home.join(name));
        let config_home = self.config_home.clone().or_else(|| below_home(".config"));
        let docker = self.docker_config.clone().or_else(|| below_home(".docker"));
        [
            self.podman_auth.clone(),
            config_home.map(|folder| folder.join("containers/auth.json")),
            docker.map(|folder| folder.join("config.json")),
            below_home(".dockercfg"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// As containers/image has it: `/run/containers/<user id>/auth.json`.
fn podman_default() -> Option<PathBuf> {
    // The process owns its entry in /proc, which spares a system call that std does not have.
    let user = fs::metadata("/proc/self").ok()?.uid();
    Some(PathBuf::from(format!("/run/containers/{user}/auth.json")))
}

fn read(path: &Path) -> Result<Option<File>, CredentialsError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(source) => return Err(CredentialsError::Read { path: path.to_owned(), source }),
    };
    let ancient = path.file_name().is_some_and(|name| name == ".dockercfg");
    File::parse(&bytes, ancient)
        .map(Some)
        .map_err(|reason| CredentialsError::Invalid { path: path.to_owned(), reason })
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
