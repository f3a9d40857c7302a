//! Values that are lists with semicolons, and the desktops that entries are shown in.

use super::problem::{Problems, shown};

/// Desktop Menu Specification, "Registered `OnlyShowIn` environments". DDE was Deepin.
const DESKTOPS: [&str; 23] = [
    "Budgie",
    "COSMIC",
    "Cinnamon",
    "DDE",
    "Deepin",
    "EDE",
    "Endless",
    "Enlightenment",
    "GNOME",
    "GNOME-Classic",
    "GNOME-Flashback",
    "KDE",
    "LXDE",
    "LXQt",
    "MATE",
    "Old",
    "Pantheon",
    "Phosh",
    "ROX",
    "Razor",
    "TDE",
    "Unity",
    "XFCE",
];

/// The items of a list; a semicolon at its end adds none.
pub(super) fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let empty = value.is_empty();
    let value = value.strip_suffix(b";").unwrap_or(value);
    value.split(|byte| *byte == b';').filter(move |_| !empty)
}

/// The items of a list, each once; `place` names its key.
pub(super) fn distinct<'a>(place: &str, value: &'a [u8], problems: &mut Problems) -> Vec<&'a [u8]> {
    let mut seen: Vec<&[u8]> = Vec::new();
    for item in items(value) {
        if seen.contains(&item) {
            problems.warning(place, format!("{} more than once", shown(item)), "it once");
        } else {
            seen.push(item);
        }
    }
    seen
}

/// Whether a desktop is registered.
pub(super) fn is_desktop(name: &[u8]) -> bool {
    DESKTOPS.iter().any(|desktop| desktop.as_bytes() == name)
}

/// Checks `OnlyShowIn` or `NotShowIn`; `place` names the key.
pub(super) fn check_desktops(place: &str, value: &[u8], problems: &mut Problems) {
    for item in distinct(place, value, problems) {
        if !item.starts_with(b"X-") && !is_desktop(item) {
            let expected = "a registered desktop such as `GNOME`, or one that begins with `X-`";
            problems.error(place, shown(item), expected);
        }
    }
}
