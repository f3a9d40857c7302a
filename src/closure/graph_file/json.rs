//! The JSON formats, which Nix changed with nearly every year.
//!
//! <https://nix.dev/manual/nix/latest/protocols/json/store-object-info>

use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::GraphFileError;
use super::names::Names;
use crate::closure::{NarHash, PathInfo};

/// The keys of one path, and what errors call it.
struct Object<'a> {
    name: &'a str,
    keys: &'a Map<String, Value>,
}

type Result<T> = std::result::Result<T, GraphFileError>;

pub(super) fn parse(bytes: &[u8], names: &mut Names<'_>) -> Result<Vec<PathInfo>> {
    // Nesting is bounded by the parser.
    let value: Value = serde_json::from_slice(bytes).map_err(|source| names.no_json(source))?;
    match &value {
        Value::Array(list) => from_list(list, "", names),
        Value::Object(keys) => match (keys.get("exportReferencesGraph"), keys.get("info")) {
            (Some(Value::Object(graphs)), _) => from_attributes(keys, graphs, names),
            (_, Some(Value::Object(paths))) => {
                Object { name: "the whole", keys }.store_dir(names)?;
                from_keys(paths, names)
            }
            _ => from_keys(keys, names),
        },
        other => {
            Err(names.unexpected(|| "the whole".into(), &other.to_string(), "a list or an object"))
        }
    }
}

/// `.attrs.json`: each key of `exportReferencesGraph` names a list beside it.
fn from_attributes(
    keys: &Map<String, Value>,
    graphs: &Map<String, Value>,
    names: &mut Names<'_>,
) -> Result<Vec<PathInfo>> {
    let mut infos = Vec::new();
    for graph in graphs.keys() {
        match keys.get(graph) {
            Some(Value::Array(list)) => infos.extend(from_list(list, graph, names)?),
            other => {
                let got = other.map_or_else(|| "nothing".into(), Value::to_string);
                return Err(names.unexpected(
                    || format!("key `{graph}`"),
                    &got,
                    "a list of paths, as `exportReferencesGraph` says",
                ));
            }
        }
    }
    Ok(infos)
}

fn from_list(list: &[Value], key: &str, names: &mut Names<'_>) -> Result<Vec<PathInfo>> {
    let one = |(index, value): (usize, &Value)| {
        let place = format!("{key}[{index}]");
        let keys = value.as_object();
        let name = keys.and_then(|keys| keys.get("path")).and_then(Value::as_str);
        let (Some(keys), Some(name)) = (keys, name) else {
            return Err(names.unexpected(
                || place.clone(),
                &value.to_string(),
                "an object with a `path`",
            ));
        };
        Object { name, keys }.info(names)
    };
    list.iter().enumerate().map(one).collect()
}

/// Keyed by path. Some versions say the path again inside, or everything below one more `info`.
fn from_keys(keys: &Map<String, Value>, names: &mut Names<'_>) -> Result<Vec<PathInfo>> {
    let one = |(name, value): (&String, &Value)| {
        let place = || format!("key `{name}`");
        match value {
            Value::Object(keys) => {
                let keys = keys.get("info").and_then(Value::as_object).unwrap_or(keys);
                Object { name, keys }.info(names)
            }
            Value::Null => {
                names.path(name, place)?;
                Err(names.invalid(place))
            }
            other => {
                names.path(name, place)?;
                Err(names.unexpected(place, &other.to_string(), "an object"))
            }
        }
    };
    keys.iter().map(one).collect()
}

impl<'a> Object<'a> {
    fn place(&self, key: &str) -> impl Fn() -> String + use<'a> {
        let place = format!("`{}`: {key}", self.name);
        move || place.clone()
    }

    /// The value of `key`, unless it is absent or null, which mean the same.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.keys.get(key).filter(|value| !value.is_null())
    }

    /// What `read` makes of the value of `key`.
    fn optional<T>(
        &self,
        key: &str,
        names: &Names<'_>,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let wrong = |value: &Value| names.unexpected(self.place(key), &value.to_string(), expected);
        self.get(key).map(|value| read(value).ok_or_else(|| wrong(value))).transpose()
    }

    /// Where paths are written as base names, this is the only place for it.
    fn store_dir(&self, names: &mut Names<'_>) -> Result<()> {
        match self.optional("storeDir", names, "a store directory", Value::as_str)? {
            Some(dir) => names.states_store_dir(dir, self.place("storeDir")),
            None => Ok(()),
        }
    }

    fn info(&self, names: &mut Names<'_>) -> Result<PathInfo> {
        self.store_dir(names)?;
        let path = names.path(self.name, self.place("path"))?;
        if self.keys.get("valid") == Some(&Value::Bool(false)) {
            return Err(names.invalid(self.place("valid")));
        }
        let number = |key, names: &Names<'_>| {
            self.optional(key, names, "a number that is not negative", Value::as_u64)
        };
        let references =
            self.optional("references", names, "a list of store paths", Value::as_array)?;
        let Some(references) = references else {
            return Err(names.unexpected(
                self.place("references"),
                "nothing",
                "a list of store paths",
            ));
        };
        let place = self.place("references");
        let reference = |value: &Value| match value.as_str() {
            Some(text) => names.path(text, &place),
            None => Err(names.unexpected(&place, &value.to_string(), "a store path")),
        };
        let references = references.iter().map(reference).collect::<Result<_>>()?;
        let deriver = self.optional("deriver", names, "a store path", Value::as_str)?;
        let deriver = deriver.map(|text| names.path(text, self.place("deriver"))).transpose()?;
        let signatures = self.optional("signatures", names, "a list of signatures", signatures)?;
        Ok(PathInfo {
            nar_hash: self.optional("narHash", names, "a SHA-256", hash)?,
            deriver,
            registration_time: number("registrationTime", names)?.filter(|time| *time > 0),
            ultimate: self
                .optional("ultimate", names, "true or false", Value::as_bool)?
                .unwrap_or(false),
            signatures: signatures.unwrap_or_default(),
            // The structured form of later versions is of no use here, but no fault either.
            ca: self.get("ca").and_then(Value::as_str).map(str::to_owned),
            ..PathInfo::new(path, number("narSize", names)?.unwrap_or(0), references)
        })
    }
}

/// A text in any spelling, or the structured form of Nix 2.33.
fn hash(value: &Value) -> Option<NarHash> {
    if let Some(text) = value.as_str() {
        return text.parse().ok();
    }
    let part = |key: &str| value.get(key).and_then(Value::as_str);
    match (part("algorithm"), part("format"), part("hash")?) {
        (Some("sha256") | None, Some("base64"), digits) => {
            let bytes = BASE64.decode(digits.as_bytes()).ok()?;
            Some(NarHash::from_bytes(bytes.try_into().ok()?))
        }
        (Some("sha256") | None, _, digits) => digits.parse().ok(),
        _ => None,
    }
}

/// Texts, or the structured form of later versions.
fn signatures(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value.as_str() {
        Some(text) => Some(text.to_owned()),
        None => {
            Some(format!("{}:{}", value.get("keyName")?.as_str()?, value.get("sig")?.as_str()?))
        }
    };
    value.as_array()?.iter().map(one).collect()
}
