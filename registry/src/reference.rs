//! Where an image lives: `host[:port]/repository[:tag][@digest]`, parsed once.
//!
//! The grammar is that of <https://github.com/distribution/reference>, with Docker's defaults: a first component
//! without dot, colon, upper-case letter and other than `localhost` is not a host, so `alpine` means
//! `docker.io/library/alpine:latest`. Docker Hub's name differs from the host that serves it; [`Reference::registry`]
//! is the host to talk to and [`Reference::name`] what people call it.

use std::fmt;
use std::str::FromStr;

use crate::Digest;
use crate::error::printable;

/// Docker Hub as people name it.
const HUB: &str = "docker.io";
/// Its old name, which means the same.
const HUB_INDEX: &str = "index.docker.io";
/// The host that serves it.
const HUB_HOST: &str = "registry-1.docker.io";
/// What a name without a user means there.
const HUB_LIBRARY: &str = "library/";
/// Docker's default tag.
const LATEST: &str = "latest";
/// The grammar's limit for host and repository together; it also bounds what is echoed.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// A repository in a registry and what to look for there.
///
/// ```
/// let reference: registry::Reference = "registry.example:5000/team/app:v1".parse()?;
/// assert_eq!(reference.registry(), "registry.example:5000");
/// assert_eq!(reference.repository(), "team/app");
/// assert_eq!(reference.tag(), Some("v1"));
/// # Ok::<(), registry::ReferenceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid image reference `{text}`: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: String,
}

impl Reference {
    /// The host, with its port if one was given, that serves the repository.
    pub fn registry(&self) -> &str {
        if self.domain == HUB { HUB_HOST } else { &self.domain }
    }

    /// The repository within the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag: as given, or `latest` when neither tag nor digest was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Registry and repository as people write them, with Docker's defaults spelt out.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.repository)
    }

    /// `REPOSITORY@sha256:…`: the same repository, pinned to `digest`.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The error for a name that was put together elsewhere.
    pub(crate) fn invalid(text: &str, reason: String) -> ReferenceError {
        ReferenceError { text: printable(text, MAX_NAME + MAX_TAG), reason }
    }

    /// The last segment of a manifest's URL: the digest, which is exact, or else the tag.
    pub fn target(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.as_deref().unwrap_or(LATEST).to_owned(),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|reason| ReferenceError { text: printable(text, MAX_NAME), reason })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.domain, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    if text.is_empty() {
        return Err("expected `[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`, got nothing".to_owned());
    }
    if text.contains("://") {
        return Err("expected no URL scheme: write `HOST/REPOSITORY`".to_owned());
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            (rest, Some(digest.parse::<Digest>().map_err(|error| error.to_string())?))
        }
        None => (text, None),
    };
    // A colon after the last slash can only start a tag; one before it is the port's.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    let (domain, path) = match name.split_once('/') {
        Some((first, path)) if is_domain(first) => (first, path),
        _ => (HUB, name),
    };
    let domain = if domain.eq_ignore_ascii_case(HUB_INDEX) { HUB } else { domain };
    check_domain(domain)?;
    let repository = if domain == HUB && !path.contains('/') {
        format!("{HUB_LIBRARY}{path}")
    } else {
        path.to_owned()
    };
    check_repository(&repository)?;
    if domain.len() + 1 + repository.len() > MAX_NAME {
        return Err(format!("registry and repository have more than {MAX_NAME} characters"));
    }
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let tag = tag.or(if digest.is_none() { Some(LATEST) } else { None }).map(str::to_owned);
    Ok(Reference { domain: domain.to_owned(), repository, tag, digest })
}

/// Docker's rule for telling `host/name` from `user/name`.
fn is_domain(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.starts_with('[')
        || first.chars().any(|letter| letter.is_ascii_uppercase())
}

fn check_domain(domain: &str) -> Result<(), String> {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    if let Some(port) = port
        && (!port.bytes().all(|byte| byte.is_ascii_digit())
            || port.parse::<u16>().is_err()
            || port.parse() == Ok(0_u16))
    {
        return Err(format!("`{}` is not a port, expected 1 to 65535", printable(port, 20)));
    }
    let valid = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        }),
    };
    if valid { Ok(()) } else { Err(format!("`{}` is not a host name", printable(host, 100))) }
}

fn check_repository(repository: &str) -> Result<(), String> {
    if let Some(letter) = repository.chars().find(char::is_ascii_uppercase) {
        return Err(format!("a repository is lower-case, got `{letter}`"));
    }
    match repository.split('/').find(|component| !is_component(component)) {
        None => Ok(()),
        Some("") => Err("a component of the repository is empty".to_owned()),
        Some(component) => Err(format!(
            "`{}` is no component of a repository, expected `a-z` and `0-9` with single `.`, one or two `_`, or `-` between them",
            printable(component, 100)
        )),
    }
}

/// `[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    is_word(first)
        && is_word(last)
        && component.split(|letter: char| letter.is_ascii() && is_word(letter as u8)).all(
            |separator| {
                matches!(separator, "" | "." | "_" | "__")
                    || separator.bytes().all(|byte| byte == b'-')
            },
        )
}

/// `[\w][\w.-]{0,127}`
pub(crate) fn check_tag(tag: &str) -> Result<(), String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let valid = tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-');
    if valid {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a tag, expected 1 to {MAX_TAG} letters, digits, `_`, `.` or `-`, and neither `.` nor `-` first",
        printable(tag, MAX_TAG)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn parses_as_docker_does() {
        for (text, registry, repository, tag, shown) in [
            ("alpine", HUB_HOST, "library/alpine", "latest", "docker.io/library/alpine:latest"),
            ("alpine:3", HUB_HOST, "library/alpine", "3", "docker.io/library/alpine:3"),
            ("user/app", HUB_HOST, "user/app", "latest", "docker.io/user/app:latest"),
            (
                "docker.io/alpine",
                HUB_HOST,
                "library/alpine",
                "latest",
                "docker.io/library/alpine:latest",
            ),
            ("index.docker.io/u/a", HUB_HOST, "u/a", "latest", "docker.io/u/a:latest"),
            ("localhost/x", "localhost", "x", "latest", "localhost/x:latest"),
            ("host:5000/x", "host:5000", "x", "latest", "host:5000/x:latest"),
            ("host:5000/x:y", "host:5000", "x", "y", "host:5000/x:y"),
            ("ghcr.io/a/b/c:V_1.2-x", "ghcr.io", "a/b/c", "V_1.2-x", "ghcr.io/a/b/c:V_1.2-x"),
            ("[::1]:5000/x", "[::1]:5000", "x", "latest", "[::1]:5000/x:latest"),
            (
                "a--b/c__d/e.f",
                HUB_HOST,
                "a--b/c__d/e.f",
                "latest",
                "docker.io/a--b/c__d/e.f:latest",
            ),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(
                (reference.registry(), reference.repository(), reference.tag()),
                (registry, repository, Some(tag))
            );
            assert_eq!(reference.to_string(), shown);
        }
    }

    #[test]
    fn a_digest_needs_no_tag() {
        let reference: Reference = format!("host:5000/x@{DIGEST}").parse().unwrap();
        assert_eq!((reference.tag(), reference.target()), (None, DIGEST.to_owned()));
        let both: Reference = format!("host:5000/x:y@{DIGEST}").parse().unwrap();
        assert_eq!((both.tag(), both.target()), (Some("y"), DIGEST.to_owned()));
        assert_eq!(both.with_digest(Digest::of(b"")).to_string(), format!("host:5000/x@{DIGEST}"));
    }

    #[test]
    fn refuses_with_a_reason() {
        for (text, reason) in [
            ("", "got nothing"),
            ("https://host/x", "URL scheme"),
            ("host.example/App", "lower-case"),
            ("host.example/", "is empty"),
            ("host.example/a//b", "is empty"),
            ("host.example/a..b", "no component"),
            ("host.example/a___b", "no component"),
            ("host.example/-a", "no component"),
            ("host:port/x", "is not a port"),
            ("host:70000/x", "is not a port"),
            ("ho_st.example/x", "not a host name"),
            ("-host.example/x", "not a host name"),
            ("[::g]/x", "not a host name"),
            ("x:", "is not a tag"),
            ("x:.y", "is not a tag"),
            ("x@sha256:00", "invalid digest"),
            ("x@", "invalid digest"),
        ] {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(format!("x:{}", "t".repeat(129)).parse::<Reference>().is_err());
        assert!("a/".repeat(140).parse::<Reference>().is_err());
        assert!(format!("host.example/{}", "a".repeat(243)).parse::<Reference>().is_err());
    }

    proptest! {
        #[test]
        fn never_panics_and_never_echoes_controls(text in any::<String>()) {
            if let Err(error) = text.parse::<Reference>() {
                prop_assert!(!error.to_string().contains(|letter: char| letter.is_control()));
            }
        }

        #[test]
        fn what_is_shown_parses_to_the_same(
            text in "([a-z]{1,5}\\.[a-z]{2}(:[1-9][0-9]{0,3})?/)?[a-z0-9]{1,5}(/[a-z]{1,4}([._-][a-z0-9]{1,3}){0,2}){0,2}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,9})?"
        ) {
            let reference: Reference = text.parse().unwrap();
            prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
        }
    }
}
