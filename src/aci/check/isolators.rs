//! Isolators: limits and rights of what is run (appc spec, "Isolators"; `schema/types/isolator*.go`).
//!
//! The specification lets readers pass over those that they do not know. appc's own code, and with it every reader that
//! there is, refuses them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fields::{Field, Findings, listed, quoted, show};
use super::manifest::texts;

/// How the value of an isolator is checked.
type Check = fn(&Field<'_>, &mut Findings);

/// Those that there are, and whether there may be several of one name.
const KNOWN: [(&str, bool, Check); 14] = [
    ("os/linux/capabilities-retain-set", true, capabilities),
    ("os/linux/capabilities-remove-set", true, capabilities),
    ("os/linux/no-new-privileges", true, boolean),
    (RETAIN, false, seccomp),
    (REMOVE, false, seccomp),
    ("os/linux/oom-score-adj", false, |field, findings| number(field, -1000, 1000, findings)),
    ("os/linux/cpu-shares", false, |field, findings| number(field, 2, 262_144, findings)),
    ("os/linux/selinux-context", false, selinux),
    ("os/unix/sysctl", false, sysctl),
    ("resource/cpu", true, |field, findings| resource(field, false, findings)),
    ("resource/memory", true, |field, findings| resource(field, false, findings)),
    ("resource/block-bandwidth", true, |field, findings| resource(field, true, findings)),
    ("resource/block-iops", true, |field, findings| resource(field, true, findings)),
    ("resource/network-bandwidth", true, |field, findings| resource(field, true, findings)),
];

const RETAIN: &str = "os/linux/seccomp-retain-set";
const REMOVE: &str = "os/linux/seccomp-remove-set";

/// What a quantity is, for messages.
const QUANTITY: &str = "an amount such as `500m`, `2`, `64M` or `1Gi`";

/// Letters behind a number (appc `schema/types/resource/suffix.go`).
const SUFFIXES: [&str; 14] =
    ["", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

pub(super) fn check(field: &Field<'_>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for isolator in field.items(findings) {
        let Some(object) = isolator.object(&["name", "value"], findings) else { continue };
        let names = KNOWN.map(|(name, ..)| name);
        let expected = format!("one of {}", listed(&names));
        let name = object.field("name");
        let Some(text) = name.needed_text(&expected, findings) else { continue };
        let Some((_, several, check)) = KNOWN.iter().find(|(known, ..)| *known == text) else {
            findings.wrong(name.place, quoted(text), expected);
            continue;
        };
        if !seen.insert(text) && !several {
            findings.wrong(&*name.place, format!("`{text}`, which is there already"), "it once");
        }
        if [RETAIN, REMOVE].iter().all(|set| seen.contains(set)) && [RETAIN, REMOVE].contains(&text)
        {
            findings.wrong(name.place, format!("both `{RETAIN}` and `{REMOVE}`"), "one of them");
        }
        let value = object.field("value");
        if value.required("what it is set to", findings).is_some() {
            check(&value, findings);
        }
    }
}

fn boolean(field: &Field<'_>, findings: &mut Findings) {
    field.boolean(findings);
}

fn number(field: &Field<'_>, least: i64, most: i64, findings: &mut Findings) {
    field.number(least, most, findings);
}

/// A field `set` with something in it.
fn set<'a>(field: &Field<'a>, findings: &mut Findings) -> Vec<Field<'a>> {
    let items = field.items(findings);
    if field.value().is_none_or(Value::is_array) && items.is_empty() {
        findings.wrong(&*field.place, "empty", "one or more names");
    }
    items
}

fn capabilities(field: &Field<'_>, findings: &mut Findings) {
    let Some(object) = field.object(&["set"], findings) else { return };
    for capability in set(&object.field("set"), findings) {
        let is_one = |text: &str| {
            let rest = text.strip_prefix("CAP_").unwrap_or_default();
            !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_uppercase() || it == b'_')
        };
        capability.fitting(is_one, "a capability such as `CAP_NET_ADMIN`", findings);
    }
}

fn seccomp(field: &Field<'_>, findings: &mut Findings) {
    let Some(object) = field.object(&["set", "errno"], findings) else { return };
    let calls = object.field("set");
    set(&calls, findings);
    texts(&calls, findings);
    let errno = object.field("errno");
    if errno.is_there() {
        let is_errno = |text: &str| {
            text.is_empty()
                || text.starts_with('E')
                    && text.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
        };
        errno.fitting(is_errno, "an error's name such as `EPERM`", findings);
    }
}

fn selinux(field: &Field<'_>, findings: &mut Findings) {
    let Some(object) = field.object(&["user", "role", "type", "level"], findings) else { return };
    for key in ["user", "role", "type"] {
        let is_part = |text: &str| !text.is_empty() && !text.contains(':');
        object.field(key).fitting(is_part, "a text without `:`", findings);
    }
    // Categories stand behind a colon in it.
    object.field("level").fitting(|text| !text.is_empty(), "a text", findings);
}

fn sysctl(field: &Field<'_>, findings: &mut Findings) {
    for (_, value) in field.any_object(findings).unwrap_or_default() {
        value.needed_text("a text", findings);
    }
}

/// `default` says whether the isolator is for all that has no other.
fn resource(field: &Field<'_>, default: bool, findings: &mut Findings) {
    let Some(object) = field.object(&["default", "request", "limit"], findings) else { return };
    let said = object.field("default");
    if said.boolean(findings).unwrap_or(false) != default {
        findings.wrong(said.place, format!("`{}`", !default), format!("`{default}`"));
    }
    let request = object.field("request");
    if let Some(value) = request.value().filter(|_| default) {
        findings.wrong(&*request.place, show(value), "none for this resource");
    }
    for amount in [request, object.field("limit")] {
        let Some(value) = amount.value() else { continue };
        // Numbers are read as they are written.
        let text = value.as_str().map_or_else(|| value.to_string(), Into::into);
        if !is_quantity(&text) {
            findings.wrong(amount.place, show(value), QUANTITY);
        }
    }
}

/// Kubernetes' quantities of 2015: a number and a suffix or exponent. Less than nothing is no amount.
fn is_quantity(text: &str) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|power| {
        let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
        (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    number.bytes().any(|byte| byte.is_ascii_digit())
        && number.bytes().filter(|&byte| byte == b'.').count() <= 1
        && (SUFFIXES.contains(&suffix) || exponent)
}
