//! The variables of a process that say where credentials are, or hold some.
//!
//! They are read in one place ([`Environment::from_env`]), so that everything else can be tried with any others.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::{env, fs};

use crate::Secret;

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
    /// `DOCKER_AUTH_CONFIG`: what would be in `config.json`.
    pub docker_auth_config: Option<Secret>,
    /// `FLY_API_TOKEN`, for registry.fly.io if nothing is stored for it.
    pub fly_api_token: Option<Secret>,
    /// `GITHUB_TOKEN`, for ghcr.io if nothing is stored for it.
    pub github_token: Option<Secret>,
    /// `GITHUB_ACTOR`: whose token that is.
    pub github_actor: Option<String>,
    /// The folder of the helpers, if it is not to be searched in `PATH`.
    pub helper_dir: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process.
    pub fn from_env() -> Self {
        let given = |name| env::var_os(name).filter(|value| !value.is_empty());
        let path = |name| given(name).map(PathBuf::from);
        let text = |name| given(name).and_then(|value| value.into_string().ok());
        let secret = |name| text(name).map(Secret::new);
        Self {
            auth_file: path("REGISTRY_AUTH_FILE"),
            podman_auth: path("XDG_RUNTIME_DIR")
                .map(|folder| folder.join("containers/auth.json"))
                .or_else(podman_default),
            config_home: path("XDG_CONFIG_HOME"),
            docker_config: path("DOCKER_CONFIG"),
            home: path("HOME"),
            docker_auth_config: secret("DOCKER_AUTH_CONFIG"),
            fly_api_token: secret("FLY_API_TOKEN"),
            github_token: secret("GITHUB_TOKEN"),
            github_actor: text("GITHUB_ACTOR"),
            helper_dir: None,
        }
    }

    /// The files that may know a registry, best first.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        if let Some(file) = &self.auth_file {
            return vec![file.clone()];
        }
        let config_home = self.config_home.clone().or_else(|| self.below_home(".config"));
        [
            self.podman_auth.clone(),
            config_home.map(|folder| folder.join("containers/auth.json")),
            self.docker_file(),
            self.below_home(".dockercfg"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Docker's own file.
    pub(super) fn docker_file(&self) -> Option<PathBuf> {
        let folder = self.docker_config.clone().or_else(|| self.below_home(".docker"));
        folder.map(|folder| folder.join("config.json"))
    }

    fn below_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(name))
    }
}

/// As containers/image has it: `/run/containers/<user id>/auth.json`.
fn podman_default() -> Option<PathBuf> {
    // The process owns its entry in /proc, which spares a system call that std does not have.
    let user = fs::metadata("/proc/self").ok()?.uid();
    Some(PathBuf::from(format!("/run/containers/{user}/auth.json")))
}
