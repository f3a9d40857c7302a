//! The image manifest (appc spec, "Image Manifest Schema"; `schema/image.go` and `schema/types/`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::Finding;
use super::app;
use super::fields::{Field, Findings, Object, is_absolute, listed, quoted, show, unique};
use crate::aci::image_id::ImageId;
use crate::aci::platform;

const FIELDS: &[&str] = &[
    "acKind",
    "acVersion",
    "name",
    "labels",
    "app",
    "dependencies",
    "pathWhitelist",
    "annotations",
];

/// Annotations that must be addresses.
const ADDRESSES: [&str; 2] = ["homepage", "documentation"];

/// All that is wrong with a manifest.
pub(super) fn check(manifest: &Value) -> Vec<Finding> {
    let mut findings = Findings::default();
    if let Some(object) = Field::whole(manifest).object(FIELDS, &mut findings) {
        top(&object, &mut findings);
    } else if manifest.is_null() {
        findings.wrong("manifest", "`null`", "an object");
    }
    findings.into_inner()
}

fn top(manifest: &Object<'_>, findings: &mut Findings) {
    manifest.field("acKind").fitting(|kind| kind == "ImageManifest", "`ImageManifest`", findings);
    let version = "a version such as `0.8.11`, as semver.org has them, and not `0.0.0`";
    manifest.field("acVersion").fitting(is_version, version, findings);
    manifest.field("name").ac_identifier(findings);
    let all = manifest.field("labels");
    if labels(&all, findings) == OsArch::ArchAlone {
        findings.wrong(all.place, "`arch` without `os`", "both, or no `arch`");
    }
    app::check(&manifest.field("app"), findings);
    dependencies(&manifest.field("dependencies"), findings);
    for path in manifest.field("pathWhitelist").items(findings) {
        path.fitting(is_absolute, "an absolute path without `..`", findings);
    }
    annotations(&manifest.field("annotations"), findings);
}

/// Semantic versioning 2.0.0, `0.0.0` excepted.
fn is_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, it)| (text, Some(it)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, it)| (core, Some(it)));
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
    };
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let parts: Vec<&str> = core.split('.').collect();
    parts.len() == 3
        && parts.iter().all(|part| number(part))
        && core != "0.0.0"
        && [pre, build].iter().flatten().all(|rest| rest.split('.').all(word))
}

/// Which of the two labels there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OsArch {
    ArchAlone,
    Other,
}

fn labels(field: &Field<'_>, findings: &mut Findings) -> OsArch {
    let mut values = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for label in field.items(findings) {
        let Some(object) = label.object(&["name", "value"], findings) else { continue };
        let (name, value) = (object.field("name"), object.field("value"));
        let text = name.ac_identifier(findings);
        unique(&mut seen, text, &name.place, findings);
        if text == Some("name") {
            findings.wrong(&*name.place, "`name`", "another: the image has a name already");
        }
        let found = value.text("a text", findings);
        if let (Some(name), Some(found)) = (text, found) {
            values.insert(name, (value.place, found));
        }
    }
    os_arch(&values, findings)
}

fn os_arch(values: &BTreeMap<&str, (String, &str)>, findings: &mut Findings) -> OsArch {
    let (os, arch) = (values.get("os"), values.get("arch"));
    let systems = platform::KNOWN.map(|(name, _)| name);
    match (os, arch) {
        (Some((place, os)), _) if !systems.contains(os) => {
            findings.wrong(place, quoted(os), format!("one of {}", listed(&systems)));
        }
        (Some((_, os)), Some((place, arch))) => {
            let known = platform::KNOWN.iter().find(|(name, _)| name == os);
            let known = known.map_or(&[][..], |(_, machines)| machines);
            if !known.contains(arch) {
                let expected = format!("one of {} with `os` `{os}`", listed(known));
                findings.wrong(place, quoted(arch), expected);
            }
        }
        (None, Some(_)) => return OsArch::ArchAlone,
        (_, None) => {}
    }
    OsArch::Other
}

fn dependencies(field: &Field<'_>, findings: &mut Findings) {
    let mut seen: Vec<&Value> = Vec::new();
    for dependency in field.items(findings) {
        let fields = &["imageName", "imageID", "labels", "size"];
        let Some(object) = dependency.object(fields, findings) else { continue };
        object.field("imageName").ac_identifier(findings);
        let id = object.field("imageID");
        if id.is_there() {
            let expected = "`sha512-` and 128 digits from `0` to `9` and `a` to `f`";
            id.fitting(|id| id.parse::<ImageId>().is_ok(), expected, findings);
        }
        // They say which image is meant, with as many as tell that.
        labels(&object.field("labels"), findings);
        object.field("size").number(0, i64::MAX, findings);
        if let Some(value) = dependency.value() {
            // Beyond some thousands, nobody is served by the search.
            if seen.len() < 4096 && seen.contains(&value) {
                findings.wrong(&*dependency.place, "there already", "each one once");
            }
            seen.push(value);
        }
    }
}

fn annotations(field: &Field<'_>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for annotation in field.items(findings) {
        let Some(object) = annotation.object(&["name", "value"], findings) else { continue };
        let name = object.field("name");
        let text = name.ac_identifier(findings);
        unique(&mut seen, text, &name.place, findings);
        let value = object.field("value");
        let Some(found) = value.text("a text", findings) else { continue };
        if text == Some("created") && !is_time(found) {
            findings.wrong(value.place, quoted(found), "a time such as `2024-01-31T00:00:00Z`");
        } else if text.is_some_and(|name| ADDRESSES.contains(&name)) && !is_address(found) {
            findings.wrong(value.place, quoted(found), "an address of `http://` or `https://`");
        }
    }
}

/// RFC 3339.
fn is_time(text: &str) -> bool {
    text.as_bytes().get(10) == Some(&b'T') && text.parse::<Timestamp>().is_ok()
}

fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let plain = |byte: u8| byte.is_ascii_graphic() || !byte.is_ascii();
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(plain))
}

/// A list of texts.
pub(super) fn texts(field: &Field<'_>, findings: &mut Findings) {
    for item in field.items(findings) {
        if let Some(value) = item.value().filter(|value| !value.is_string()) {
            findings.wrong(&*item.place, show(value), "a text");
        }
    }
}
