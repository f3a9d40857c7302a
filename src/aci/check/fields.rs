//! Going through JSON, with a note of where one is and of what is wrong there.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Finding, Severity};
use crate::aci::names::{AC_IDENTIFIER, AC_NAME, is_ac_identifier, is_ac_name};

/// More than anybody reads.
const MAX_FINDINGS: usize = 200;
/// Letters of a value that are shown.
const SHOWN: usize = 80;

/// What is wrong.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn into_inner(self) -> Vec<Finding> {
        self.0
    }

    /// Notes an error.
    pub(super) fn wrong(
        &mut self,
        place: impl Into<String>,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(Severity::Error, place.into(), got.into(), expected.into());
    }

    /// Notes what is only odd.
    pub(super) fn odd(
        &mut self,
        place: impl Into<String>,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(Severity::Warning, place.into(), got.into(), expected.into());
    }

    fn add(&mut self, severity: Severity, place: String, got: String, expected: String) {
        if self.0.len() < MAX_FINDINGS {
            self.0.push(Finding { severity, place, got, expected });
        }
    }
}

/// A field of the manifest: where it is, and what it has.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    pub(super) place: String,
    /// `None` if it is not there; `null` is the same to Go.
    value: Option<&'a Value>,
}

impl<'a> Field<'a> {
    /// The whole document.
    pub(super) fn whole(value: &'a Value) -> Self {
        Self { place: "manifest".into(), value: Some(value) }
    }

    pub(super) fn is_there(&self) -> bool {
        self.value.is_some()
    }

    /// The value, or what is wrong: a field that has to be there is not.
    pub(super) fn required(&self, expected: &str, findings: &mut Findings) -> Option<&'a Value> {
        if self.value.is_none() {
            findings.wrong(&*self.place, "not there", expected);
        }
        self.value
    }

    /// The text, if the field is there.
    pub(super) fn text(&self, expected: &str, findings: &mut Findings) -> Option<&'a str> {
        match self.value? {
            Value::String(text) => Some(text),
            other => {
                findings.wrong(&*self.place, show(other), expected);
                None
            }
        }
    }

    /// The text of a field that has to be there.
    pub(super) fn needed_text(&self, expected: &str, findings: &mut Findings) -> Option<&'a str> {
        self.required(expected, findings)?;
        self.text(expected, findings)
    }

    /// The text, which has to be there and to fit.
    pub(super) fn fitting(
        &self,
        fits: fn(&str) -> bool,
        expected: &str,
        findings: &mut Findings,
    ) -> Option<&'a str> {
        let text = self.needed_text(expected, findings)?;
        if !fits(text) {
            findings.wrong(&*self.place, quoted(text), expected);
        }
        Some(text)
    }

    pub(super) fn ac_name(&self, findings: &mut Findings) -> Option<&'a str> {
        self.fitting(is_ac_name, AC_NAME, findings)
    }

    pub(super) fn ac_identifier(&self, findings: &mut Findings) -> Option<&'a str> {
        self.fitting(is_ac_identifier, AC_IDENTIFIER, findings)
    }

    pub(super) fn boolean(&self, findings: &mut Findings) -> Option<bool> {
        let value = self.value?;
        if !value.is_boolean() {
            findings.wrong(&*self.place, show(value), "`true` or `false`");
        }
        value.as_bool()
    }

    /// A whole number from `least` to `most`, if the field is there.
    pub(super) fn number(&self, least: i64, most: i64, findings: &mut Findings) -> Option<i64> {
        let value = self.value?;
        let number = value.as_i64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let expected = format!("a whole number from {least} to {most}");
            findings.wrong(&*self.place, show(value), expected);
        }
        number
    }

    /// The items of a list; none if there is no list.
    pub(super) fn items(&self, findings: &mut Findings) -> Vec<Self> {
        match self.value {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let item = |(at, value)| Self {
                    place: format!("{}[{at}]", self.place),
                    value: Some(value),
                };
                items.iter().enumerate().map(item).collect()
            }
            Some(other) => {
                findings.wrong(&*self.place, show(other), "a list");
                Vec::new()
            }
        }
    }

    /// The fields of an object; `None` if it is none. Those that are not among `known` are odd: readers pass over them.
    pub(super) fn object(
        &self,
        known: &'static [&'static str],
        findings: &mut Findings,
    ) -> Option<Object<'a>> {
        let map = self.map(findings)?;
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let like = known.iter().find(|known| known.eq_ignore_ascii_case(key));
            let expected = match like {
                Some(like) => format!("`{like}`"),
                None => format!("one of {}", listed(known)),
            };
            findings.odd(inside(&self.place, key), "a field that nobody reads", expected);
        }
        Some(Object { place: self.place.clone(), map })
    }

    /// The fields of an object, whatever they are called.
    pub(super) fn any_object(&self, findings: &mut Findings) -> Option<Vec<(&'a str, Self)>> {
        let map = self.map(findings)?;
        let field = |(key, value): (&'a String, &'a Value)| {
            let place = inside(&self.place, key);
            (key.as_str(), Self { place, value: Some(value) })
        };
        Some(map.iter().map(field).collect())
    }

    fn map(&self, findings: &mut Findings) -> Option<&'a Map<String, Value>> {
        match self.value? {
            Value::Object(map) => Some(map),
            other => {
                findings.wrong(&*self.place, show(other), "an object");
                None
            }
        }
    }

    /// The value, whatever it is.
    pub(super) fn value(&self) -> Option<&'a Value> {
        self.value
    }
}

/// An object of the manifest.
pub(super) struct Object<'a> {
    place: String,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    pub(super) fn field(&self, key: &str) -> Field<'a> {
        let value = self.map.get(key).filter(|value| !value.is_null());
        Field { place: inside(&self.place, key), value }
    }
}

fn inside(place: &str, key: &str) -> String {
    let key: String = key.chars().take(SHOWN).collect();
    if place == "manifest" { key } else { format!("{place}.{key}") }
}

/// Whether a name is there for the first time.
pub(super) fn unique<'a>(
    seen: &mut BTreeSet<&'a str>,
    name: Option<&'a str>,
    place: &str,
    findings: &mut Findings,
) {
    if let Some(name) = name
        && !seen.insert(name)
    {
        findings.wrong(place, format!("{}, which is there already", quoted(name)), "each one once");
    }
}

/// Absolute, and without a way up.
pub(super) fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|part| part != "..")
}

/// What a value is, shortly.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "`null`".into(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) => quoted(text),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// A text between backticks, cut if it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => format!("`{text}`"),
        Some((end, _)) => format!("`{}…`", &text[..end]),
    }
}

pub(super) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
