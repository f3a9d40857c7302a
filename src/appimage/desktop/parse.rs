//! Lines become groups and keys.
//!
//! Desktop Entry Specification, "Basic format of the file": lines are separated by line feeds, `#` begins
//! a comment, `[…]` a group, and all else is `key=value` with blanks around the sign ignored.

use super::problem::{Problems, shown};
use super::{KDE_GROUP, MAIN_GROUP};

/// A file taken apart; comments and blank lines are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesktopEntry {
    /// Its groups, each once, as they came.
    pub groups: Vec<Group>,
}

/// A group with its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// What is between the brackets.
    pub name: Vec<u8>,
    /// Keys, with their locale if they have one, and values as they stand in the file.
    pub keys: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Group {
    /// The first value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.keys.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_slice())
    }
}

impl DesktopEntry {
    /// Takes a file apart, whatever is wrong with it.
    pub fn parse(bytes: &[u8]) -> Self {
        Self::parse_with(bytes, &mut Problems::default())
    }

    /// The text of a key in the main group; `None` if there is none or if it is not UTF-8.
    pub fn text(&self, key: &str) -> Option<&str> {
        let group = self.group(MAIN_GROUP.as_bytes())?;
        std::str::from_utf8(group.get(key.as_bytes())?).ok()
    }

    /// The group of that name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    pub(super) fn parse_with(bytes: &[u8], problems: &mut Problems) -> Self {
        let mut entry = Self::default();
        let mut current: Option<usize> = None;
        let mut not_utf8 = false;
        if bytes.contains(&b'\r') {
            let expected = "lines that end with a line feed alone";
            problems.error("the file", "carriage returns", expected);
        }
        for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
            if !not_utf8 && std::str::from_utf8(line).is_err() {
                not_utf8 = true;
                problems.warning("the file", "lines that are not UTF-8", "UTF-8");
            }
            let start = line.iter().position(|byte| !is_space(*byte)).unwrap_or(line.len());
            if start > 0 {
                problems.error(place(line), "blanks at its beginning", "none");
            }
            let text = &line[start..];
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            if let Some(name) = header(text) {
                if chomp(text) != text {
                    problems.error(place(line), "blanks behind the group's name", "none");
                }
                current = Some(entry.enter(name, problems));
            } else if let Some(equals) =
                text.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)
            {
                let (key, value) = (chomp(&text[..equals]), chug(&text[equals + 1..]));
                match current {
                    Some(at) => entry.groups[at].keys.push((key.to_vec(), value.to_vec())),
                    None => problems.error(place(line), "a key", "a group before the first key"),
                }
            } else {
                problems.error(place(line), "neither", "a comment, a group or `key=value`");
            }
        }
        entry
    }

    fn enter(&mut self, name: &[u8], problems: &mut Problems) -> usize {
        let first = [MAIN_GROUP, KDE_GROUP].map(str::as_bytes);
        if self.groups.is_empty() && !first.contains(&name) {
            problems.error("the first group", shown(name), format!("`{MAIN_GROUP}`"));
        }
        match self.groups.iter().position(|group| group.name == name) {
            Some(at) => {
                problems.error(format!("group {}", shown(name)), "it several times", "it once");
                at
            }
            None => {
                self.groups.push(Group { name: name.to_vec(), keys: Vec::new() });
                self.groups.len() - 1
            }
        }
    }
}

/// The same file with `key` in its main group set to `value`, every other line as it is.
pub(in crate::appimage) fn with_key(bytes: &[u8], key: &str, value: &str) -> Vec<u8> {
    let line = format!("{key}={value}");
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    let is_main = |line: &[u8]| header(line) == Some(MAIN_GROUP.as_bytes());
    let Some(start) = lines.iter().position(|line| is_main(line)) else { return bytes.to_vec() };
    let end = lines[start + 1..].iter().position(|line| header(line).is_some());
    let end = end.map_or(lines.len(), |count| start + 1 + count);
    let has_key = |line: &[u8]| {
        line.iter()
            .position(|byte| *byte == b'=')
            .is_some_and(|at| chomp(&line[..at]) == key.as_bytes())
    };
    match (start + 1..end).find(|&at| has_key(lines[at])) {
        Some(at) => lines[at] = line.as_bytes(),
        None => {
            // Behind the group's last line that says something.
            let says = |at: &usize| !lines[*at].is_empty();
            let last = (start..end).rev().find(says).unwrap_or(start);
            lines.insert(last + 1, line.as_bytes());
        }
    }
    let mut text = lines.join(&b'\n');
    text.push(b'\n');
    text
}

fn header(line: &[u8]) -> Option<&[u8]> {
    chomp(line).strip_prefix(b"[")?.strip_suffix(b"]")
}

fn place(line: &[u8]) -> String {
    format!("line {}", shown(line))
}

/// As `GLib` has it: without the vertical tab.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r')
}

fn chomp(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(0, |at| at + 1);
    &text[..end]
}

fn chug(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_set_in_its_group_alone() {
        let text = "# c\n[Desktop Entry]\nName = A\n\n[Desktop Action x]\nName=B\n";
        let set = |key, value| String::from_utf8(with_key(text.as_bytes(), key, value)).unwrap();
        assert_eq!(set("Name", "Z"), text.replace("Name = A", "Name=Z"));
        assert_eq!(set("Icon", "i"), text.replace("Name = A\n", "Name = A\nIcon=i\n"));
        assert_eq!(with_key(b"no group", "a", "b"), b"no group");
        assert_eq!(with_key(b"[Desktop Entry]", "a", "b"), b"[Desktop Entry]\na=b\n");
    }

    #[test]
    fn blanks_around_the_sign_do_not_count() {
        let entry = DesktopEntry::parse(b"[Desktop Entry]\nName \t=  a b \nX\n=y\n");
        assert_eq!(entry.text("Name"), Some("a b "));
        assert_eq!(entry.groups[0].keys.len(), 1);
    }
}
