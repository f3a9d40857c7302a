//! One credentials file: Docker's `config.json`, podman's `auth.json`, or the ancient `.dockercfg`.
//!
//! Parsing is apart from looking up. Only what matters is read; everything else in these files is other tools'
//! business. A value that is there but unreadable is an error and not "no credentials", since a push would otherwise
//! fail much later with a 401 that sends the user looking in the wrong place.

use std::collections::BTreeMap;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use serde::Deserialize;

use super::{Credential, keys};
use crate::Secret;

/// A parsed file.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Option<Text>,
    #[serde(default)]
    username: Option<Text>,
    #[serde(default)]
    password: Option<Text>,
    #[serde(default)]
    identitytoken: Option<Text>,
    #[serde(default)]
    registrytoken: Option<Text>,
}

/// A secret that may be deserialised, but not by callers of this crate.
#[derive(Clone, Debug)]
struct Text(Secret);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

/// What a file says about a registry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The credential itself.
    Credential(Credential),
    /// A program that must be asked: the `X` in `docker-credential-X`.
    Helper(String),
}

impl File {
    /// `ancient` files are the `auths` object alone.
    pub(crate) fn parse(bytes: &[u8], ancient: bool) -> Result<Self, String> {
        // An empty file is what an interrupted login leaves behind; docker treats it as no file.
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        // Serde would take a list for an object without fields.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err("it is not a JSON object".to_owned());
        }
        let parsed = if ancient {
            serde_json::from_slice(bytes).map(|auths| Self { auths, ..Self::default() })
        } else {
            serde_json::from_slice(bytes)
        };
        // The position is enough: serde's own words can quote the value, which may be a password.
        parsed.map_err(|error| {
            format!(
                "it is not the JSON expected, at line {} column {}",
                error.line(),
                error.column()
            )
        })
    }

    /// Where to look for the credential of `repository` in `registry`, best first.
    pub(crate) fn find(&self, registry: &str, repository: &str) -> Result<Vec<Found>, String> {
        let mut found = Vec::new();
        let host = keys::normalised(registry);
        if let Some((_, helper)) =
            self.helpers.iter().find(|(key, _)| keys::normalised(key) == host)
        {
            found.push(Found::Helper(helper.clone()));
        }
        let exact = keys::exact(registry, repository);
        let by_name = exact.iter().filter_map(|key| self.auths.get_key_value(key));
        let by_host = self
            .auths
            .iter()
            .filter(|(key, _)| keys::names_a_host(key) && keys::normalised(key) == host);
        for (key, entry) in by_name.chain(by_host) {
            match entry.credential() {
                Ok(Some(credential)) => {
                    found.push(Found::Credential(credential));
                    break;
                }
                // `{}` is what docker writes beside a helper's entry.
                Ok(None) => {}
                Err(reason) => return Err(format!("the entry `{key}` {reason}")),
            }
        }
        if !self.store.is_empty() {
            found.push(Found::Helper(self.store.clone()));
        }
        Ok(found)
    }
}

impl Entry {
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        let given = |text: &Option<Text>| {
            text.as_ref().filter(|text| !text.0.expose().is_empty()).map(|text| text.0.clone())
        };
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Some(Credential::RegistryToken(token)));
        }
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credential::IdentityToken(token)));
        }
        if let Some(auth) = given(&self.auth) {
            let decoded = decode(auth.expose()).ok_or("has an `auth` that is not base64")?;
            let (username, password) =
                decoded.split_once(':').ok_or("has an `auth` without a colon in it")?;
            return Ok(Some(Credential::Basic {
                username: username.to_owned(),
                password: Secret::new(password),
            }));
        }
        Ok(given(&self.username).map(|username| Credential::Basic {
            username: username.expose().to_owned(),
            password: given(&self.password).unwrap_or_else(|| Secret::new("")),
        }))
    }
}

/// Standard or URL-safe alphabet, padded or not: each is written by some tool. Old versions of docker appended NULs.
fn decode(auth: &str) -> Option<String> {
    let digits = auth.trim().trim_end_matches('=');
    let bytes = BASE64_NOPAD
        .decode(digits.as_bytes())
        .or_else(|_| BASE64URL_NOPAD.decode(digits.as_bytes()))
        .ok()?;
    Some(String::from_utf8(bytes).ok()?.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Found {
        Found::Credential(Credential::Basic {
            username: username.to_owned(),
            password: Secret::new(password),
        })
    }

    fn find(json: &str, registry: &str, repository: &str) -> Vec<Found> {
        File::parse(json.as_bytes(), false).unwrap().find(registry, repository).unwrap()
    }

    #[test]
    fn the_longest_namespace_wins() {
        let json = r#"{"auths": {
            "host": {"auth": "aDpw"},
            "host/team": {"auth": "dDpw"},
            "host/team/app": {"auth": "YTpw"},
            "https://other/v2/": {"auth": "bzpw"}
        }}"#;
        assert_eq!(find(json, "host", "team/app"), [basic("a", "p")]);
        assert_eq!(find(json, "host", "team/other"), [basic("t", "p")]);
        assert_eq!(find(json, "host", "x"), [basic("h", "p")]);
        assert_eq!(find(json, "other", "x"), [basic("o", "p")]);
        assert_eq!(find(json, "host:5000", "x"), []);
    }

    #[test]
    fn docker_hub_goes_by_several_names() {
        for key in ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"] {
            let json = format!(r#"{{"auths": {{"{key}": {{"auth": "aDpw"}}}}}}"#);
            assert_eq!(
                find(&json, "registry-1.docker.io", "library/x"),
                [basic("h", "p")],
                "{key}"
            );
        }
    }

    #[test]
    fn base64_in_every_dialect() {
        // `u:??>` is `dTo/Pz4=` in the standard alphabet and `dTo_Pz4=` in the URL-safe one.
        for auth in ["dTo/Pz4=", "dTo/Pz4", "dTo_Pz4=", "dTo_Pz4", "dTo/Pz4AAAA="] {
            let json = format!(r#"{{"auths": {{"host": {{"auth": "{auth}"}}}}}}"#);
            assert_eq!(find(&json, "host", "x"), [basic("u", "??>")], "{auth}");
        }
    }

    #[test]
    fn helpers_surround_the_entries() {
        let json =
            r#"{"auths": {"host": {}}, "credHelpers": {"host": "one"}, "credsStore": "two"}"#;
        assert_eq!(
            find(json, "host", "x"),
            [Found::Helper("one".into()), Found::Helper("two".into())]
        );
        assert_eq!(find(json, "elsewhere", "x"), [Found::Helper("two".into())]);
    }

    #[test]
    fn tokens_are_told_apart() {
        let json = r#"{"auths": {"a": {"auth": "aDpw", "identitytoken": "i"}, "b": {"registrytoken": "r"}}}"#;
        assert_eq!(
            find(json, "a", "x"),
            [Found::Credential(Credential::IdentityToken(Secret::new("i")))]
        );
        assert_eq!(
            find(json, "b", "x"),
            [Found::Credential(Credential::RegistryToken(Secret::new("r")))]
        );
    }

    #[test]
    fn errors_never_quote_secrets() {
        for json in [
            r#"{"auths": {"host": {"auth": 123456}}}"#,
            r#"{"auths": {"host": {"auth": "hunter2!"}}}"#,
        ] {
            let error = File::parse(json.as_bytes(), false)
                .and_then(|file| file.find("host", "x"))
                .unwrap_err();
            assert!(!error.contains("hunter2") && !error.contains("123456"), "{error}");
        }
    }

    #[test]
    fn the_ancient_form_is_the_inner_object() {
        let file = File::parse(br#"{"https://host/": {"auth": "aDpw"}}"#, true).unwrap();
        assert_eq!(file.find("host", "x").unwrap(), [basic("h", "p")]);
        assert!(File::parse(b" \n", false).unwrap().find("host", "x").unwrap().is_empty());
    }
}
