//! The `app` of a manifest: what is run, and how (appc spec, "Image Manifest Schema", `app`; `schema/types/app.go`).

use std::collections::BTreeSet;

use super::fields::{Field, Findings, Object, is_absolute, quoted, unique};
use super::isolators;
use super::manifest::texts;
use crate::aci::names::{ENVIRONMENT_NAME, is_environment_name};

/// `supplementaryGids` is how the example in the specification spells it; to Go they are the same.
const FIELDS: &[&str] = &[
    "exec",
    "user",
    "group",
    "supplementaryGIDs",
    "supplementaryGids",
    "eventHandlers",
    "workingDirectory",
    "environment",
    "mountPoints",
    "ports",
    "isolators",
    "userAnnotations",
    "userLabels",
];

const PATH: &str = "an absolute path without `..`";

pub(super) fn check(field: &Field<'_>, findings: &mut Findings) {
    let Some(app) = field.object(FIELDS, findings) else { return };
    texts(&app.field("exec"), findings);
    for key in ["user", "group"] {
        let expected = "a number as text, a name, or a path of the image";
        app.field(key).fitting(|text| !text.is_empty(), expected, findings);
    }
    for key in ["supplementaryGIDs", "supplementaryGids"] {
        for group in app.field(key).items(findings) {
            group.number(0, u32::MAX.into(), findings);
        }
    }
    let dir = app.field("workingDirectory");
    if let Some(text) = dir.text(PATH, findings).filter(|text| !text.is_empty())
        && !is_absolute(text)
    {
        findings.wrong(dir.place, quoted(text), PATH);
    }
    environment(&app.field("environment"), findings);
    handlers(&app.field("eventHandlers"), findings);
    mounts(&app.field("mountPoints"), findings);
    ports(&app.field("ports"), findings);
    isolators::check(&app.field("isolators"), findings);
    for key in ["userAnnotations", "userLabels"] {
        for (_, value) in app.field(key).any_object(findings).unwrap_or_default() {
            value.text("a text", findings);
        }
    }
}

fn environment(field: &Field<'_>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for variable in field.items(findings) {
        let Some(object) = variable.object(&["name", "value"], findings) else { continue };
        let name = object.field("name");
        let text = name.fitting(is_environment_name, ENVIRONMENT_NAME, findings);
        unique(&mut seen, text, &name.place, findings);
        let value = object.field("value");
        if let Some(text) = value.text("a text", findings)
            && text.contains('\0')
        {
            findings.wrong(value.place, "a text with a NUL", "one without");
        }
    }
}

fn handlers(field: &Field<'_>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for handler in field.items(findings) {
        let Some(object) = handler.object(&["name", "exec"], findings) else { continue };
        let name = object.field("name");
        let is_event = |text: &str| ["pre-start", "post-stop"].contains(&text);
        let text = name.fitting(is_event, "`pre-start` or `post-stop`", findings);
        unique(&mut seen, text, &name.place, findings);
        let exec = object.field("exec");
        if exec.required("a program and its arguments", findings).is_some() {
            if exec.value().and_then(|it| it.as_array()).is_some_and(Vec::is_empty) {
                findings.wrong(&*exec.place, "an empty list", "a program and its arguments");
            }
            texts(&exec, findings);
        }
    }
}

fn mounts(field: &Field<'_>, findings: &mut Findings) {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for mount in field.items(findings) {
        let Some(object) = mount.object(&["name", "path", "readOnly"], findings) else { continue };
        named(&object, &mut names, findings);
        let path = object.field("path");
        let text = path.fitting(is_absolute, PATH, findings);
        unique(&mut paths, text, &path.place, findings);
        object.field("readOnly").boolean(findings);
    }
}

fn ports(field: &Field<'_>, findings: &mut Findings) {
    const FIELDS: &[&str] = &["name", "protocol", "port", "count", "socketActivated"];
    let mut names = BTreeSet::new();
    for port in field.items(findings) {
        let Some(object) = port.object(FIELDS, findings) else { continue };
        named(&object, &mut names, findings);
        let is_protocol = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
        };
        object.field("protocol").fitting(is_protocol, "a protocol such as `tcp`", findings);
        let number = object.field("port");
        number.required("a whole number from 1 to 65535", findings);
        let first = number.number(1, 65535, findings);
        let count = object.field("count");
        // Go writes 0 for a count that was not said.
        let length = count.number(0, 65535, findings).unwrap_or(1).max(1);
        if let Some(first) = first.filter(|first| first + length > 65536) {
            let expected = format!("at most {}, as the last port is 65535", 65536 - first);
            findings.wrong(count.place, format!("`{length}`"), expected);
        }
        object.field("socketActivated").boolean(findings);
    }
}

/// The name of a mount point or port, which must be there, and once.
fn named<'a>(object: &Object<'a>, seen: &mut BTreeSet<&'a str>, findings: &mut Findings) {
    let name = object.field("name");
    let text = name.ac_name(findings);
    unique(seen, text, &name.place, findings);
}
