//! Desktop entries: exactly one in the root, by the rules, with what an AppImage's must have.

use super::{Contents, Findings, Severity, shown};
use crate::appimage::contents::join;
use crate::appimage::desktop::{self, DesktopEntry, MAIN_GROUP, Problem};
use crate::appimage::pieces::MAX_TEXT;

const CHECK: &str = "desktop-entry";

/// Keys that an AppImage's entry must have, with what they are for. (`Type` and `Name` every entry must.)
const REQUIRED: [(&str, &str); 3] = [
    ("Exec", "the program's name"),
    ("Icon", "the name of an icon in the root"),
    ("Categories", "places in menus, such as `Utility;`"),
];

/// What only programs write that put AppImages into menus.
const INTEGRATORS: [&str; 4] = ["Identifier", "Old-Name", "Old-Icon", "UpdateInformation"];

/// Suffixes that the name of an icon has not.
const ICON_SUFFIXES: [&str; 4] = [".png", ".svg", ".svgz", ".xpm"];

/// An entry with its name.
pub(super) struct Entry {
    pub(super) file: Vec<u8>,
    pub(super) entry: DesktopEntry,
}

/// Checks all entries; answers that of the AppImage.
pub(super) fn check(contents: &Contents, findings: &mut Findings) -> Option<Entry> {
    let names = contents.tree.names(b"").into_iter();
    let names: Vec<&[u8]> = names.filter(|name| name.ends_with(b".desktop")).collect();
    match &names[..] {
        [] => findings.add((Severity::Error, CHECK), b"*.desktop", "none in the root", "one"),
        [_] => {}
        several => {
            let all: Vec<String> =
                several.iter().map(|name| format!("`{}`", shown(name))).collect();
            findings.add((Severity::Error, CHECK), b"*.desktop", all.join(", "), "one in the root");
        }
    }
    installed(contents, findings);
    let file = names.first()?.to_vec();
    let bytes = contents.file(&file).map(|file| file.read(MAX_TEXT));
    let bytes = match bytes {
        Some(Ok(bytes)) => bytes,
        Some(Err(source)) => {
            let got = format!("a file that cannot be read ({source})");
            findings.add((Severity::Error, CHECK), &file, got, "text of at most 1 MiB");
            return None;
        }
        None => {
            findings.add((Severity::Error, CHECK), &file, "no file", "a file, or a link to one");
            return None;
        }
    };
    for problem in desktop::check(&shown(&file), &bytes) {
        findings.problem(CHECK, &file, problem);
    }
    let entry = Entry { file, entry: DesktopEntry::parse(&bytes) };
    for_appimages(&entry, findings);
    Some(entry)
}

/// Entries that are installed beside that of the root.
fn installed(contents: &Contents, findings: &mut Findings) {
    let dir = b"usr/share/applications";
    for name in contents.names(dir).into_iter().filter(|name| name.ends_with(b".desktop")) {
        let path = join(dir, &name);
        let Some(Ok(bytes)) = contents.file(&path).map(|file| file.read(MAX_TEXT)) else {
            continue;
        };
        for problem in desktop::check(&shown(&name), &bytes) {
            // They may be of programs that came along, and nobody's to change.
            if problem.severity == Severity::Error {
                let problem = Problem { severity: Severity::Warning, ..problem };
                findings.problem(CHECK, &path, problem);
            }
        }
    }
}

/// What the specification of AppImages asks for beyond that of desktop entries.
fn for_appimages(Entry { file, entry }: &Entry, findings: &mut Findings) {
    let error = (Severity::Error, CHECK);
    if entry.group(MAIN_GROUP.as_bytes()).is_none() {
        return findings.add(error, file, "no such group", format!("`[{MAIN_GROUP}]`"));
    }
    for (key, what) in REQUIRED {
        if entry.text(key).is_none_or(str::is_empty) {
            findings.add(error, file, format!("no `{key}`"), what);
        }
    }
    if let Some(kind) = entry.text("Type").filter(|kind| *kind != "Application") {
        findings.add(error, file, format!("`Type={kind}`"), "`Type=Application`");
    }
    if let Some(icon) = entry.text("Icon")
        && (icon.contains('/') || ICON_SUFFIXES.iter().any(|suffix| icon.ends_with(suffix)))
    {
        findings.add(error, file, format!("`Icon={icon}`"), "a name without directory and suffix");
    }
    extensions(file, entry, findings);
}

/// `X-AppImage-…`
fn extensions(file: &[u8], entry: &DesktopEntry, findings: &mut Findings) {
    let warning = (Severity::Warning, CHECK);
    let keys = entry.group(MAIN_GROUP.as_bytes()).map(|group| group.keys.as_slice());
    for (key, value) in keys.unwrap_or_default() {
        let Some(name) = key.strip_prefix(b"X-AppImage-") else { continue };
        let (name, value) = (shown(name), shown(value));
        let got = format!("`X-AppImage-{name}={value}`");
        match name.as_str() {
            "Integrate" if value != "true" && value != "false" => {
                findings.add(warning, file, got, "`true` or `false`");
            }
            "Version" | "Name" if value.is_empty() => {
                findings.add(warning, file, got, "a text, or no such key");
            }
            name if INTEGRATORS.iter().any(|other| name.starts_with(other)) => {
                let expected = "no such key: programs that put AppImages into menus write it";
                findings.add(warning, file, got, expected);
            }
            _ => {}
        }
    }
}
