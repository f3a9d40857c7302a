//! What the command line says of an image, each parsed once: mount points, ports, isolators, dependencies.

use std::str::FromStr;

use serde_json::{Value, json};

use super::image_id::ImageId;
use super::names::{AC_IDENTIFIER, AC_NAME, is_ac_identifier, is_ac_name, to_ac_name};

/// A text that does not say what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{got}` is not {expected}")]
pub struct ValueError {
    got: String,
    expected: String,
}

fn not(got: &str, expected: impl Into<String>) -> ValueError {
    ValueError { got: got.into(), expected: expected.into() }
}

/// An image's or a label's name.
pub fn identifier(text: &str) -> Result<String, ValueError> {
    if is_ac_identifier(text) { Ok(text.into()) } else { Err(not(text, AC_IDENTIFIER)) }
}

fn ac_name(text: &str) -> Result<String, ValueError> {
    if is_ac_name(text) { Ok(text.into()) } else { Err(not(text, AC_NAME)) }
}

/// A directory that is to come from elsewhere: `NAME=PATH[:ro]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct MountPoint {
    pub name: String,
    pub path: String,
    pub read_only: bool,
}

impl FromStr for MountPoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, path) = text.split_once('=').ok_or_else(|| not(text, "`NAME=PATH[:ro]`"))?;
        let (path, read_only) = path.strip_suffix(":ro").map_or((path, false), |path| (path, true));
        Ok(Self { name: ac_name(name)?, path: absolute(path)?, read_only })
    }
}

/// Absolute, without a way up and without what means nothing.
fn absolute(path: &str) -> Result<String, ValueError> {
    let expected = "an absolute path without `..`";
    if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(not(path, expected));
    }
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    Ok(format!("/{}", parts.collect::<Vec<_>>().join("/")))
}

impl MountPoint {
    /// The mount point for a directory that holds data, as `oci --volume` says it; named as docker2aci names them.
    pub fn of_volume(path: &str) -> Result<Self, ValueError> {
        let path = absolute(path)?;
        let name =
            to_ac_name(&path).map_or_else(|| "volume".into(), |name| format!("volume-{name}"));
        Ok(Self { name, path, read_only: false })
    }

    pub(super) fn to_value(&self) -> Value {
        match self.read_only {
            true => json!({"name": self.name, "path": self.path, "readOnly": true}),
            false => json!({"name": self.name, "path": self.path}),
        }
    }

    /// Whether what is in `dir` is hidden where this is mounted.
    pub fn hides(&self, dir: &str) -> bool {
        let rest = dir.strip_prefix(self.path.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A port: `NAME=PROTO:PORT[+COUNT][:socket]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    name: String,
    protocol: String,
    first: u16,
    /// How many, one after the other.
    count: u16,
    /// Whether the socket is open when the program starts.
    socket_activated: bool,
}

impl FromStr for Port {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || not(text, "`NAME=PROTO:PORT[+COUNT][:socket]`");
        let (name, rest) = text.split_once('=').ok_or_else(fault)?;
        let (rest, socket_activated) =
            rest.strip_suffix(":socket").map_or((rest, false), |rest| (rest, true));
        let (protocol, numbers) = rest.split_once(':').ok_or_else(fault)?;
        if !["tcp", "udp", "sctp"].contains(&protocol) {
            return Err(not(protocol, "one of `tcp`, `udp` and `sctp`"));
        }
        let (port, count) = numbers.split_once('+').unwrap_or((numbers, "1"));
        let expected = "a port from 1 to 65535";
        let number: u16 =
            port.parse().ok().filter(|&port| port > 0).ok_or_else(|| not(port, expected))?;
        let most = 65535 - number + 1;
        let counted: Option<u16> = count.parse().ok();
        let count = counted.filter(|it| (1..=most).contains(it));
        let expected = format!("a count from 1 to {most}: ports end at 65535");
        let count = count.ok_or_else(|| not(numbers, expected))?;
        Ok(Self {
            name: ac_name(name)?,
            protocol: protocol.into(),
            first: number,
            count,
            socket_activated,
        })
    }
}

impl Port {
    /// The port that `oci --expose` says, `80/tcp`, named as docker2aci names them.
    pub fn of_exposed(text: &str) -> Result<Self, ValueError> {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        format!("{port}-{protocol}={protocol}:{port}").parse()
    }

    pub(super) fn to_value(&self) -> Value {
        json!({
            "name": self.name,
            "protocol": self.protocol,
            "port": self.first,
            "count": self.count,
            "socketActivated": self.socket_activated,
        })
    }
}

/// A limit or right: `NAME=JSON`.
#[derive(Clone, Debug, PartialEq)]
pub struct Isolator {
    pub(super) name: String,
    pub(super) value: Value,
}

impl Isolator {
    /// Of its name and its value as JSON. What fits the name is for the check of the whole manifest.
    pub fn from_json(name: &str, json: &str) -> Result<Self, ValueError> {
        let name = identifier(name)?;
        let value = serde_json::from_str(json);
        let value = value.map_err(|error| not(json, format!("JSON: {error}")))?;
        Ok(Self { name, value })
    }

    /// Rights that are kept, all others lost; or that are lost, all others kept. Names with or without `CAP_`, divided
    /// by commas.
    pub fn capabilities(retain: bool, names: &[String]) -> Option<Self> {
        let each = names.iter().flat_map(|names| names.split(',')).map(|name| {
            let name = name.trim().to_ascii_uppercase();
            if name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
        });
        let mut set: Vec<String> = each.collect();
        set.sort();
        set.dedup();
        let which = if retain { "retain" } else { "remove" };
        let name = format!("os/linux/capabilities-{which}-set");
        (!set.is_empty()).then(|| Self { name, value: json!({"set": set}) })
    }

    /// The most memory or processor time: `resource/memory` or `resource/cpu`.
    pub fn limit(resource: &str, amount: &str) -> Self {
        Self { name: format!("resource/{resource}"), value: json!({"limit": amount}) }
    }

    pub(super) fn to_value(&self) -> Value {
        json!({"name": self.name, "value": self.value})
    }
}

/// An image underneath: `NAME[:VERSION][,LABEL=VALUE]…[@sha512-ID[+SIZE]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    name: String,
    id: Option<ImageId>,
    labels: Vec<(String, String)>,
    size: Option<u64>,
}

impl FromStr for Dependency {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (image, id) = text.split_once('@').map_or((text, None), |(it, id)| (it, Some(id)));
        let (id, size) = match id.and_then(|id| id.split_once('+')) {
            Some((id, size)) => (Some(id), Some(size)),
            None => (id, None),
        };
        let id =
            id.map(|id| id.parse().map_err(|_| not(id, "`sha512-` and 128 hexadecimal digits")));
        let size = size.map(|size| size.parse().map_err(|_| not(size, "a number of bytes")));
        let mut parts = image.split(',');
        let named = parts.next().unwrap_or_default();
        let (name, version) = named.split_once(':').map_or((named, None), |(it, v)| (it, Some(v)));
        let mut labels: Vec<(String, String)> = Vec::new();
        labels.extend(version.map(|version| ("version".into(), version.into())));
        for part in parts {
            let (key, value) = part.split_once('=').ok_or_else(|| not(part, "`LABEL=VALUE`"))?;
            labels.push((identifier(key)?, value.into()));
        }
        Ok(Self { name: identifier(name)?, id: id.transpose()?, labels, size: size.transpose()? })
    }
}

impl Dependency {
    /// An image that was just made.
    pub(super) fn of_made(
        name: String,
        id: ImageId,
        labels: Vec<(String, String)>,
        size: u64,
    ) -> Self {
        Self { name, id: Some(id), labels, size: Some(size) }
    }

    pub(super) fn to_value(&self) -> Value {
        let mut value = json!({"imageName": self.name});
        if let Some(id) = self.id {
            value["imageID"] = json!(id.to_string());
        }
        if !self.labels.is_empty() {
            let label = |(name, value): &(String, String)| json!({"name": name, "value": value});
            value["labels"] = self.labels.iter().map(label).collect();
        }
        if let Some(size) = self.size {
            value["size"] = json!(size);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_parse() {
        let mount: MountPoint = "x11socket=/tmp/.X11-unix".parse().unwrap();
        assert_eq!(mount.to_value(), json!({"name": "x11socket", "path": "/tmp/.X11-unix"}));
        let mount: MountPoint = "nix-store=/nix//store/:ro".parse().unwrap();
        assert_eq!((&*mount.path, mount.read_only), ("/nix/store", true));
        assert!(
            mount.hides("/nix/store") && !mount.hides("/nix") && !mount.hides("/nix/storefront")
        );
        assert_eq!(MountPoint::of_volume("/Data/x y").unwrap().name, "volume-data-x-y");
        let port: Port = "http=tcp:8000+10:socket".parse().unwrap();
        let value = json!({"name": "http", "protocol": "tcp", "port": 8000, "count": 10, "socketActivated": true});
        assert_eq!(port.to_value(), value);
        assert_eq!(Port::of_exposed("53/udp").unwrap(), "53-udp=udp:53".parse().unwrap());
        let id = format!("sha512-{}", "0".repeat(128));
        let on: Dependency = format!("example.com/a:1.0,arch=amd64@{id}+7").parse().unwrap();
        let labels =
            json!([{"name": "version", "value": "1.0"}, {"name": "arch", "value": "amd64"}]);
        let value =
            json!({"imageName": "example.com/a", "imageID": id, "labels": labels, "size": 7});
        assert_eq!(on.to_value(), value);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (error, words) in [
            ("X11=/x".parse::<MountPoint>().unwrap_err(), "`X11` is not words of"),
            ("x=tmp".parse::<MountPoint>().unwrap_err(), "`tmp` is not an absolute path"),
            ("x=/../y".parse::<MountPoint>().unwrap_err(), "without `..`"),
            ("x".parse::<MountPoint>().unwrap_err(), "`NAME=PATH[:ro]`"),
            ("http=tcp:0".parse::<Port>().unwrap_err(), "`0` is not a port from 1 to 65535"),
            ("http=tcp:-1".parse::<Port>().unwrap_err(), "`-1` is not a port"),
            ("http=tcp:65536".parse::<Port>().unwrap_err(), "`65536` is not a port"),
            ("http=tcp:65535+2".parse::<Port>().unwrap_err(), "a count from 1 to 1"),
            ("http=icmp:1".parse::<Port>().unwrap_err(), "`icmp` is not one of"),
            ("80".parse::<Port>().unwrap_err(), "`NAME=PROTO:PORT"),
            ("a@sha256-0".parse::<Dependency>().unwrap_err(), "`sha256-0` is not `sha512-`"),
            ("A".parse::<Dependency>().unwrap_err(), "`A` is not words"),
            (Isolator::from_json("a", "{").unwrap_err(), "is not JSON"),
        ] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
