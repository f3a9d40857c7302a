//! One `registries.conf`: what matters of it, parsed once.

use serde::Deserialize;

use crate::error::printable;

/// Nobody lists more; each is compared with each image that is pulled.
const MAX_ENTRIES: usize = 10_000;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    registry: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[derive(Default)]
struct Table {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<Mirror>,
}

/// A place to try before the registry itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Mirror {
    pub(super) location: String,
    pub(super) insecure: bool,
    #[serde(rename = "pull-from-mirror")]
    pub(super) from: PullFrom,
}

/// What a mirror is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PullFrom {
    #[default]
    #[serde(alias = "")]
    All,
    /// Images named by digest, which a mirror cannot make another of.
    DigestOnly,
    TagOnly,
}

/// What counts for all images below a prefix.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) prefix: String,
    /// What the prefix is replaced with; empty to leave names as they are.
    pub(super) location: String,
    pub(super) insecure: bool,
    pub(super) blocked: bool,
    pub(super) mirror_by_digest_only: bool,
    pub(super) mirrors: Vec<Mirror>,
}

impl Entry {
    /// The end of the part of `name` that the prefix stands for, if the image is below it.
    pub(super) fn matches(&self, name: &str) -> Option<usize> {
        let end = match self.prefix.strip_prefix('*') {
            // `*.example.com` is any host below it, and not a namespace that looks like one.
            Some(domain) => {
                let start = name.find(domain)?;
                (start > 0 && !name[..start].contains('/')).then_some(start + domain.len())?
            }
            None => name.starts_with(&self.prefix).then_some(self.prefix.len())?,
        };
        let next = name[end..].chars().next();
        next.is_none_or(|letter| matches!(letter, '/' | ':' | '@')).then_some(end)
    }
}

/// All entries, in the order of the file.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let file: File = toml::from_str(text).map_err(|error| printable(error.message(), 200))?;
    if file.registry.len() > MAX_ENTRIES {
        return Err(format!("it has more than {MAX_ENTRIES} registries"));
    }
    file.registry.into_iter().map(entry).collect()
}

fn entry(table: Table) -> Result<Entry, String> {
    let Table { prefix, location, insecure, blocked, mirror_by_digest_only, mut mirror } = table;
    let prefix = place(if prefix.is_empty() { &location } else { &prefix })?;
    if prefix.is_empty() {
        return Err("a registry has neither `prefix` nor `location`".to_owned());
    }
    let wild = prefix.contains('*');
    if wild && (!prefix.starts_with("*.") || prefix[1..].contains('*') || prefix.contains('/')) {
        return Err(format!("`{prefix}` is no prefix, expected `*.` and a domain"));
    }
    for mirror in &mut mirror {
        mirror.location = place(&mirror.location)?;
        if mirror.location.is_empty() {
            return Err(format!("a mirror of `{prefix}` has no `location`"));
        }
    }
    // Without a location names stay as they are, for which a wildcard has no other way.
    let location = place(&location)?;
    Ok(Entry { prefix, location, insecure, blocked, mirror_by_digest_only, mirrors: mirror })
}

/// `host[:port][/namespace…]`, which is checked as a whole once an image is put below it.
fn place(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    if text.contains("://") || text.contains(|letter: char| letter.is_control() || letter == ' ') {
        let shown = printable(text, 100);
        return Err(format!("`{shown}` is no place, expected `HOST[:PORT][/NAMESPACE]`"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_wrong_is_said() {
        for (text, reason) in [
            ("[[registry]]", "neither `prefix` nor `location`"),
            ("[[registry]]\nprefix = \"a*.b\"", "`*.` and a domain"),
            ("[[registry]]\nprefix = \"*.b/c\"", "`*.` and a domain"),
            ("[[registry]]\nlocation = \"https://a.b\"", "HOST[:PORT]"),
            ("[[registry]]\nlocation = \"a.b\"\n[[registry.mirror]]", "no `location`"),
            ("[[registry]]\nlocation = \"a.b\"\nblocked = 3", "boolean"),
            ("[[registry", ""),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        // Version 1, and whatever else is in there.
        let old = "[registries.search]\nregistries = ['docker.io']\n[aliases]\n'a' = 'b/a'";
        assert!(parse(old).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), prefix in "[a*./:]{1,6}", name in "[a./:@é]{0,12}") {
            let _ = parse(&text);
            let table = format!("[[registry]]\nprefix = \"{prefix}\"");
            for entry in parse(&table).into_iter().flatten() {
                entry.matches(&name);
            }
        }
    }
}
