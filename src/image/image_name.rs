//! How an image is called inside an archive.

use registry::Reference;

/// The name of an image within an archive: `NAME:TAG` as the user will say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    text: String,
    reference: Reference,
}

/// Why a text does not name an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ImageNameError {
    #[error(transparent)]
    Reference(#[from] registry::ReferenceError),
    #[error("`{0}` has a digest, which is the image's own to say")]
    Digest(String),
}

impl ImageName {
    /// Checks that it is a name and a tag; the tag is `latest` if there is none.
    pub fn parse(text: &str) -> Result<Self, ImageNameError> {
        let reference: Reference = text.parse()?;
        if reference.digest().is_some() {
            return Err(ImageNameError::Digest(text.into()));
        }
        let last = text.rsplit('/').next().unwrap_or_default();
        let text = if last.contains(':') { text.into() } else { format!("{text}:latest") };
        Ok(Self { text, reference })
    }

    /// A name for whoever did not give one: that of a store path, with its version as tag.
    pub fn of_store_path(name: &str) -> Option<Self> {
        // As Nix's `parseDrvName`: the version begins at the first dash before a non-letter.
        let dash = name.match_indices('-').map(|(at, _)| at);
        let split = dash
            .into_iter()
            .find(|&at| name[at + 1..].bytes().next().is_some_and(|b| !b.is_ascii_alphabetic()));
        let (name, version) = split.map_or((name, "latest"), |at| (&name[..at], &name[at + 1..]));
        let clean = |text: &str, keep: &[u8]| -> String {
            let fit = |c: char| {
                if c.is_ascii_alphanumeric() || keep.contains(&(c as u8)) { c } else { '-' }
            };
            text.chars().map(fit).collect()
        };
        let name = clean(&name.to_ascii_lowercase(), b"-");
        let tag = clean(version, b"-._");
        Self::parse(&format!("{}:{}", name.trim_matches('-'), tag.trim_start_matches(['-', '.'])))
            .ok()
    }

    /// As the user says it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its tag.
    pub(super) fn tag(&self) -> &str {
        self.text.rsplit(':').next().unwrap_or_default()
    }

    /// As registries say it.
    pub(super) fn reference(&self) -> &Reference {
        &self.reference
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_tag() {
        assert_eq!(ImageName::parse("app").unwrap().as_str(), "app:latest");
        assert_eq!(ImageName::parse("host:5000/app").unwrap().as_str(), "host:5000/app:latest");
        assert_eq!(ImageName::parse("host:5000/app:1").unwrap().tag(), "1");
        assert!(ImageName::parse("App").is_err());
    }

    #[test]
    fn store_paths_give_names() {
        let name = |path: &str| ImageName::of_store_path(path).map(|name| name.text);
        assert_eq!(name("hello-2.12.1").as_deref(), Some("hello:2.12.1"));
        assert_eq!(
            name("python3.11-requests-2.31.0").as_deref(),
            Some("python3-11-requests:2.31.0")
        );
        assert_eq!(name("My_App").as_deref(), Some("my-app:latest"));
        assert_eq!(name("app-1.0+git?x").as_deref(), Some("app:1.0-git-x"));
        assert_eq!(name("---"), None);
    }
}
