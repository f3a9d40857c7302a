//! The rules: for the file as a whole, for its groups, and for each key by what it means.

use std::collections::BTreeSet;

use super::keys::{self, For, Known, Values};
use super::parse::{DesktopEntry, Group};
use super::problem::{Problem, Problems, Severity, shown};
use super::{ACTION_GROUP, KDE_GROUP, MAIN_GROUP, autostart, categories, exec, lists, mime};

/// Types of entries: `MimeType` is deprecated, and KDE has some of its own.
const TYPES: [&str; 7] =
    ["Application", "Link", "Directory", "Service", "ServiceType", "FSDevice", "MimeType"];

/// Suffixes that the name of an icon in a theme has not.
const ICON_SUFFIXES: [&[u8]; 3] = [b".png", b".xpm", b".svg"];

/// What is wrong with the file that is called `name`, in the order in which it is found.
pub fn check(name: &str, bytes: &[u8]) -> Vec<Problem> {
    let mut problems = Problems::default();
    if bytes.is_empty() {
        problems.error("the file", "nothing", "a desktop entry");
        return problems.0;
    }
    let entry = DesktopEntry::parse_with(bytes, &mut problems);
    let mut rules =
        Rules { name, problems, kind: None, typed: Vec::new(), actions: BTreeSet::new() };
    entry.groups.iter().for_each(|group| rules.group(group));
    rules.whole(&entry);
    rules.problems.0
}

struct Rules<'a> {
    name: &'a str,
    problems: Problems,
    /// The type of the entry, if it is known.
    kind: Option<&'static str>,
    /// Keys that only one type has.
    typed: Vec<(String, For)>,
    /// What `Actions` names.
    actions: BTreeSet<Vec<u8>>,
}

/// A key with what is around it.
struct Key<'a> {
    group: &'a Group,
    place: &'a str,
    name: &'a [u8],
    /// With brackets, if there is one.
    locale: &'a [u8],
    value: &'a [u8],
}

impl Rules<'_> {
    fn group(&mut self, group: &Group) {
        let of_group = format!("group {}", shown(&group.name));
        if group.name.iter().any(|byte| byte.is_ascii_control() || b"[]".contains(byte)) {
            self.problems.error(of_group, "control characters or brackets", "none");
        } else if group.name == KDE_GROUP.as_bytes() {
            self.problems.warning(of_group, "a deprecated name", format!("`{MAIN_GROUP}`"));
        } else if let Some(action) = group.name.strip_prefix(ACTION_GROUP.as_bytes()) {
            if !keys::is_name(action) {
                self.problems.error(of_group, shown(action), "letters, digits and `-`");
            }
        } else if group.name != MAIN_GROUP.as_bytes() && !group.name.starts_with(b"X-") {
            let expected = "a group of the specification, or one that begins with `X-`";
            self.problems.error(of_group, "an unknown name", expected);
        }
        let known = match &group.name {
            name if is_main(name) => Some(keys::of_main as fn(&[u8]) -> Option<&'static Known>),
            name if name.starts_with(ACTION_GROUP.as_bytes()) => Some(keys::of_action as _),
            _ => None,
        };
        let mut seen = BTreeSet::new();
        let mut shown_in = false;
        for (key, value) in &group.keys {
            let place = place(key, group);
            if group.keys.iter().filter(|(other, _)| other == key).count() > 1 && seen.insert(key) {
                self.problems.error(place.as_str(), "it several times", "it once");
            }
            let Some((name, locale)) = keys::split_locale(key) else {
                let expected = "letters, digits and `-`, and perhaps a `[LOCALE]`";
                self.problems.error(place, "other letters in the name", expected);
                continue;
            };
            let suffix = &key[name.len()..];
            let Some(known) = known else { continue };
            let Some(known) = known(name) else {
                if !name.starts_with(b"X-") {
                    let expected = "a key of the specification, or one that begins with `X-`";
                    self.problems.error(place, "an unknown key", expected);
                }
                continue;
            };
            if locale.is_some() && known.values != Values::Translated {
                if !name.starts_with(b"X-") {
                    self.problems.error(place, "a locale", "none: the key has no translations");
                }
                continue;
            }
            if known.deprecated {
                self.problems.warning(place.as_str(), "a deprecated key", "none of that name");
            }
            let has_base = group.get(name).is_some();
            if name.starts_with(b"X-")
                || !keys::check_value(known.values, &place, value, has_base, &mut self.problems)
            {
                continue;
            }
            if matches!(name, b"OnlyShowIn" | b"NotShowIn") {
                if shown_in {
                    let got = "both `OnlyShowIn` and `NotShowIn`";
                    self.problems.error(place.as_str(), got, "one of them at most");
                }
                shown_in = true;
            }
            if known.of != For::Any {
                self.typed.push((place.clone(), known.of));
            }
            self.meaning(&Key { group, place: &place, name, locale: suffix, value });
        }
    }

    /// What a key's value must be because of what the key means.
    fn meaning(&mut self, key: &Key<'_>) {
        let Key { group, place, name, value, .. } = *key;
        let problems = &mut self.problems;
        match name {
            b"Type" => {
                self.kind = TYPES.into_iter().find(|kind| kind.as_bytes() == value);
                match self.kind {
                    None => {
                        let expected = "`Application`, `Link` or `Directory`";
                        problems.error(place, shown(value), expected);
                    }
                    Some("MimeType") => {
                        problems.warning(place, "a deprecated type", "`Application`");
                    }
                    Some(_) => {}
                }
            }
            b"Version" if !is_version(value) => {
                problems.error(place, shown(value), "a version of the specification, 1.0 to 1.5");
            }
            b"Comment" => {
                for other in [&b"Name"[..], b"GenericName"] {
                    let same = group.get(&[other, key.locale].concat());
                    if same.is_some_and(|same| same.eq_ignore_ascii_case(value)) {
                        let got = format!("the same as `{}`", String::from_utf8_lossy(other));
                        return problems.warning(place, got, "something that adds to it");
                    }
                }
            }
            b"Icon" => icon(place, value, problems),
            b"OnlyShowIn" | b"NotShowIn" => lists::check_desktops(place, value, problems),
            b"Exec" => exec::check(place, value, problems),
            b"Path" | b"Dev" | b"MountPoint" if !value.starts_with(b"/") => {
                problems.warning(place, shown(value), "an absolute path");
            }
            b"MimeType" => {
                let kinds = lists::distinct(place, value, problems);
                for kind in kinds {
                    mime::check(place, kind, problems);
                }
            }
            b"Categories" => {
                categories::check(place, value, group.get(b"OnlyShowIn").is_some(), problems);
            }
            b"Actions" => {
                for action in lists::distinct(place, value, problems) {
                    if action.is_empty() || !keys::is_name(action) {
                        let expected = "names of letters, digits and `-`";
                        return problems.error(
                            place,
                            format!("the action {}", shown(action)),
                            expected,
                        );
                    }
                    self.actions.insert(action.to_vec());
                }
            }
            b"DBusActivatable"
                if matches!(value, b"true" | b"1") && self.name.matches('.').count() < 2 =>
            {
                let got = format!("a file called `{}`", self.name);
                problems.error(place, got, "a name such as `org.example.App.desktop`");
            }
            b"Encoding" if !matches!(value, b"UTF-8" | b"Legacy-Mixed") => {
                problems.error(place, shown(value), "`UTF-8` or `Legacy-Mixed`");
            }
            b"AutostartCondition" => autostart::check(place, value, problems),
            _ => {}
        }
    }

    /// What can only be told when all groups are known.
    fn whole(&mut self, entry: &DesktopEntry) {
        // Of two groups in that role the last one counts.
        if let Some(main) = entry.groups.iter().rfind(|group| is_main(&group.name)) {
            if entry.groups.iter().filter(|group| is_main(&group.name)).count() > 1 {
                let got = format!("`{MAIN_GROUP}` and `{KDE_GROUP}`");
                self.problems.warning("the file", got, "one of them");
            }
            self.required(main, &["Type", "Name"]);
            self.of_type();
        }
        let is_action = |group: &&Group| group.name.starts_with(ACTION_GROUP.as_bytes());
        let mut without_group = self.actions.clone();
        for group in entry.groups.iter().filter(is_action) {
            let action = &group.name[ACTION_GROUP.len()..];
            if without_group.remove(action) {
                self.required(group, &["Name", "Exec"]);
            } else if keys::is_name(action) {
                let of_group = format!("group {}", shown(&group.name));
                self.problems.error(
                    of_group,
                    "an action that `Actions` does not name",
                    "one of those",
                );
            }
        }
        for action in without_group {
            let got = format!("the action {}", shown(&action));
            let expected =
                format!("a group `[{ACTION_GROUP}{}]`", String::from_utf8_lossy(&action));
            self.problems.error("`Actions`", got, expected);
        }
        let (suffixes, expected): (&[&str], _) = match self.kind {
            Some("Directory") => (&[".directory"], "a name that ends with `.directory`"),
            _ => (&[".desktop", ".kdelnk"], "a name that ends with `.desktop`"),
        };
        if self.name.ends_with(".kdelnk") {
            self.problems.warning("the file", "a deprecated suffix", "`.desktop`");
        } else if !suffixes.iter().any(|suffix| self.name.ends_with(suffix)) {
            self.problems.error("the file", format!("the name `{}`", self.name), expected);
        }
    }

    fn required(&mut self, group: &Group, names: &[&str]) {
        for name in names.iter().filter(|name| group.get(name.as_bytes()).is_none()) {
            self.problems.error(
                place(name.as_bytes(), group),
                "nothing",
                "it, since it is required",
            );
        }
    }

    fn of_type(&mut self) {
        let Some(kind) = self.kind else { return };
        let own = match kind {
            "Application" => For::Application,
            "Link" => For::Link,
            "FSDevice" => For::FsDevice,
            "MimeType" => For::MimeType,
            _ => For::Any,
        };
        for (place, of) in self.typed.iter().filter(|(_, of)| *of != own) {
            let of = match of {
                For::Application => "Application",
                For::Link => "Link",
                For::FsDevice => "FSDevice",
                For::MimeType | For::Any => "MimeType",
            };
            let expected = format!("such a key for `Type={of}` alone");
            self.problems.error(place.as_str(), format!("it with `Type={kind}`"), expected);
        }
    }
}

fn is_main(name: &[u8]) -> bool {
    [MAIN_GROUP, KDE_GROUP].iter().any(|main| main.as_bytes() == name)
}

fn place(key: &[u8], group: &Group) -> String {
    let key = shown(key);
    match group.name.as_slice() {
        name if name == MAIN_GROUP.as_bytes() => key,
        name => format!("{key} in group {}", shown(name)),
    }
}

fn is_version(text: &[u8]) -> bool {
    match text {
        b"1.0" | b"1.1" | b"1.2" | b"1.3" | b"1.4" | b"1.5" => true,
        [b'0', b'.', b'9', b'.', last] => (b'3'..=b'8').contains(last),
        _ => false,
    }
}

fn icon(place: &str, value: &[u8], problems: &mut Problems) {
    if value.starts_with(b"/") {
        if value.ends_with(b"/") {
            problems.error(place, shown(value), "a file, not a directory");
        }
    } else if value.contains(&b'/') {
        problems.error(place, shown(value), "a name, or an absolute path");
    } else if ICON_SUFFIXES.iter().any(|suffix| value.ends_with(suffix)) {
        problems.add(Severity::Warning, place, shown(value), "the name without its suffix");
    }
}
