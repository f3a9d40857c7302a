//! What names content: media type, digest and size, and for whom it is (OCI image-spec, "OCI Content Descriptors").

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Digest, Manifest};

/// A piece of content, as a manifest or index names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its digest.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// What kind of artifact a manifest is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Whom an image is for, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What else is told of it.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "read_or_null"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor that says only what all must say.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            artifact_type: None,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

impl Manifest {
    /// What names this manifest.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest, self.bytes.len() as u64)
    }
}

/// Whom an image is for, in Go's names: `linux`, `arm64`, `v8` (OCI image-spec, "Image Index").
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// `GOOS`.
    pub os: String,
    /// `GOARCH`.
    pub architecture: String,
    /// Variant of the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Version of the operating system, which Windows wants.
    #[serde(rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What the operating system must have.
    #[serde(
        rename = "os.features",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "read_or_null"
    )]
    pub os_features: Vec<String>,
}

impl Platform {
    /// Whether an image for `self` is one for `wanted`, which need not say everything.
    pub fn fits(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && wanted.variant.as_deref().is_none_or(|wanted| self.variant() == Some(wanted))
    }

    /// The variant, also where it goes without saying.
    fn variant(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("arm64", None) => Some("v8"),
            ("arm", None) => Some("v7"),
            ("amd64", None) => Some("v1"),
            (_, variant) => variant,
        }
    }

    /// Whether it is the one of attestations, which `BuildKit` puts beside images.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" || self.architecture == "unknown"
    }

    /// Whether both are for the same machines.
    pub fn is_same(&self, other: &Self) -> bool {
        self.os == other.os
            && self.architecture == other.architecture
            && self.variant() == other.variant()
            && self.os_version == other.os_version
            && self.os_features == other.os_features
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match &self.variant {
            Some(variant) => format!("{}/{}/{variant}", self.os, self.architecture),
            None => format!("{}/{}", self.os, self.architecture),
        };
        formatter.write_str(&crate::error::printable(&text, 100))
    }
}

/// A text that names no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid platform `{text}`, expected OS/ARCH or OS/ARCH/VARIANT, such as linux/arm64")]
pub struct PlatformError {
    text: String,
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let fits = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        match parts[..] {
            [os, architecture] if parts.iter().all(fits) => Ok(Self {
                os: os.to_owned(),
                architecture: architecture.to_owned(),
                ..Self::default()
            }),
            [os, architecture, variant] if parts.iter().all(fits) => Ok(Self {
                os: os.to_owned(),
                architecture: architecture.to_owned(),
                variant: Some(variant.to_owned()),
                ..Self::default()
            }),
            _ => Err(PlatformError { text: crate::error::printable(text, 100) }),
        }
    }
}

fn write_digest<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

fn read_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// Go writes `null` for what is empty.
fn read_or_null<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_written_as_they_are_read() {
        for text in ["linux/amd64", "linux/arm/v7", "windows/amd64"] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), text);
        }
        for bad in ["", "linux", "linux/", "/amd64", "a/b/c/d", "linux/am d64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variant_that_goes_without_saying_fits() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        assert!(platform("linux/arm64").fits(&platform("linux/arm64/v8")));
        assert!(platform("linux/arm/v6").fits(&platform("linux/arm")));
        assert!(!platform("linux/arm/v6").fits(&platform("linux/arm/v7")));
        assert!(platform("linux/arm64").is_same(&platform("linux/arm64/v8")));
        assert!(!platform("linux/arm64").is_same(&platform("linux/amd64")));
    }

    #[test]
    fn gos_nulls_are_nothing() {
        let digest = Digest::of(b"");
        let text = format!(
            r#"{{"mediaType":"t","digest":"{digest}","size":1,"annotations":null,"platform":{{"os":"linux","architecture":"arm","os.features":null}}}}"#
        );
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(descriptor.platform.unwrap().to_string(), "linux/arm");
        assert!(serde_json::from_str::<Descriptor>(&text.replace("sha256", "md5")).is_err());
    }
}
