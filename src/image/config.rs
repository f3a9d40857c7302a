//! What a container of the image runs and how: the `config` object of the image configuration.
//!
//! Source: OCI image-spec, "Image Configuration". A file given with `--config` may also have what
//! only Docker knows, such as `Healthcheck`; it is carried along.

use std::collections::BTreeMap;

use oci_spec::image::Config;
use serde_json::{Map, Value};

/// Fields that Docker's image specification has and OCI's has not.
const DOCKER_ONLY: [&str; 17] = [
    "ArgsEscaped",
    "AttachStderr",
    "AttachStdin",
    "AttachStdout",
    "CpuShares",
    "Domainname",
    "Healthcheck",
    "Hostname",
    "Memory",
    "MemorySwap",
    "NetworkDisabled",
    "OnBuild",
    "OpenStdin",
    "Shell",
    "StdinOnce",
    "StopTimeout",
    "Tty",
];

/// How a container is run; empty means "not said".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RunConfig {
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub exposed_ports: Vec<String>,
    pub volumes: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub stop_signal: Option<String>,
    /// What only Docker knows, as it stands in the file or image.
    pub docker: Map<String, Value>,
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConfigError {
    #[error("the configuration has more than {limit} bytes")]
    TooLong { limit: usize },
    #[error("the configuration is not JSON: {0}")]
    Json(String),
    #[error("`{key}` in the configuration is {got}, expected {expected}")]
    Type { key: String, got: String, expected: &'static str },
    #[error("the configuration has an unknown key `{key}`")]
    Unknown { key: String, like: Option<&'static str> },
    #[error("`{0}` is not of the form `KEY=VALUE`")]
    KeyValue(String),
    #[error("`{0}` is not of the form `PORT[/tcp|/udp|/sctp]` with a port from 1 to 65535")]
    Port(String),
    #[error("`{what}` must be an absolute path, got `{got}`")]
    Relative { what: &'static str, got: String },
    #[error("no root has a program `{wanted}`")]
    NoProgram { wanted: String, there: Vec<String> },
    #[error("`{name}` does not exist, though its store path does")]
    NoFile { name: String },
}

const KNOWN: [&str; 9] = [
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Labels",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];

/// What Docker notes of the making of an image: the container and image it was made with, and what
/// a build upon it is to do first, which only a build can.
const MAKING: [&str; 3] = ["Hostname", "Image", "OnBuild"];

/// How many programs a hint names.
const MENTIONED: usize = 8;

impl ConfigError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { like: Some(like), .. } => Some(format!("did you mean `{like}`?")),
            Self::Unknown { .. } => {
                Some(format!("known keys are {} and those of Docker", KNOWN.join(", ")))
            }
            Self::NoProgram { there, .. } if there.is_empty() => Some(
                "the roots have no programs in `bin`; give the one to run by its full name".into(),
            ),
            Self::NoProgram { there, .. } => {
                let more = there.len().saturating_sub(MENTIONED);
                let some = there[..there.len() - more].join(", ");
                let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
                Some(format!("there are {some}{rest}"))
            }
            Self::NoFile { .. } => {
                Some("give the store path itself, or a file that is in it".into())
            }
            Self::TooLong { .. } | Self::Json(_) | Self::Type { .. } => Some(
                "the file is the `config` object of an image, such as `skopeo inspect --config` prints".into(),
            ),
            Self::KeyValue(_) | Self::Port(_) | Self::Relative { .. } => {
                Some("write it in that form, in the file or on the command line".into())
            }
        }
    }
}

/// `KEY=VALUE`, the key not empty.
pub fn key_value(text: &str) -> Result<(String, String), ConfigError> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err(ConfigError::KeyValue(text.into())),
    }
}

/// `PORT[/PROTO]`, with the protocol written out.
pub fn port(text: &str) -> Result<String, ConfigError> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match number.parse::<u16>() {
        Ok(1..) if ["tcp", "udp", "sctp"].contains(&protocol) => Ok(format!("{number}/{protocol}")),
        _ => Err(ConfigError::Port(text.into())),
    }
}

/// An absolute path, as working directories and volumes must be.
pub fn absolute(what: &'static str, text: &str) -> Result<String, ConfigError> {
    match text.starts_with('/') {
        true => Ok(text.into()),
        false => Err(ConfigError::Relative { what, got: text.into() }),
    }
}

impl RunConfig {
    /// As long as registries let a whole manifest be (distribution, `MaxManifestBodySize`).
    pub const MAX_LEN: usize = 4 << 20;

    /// Reads the `config` object of an image configuration, by itself or within one.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        if text.len() > Self::MAX_LEN {
            return Err(ConfigError::TooLong { limit: Self::MAX_LEN });
        }
        let value: Value =
            serde_json::from_str(text).map_err(|e| ConfigError::Json(e.to_string()))?;
        let object = match value {
            Value::Object(mut outer) => match outer.remove("config") {
                Some(inner) => as_object("config", inner)?,
                None => outer,
            },
            other => as_object("the file", other)?,
        };
        let known = || KNOWN.iter().chain(&DOCKER_ONLY);
        for (key, _) in object.iter().filter(|(_, value)| !value.is_null()) {
            if !known().any(|known| known == key) {
                let plain = key.replace('_', "");
                let like = known().find(|known| known.eq_ignore_ascii_case(&plain)).copied();
                return Err(ConfigError::Unknown { key: key.clone(), like });
            }
        }
        Self::read(object)
    }

    /// Reads the `config` object of somebody else's image. What is not known is carried along; what
    /// was meant for the making of that image alone is not.
    pub fn of_image(mut object: Map<String, Value>) -> Result<Self, ConfigError> {
        for key in MAKING {
            object.remove(key);
        }
        // A variable without a value is not set in a container either.
        if let Some(Value::Array(env)) = object.get_mut("Env") {
            env.retain(|pair| pair.as_str().is_none_or(|pair| key_value(pair).is_ok()));
        }
        Self::read(object)
    }

    fn read(object: Map<String, Value>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (key, value) in object.into_iter().filter(|(_, value)| !value.is_null()) {
            match key.as_str() {
                "Cmd" => config.cmd = strings(&key, value)?,
                "Entrypoint" => config.entrypoint = strings(&key, value)?,
                "Env" => {
                    let pairs = strings(&key, value)?;
                    config.env =
                        pairs.iter().map(|pair| key_value(pair)).collect::<Result<_, _>>()?;
                }
                "ExposedPorts" => {
                    let ports = as_object(&key, value)?;
                    config.exposed_ports =
                        ports.keys().map(|text| port(text)).collect::<Result<_, _>>()?;
                }
                "Labels" => {
                    let labels = as_object(&key, value)?.into_iter();
                    let each = labels.map(|(name, text)| Ok((name, string(&key, text)?)));
                    config.labels = each.collect::<Result<_, _>>()?;
                }
                "StopSignal" => {
                    let signal = Some(string(&key, value)?);
                    config.stop_signal = signal.filter(|signal| !signal.is_empty());
                }
                "User" => config.user = Some(string(&key, value)?).filter(|user| !user.is_empty()),
                "Volumes" => {
                    let volumes = as_object(&key, value)?;
                    config.volumes = volumes
                        .keys()
                        .map(|text| absolute("Volumes", text))
                        .collect::<Result<_, _>>()?;
                }
                "WorkingDir" => {
                    let dir = Some(string(&key, value)?).filter(|dir| !dir.is_empty());
                    config.working_dir = dir.map(|dir| absolute("WorkingDir", &dir)).transpose()?;
                }
                _ => {
                    config.docker.insert(key, value);
                }
            }
        }
        Ok(config)
    }

    /// As `oci-spec` has it; what only Docker knows is not in it.
    pub(crate) fn to_oci(&self) -> Config {
        fn some<T: IntoIterator + Clone>(value: &T) -> Option<T> {
            value.clone().into_iter().next().is_some().then(|| value.clone())
        }
        let env: Vec<String> =
            self.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut config = Config::default();
        config.set_user(self.user.clone());
        config.set_exposed_ports(some(&self.exposed_ports));
        config.set_env(some(&env));
        config.set_entrypoint(some(&self.entrypoint));
        config.set_cmd(some(&self.cmd));
        config.set_volumes(some(&self.volumes));
        config.set_working_dir(self.working_dir.clone());
        config.set_labels(some(&self.labels).map(|labels| labels.into_iter().collect()));
        config.set_stop_signal(self.stop_signal.clone());
        config
    }
}

fn fault(key: &str, got: &Value, expected: &'static str) -> ConfigError {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    ConfigError::Type { key: key.into(), got: got.into(), expected }
}

fn as_object(key: &str, value: Value) -> Result<Map<String, Value>, ConfigError> {
    match value {
        Value::Object(object) => Ok(object),
        other => Err(fault(key, &other, "an object")),
    }
}

fn string(key: &str, value: Value) -> Result<String, ConfigError> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(fault(key, &other, "a string")),
    }
}

fn strings(key: &str, value: Value) -> Result<Vec<String>, ConfigError> {
    match value {
        Value::Array(items) => items.into_iter().map(|item| string(key, item)).collect(),
        other => Err(fault(key, &other, "a list of strings")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_tools_config_is_read_whole() {
        let text = r#"{"Cmd": ["/bin/x"], "Env": ["A=1", "B=2=3"], "ExposedPorts": {"80": {}, "53/udp": {}},
            "Volumes": {"/data": {}}, "WorkingDir": "/w", "User": "app", "Labels": {"l": "m"},
            "Healthcheck": {"Test": ["NONE"]}, "Entrypoint": null}"#;
        let config = RunConfig::from_json(text).unwrap();
        assert_eq!(config.env["B"], "2=3");
        assert_eq!(config.exposed_ports, ["53/udp", "80/tcp"]);
        assert!(config.docker.contains_key("Healthcheck"));
        assert_eq!(RunConfig::from_json(&format!("{{\"config\": {text}}}")).unwrap(), config);
    }

    #[test]
    fn faults_are_named() {
        for (text, words) in [
            ("{", "not JSON"),
            ("[]", "a list, expected an object"),
            (r#"{"Cmd": "x"}"#, "`Cmd` in the configuration is a string, expected a list"),
            (r#"{"Env": ["X"]}"#, "`X` is not of the form"),
            (r#"{"cmd": []}"#, "unknown key `cmd`"),
            (r#"{"ExposedPorts": {"0": {}}}"#, "`0` is not"),
            (r#"{"WorkingDir": "w"}"#, "absolute"),
        ] {
            let error = RunConfig::from_json(text).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = RunConfig::from_json(r#"{"working_dir": "/"}"#).unwrap_err();
        assert_eq!(error.hint().unwrap(), "did you mean `WorkingDir`?");
    }
}
