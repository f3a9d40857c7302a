//! The keys that the specification knows, what their values are and which types of entry have them.

use super::problem::{Problems, shown};

/// What the values of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// ASCII or UTF-8 without control characters; lists as well.
    Text,
    /// The same in several languages: keys may have a locale.
    Translated,
    /// `true` or `false`.
    Boolean,
}

/// Which type of entry may have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Any,
    Application,
    Link,
    FsDevice,
    MimeType,
}

/// A key that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) values: Values,
    pub(super) of: For,
    pub(super) deprecated: bool,
}

const fn key(name: &'static str, values: Values, of: For) -> Known {
    Known { name, values, of, deprecated: false }
}

const fn old(name: &'static str, values: Values, of: For) -> Known {
    Known { name, values, of, deprecated: true }
}

use For::{Any, Application, FsDevice, Link, MimeType};
use Values::{Boolean, Text, Translated};

/// Keys of the main group: specification 1.5, "Recognized desktop entry keys" and appendices B and C
/// (KDE's own, deprecated ones), and the key of the autostart proposal.
const MAIN: [Known; 48] = [
    key("Type", Text, Any),
    key("Version", Text, Any),
    key("Name", Translated, Any),
    key("GenericName", Translated, Any),
    key("NoDisplay", Boolean, Any),
    key("Comment", Translated, Any),
    key("Icon", Translated, Any),
    key("Hidden", Boolean, Any),
    key("OnlyShowIn", Text, Any),
    key("NotShowIn", Text, Any),
    key("TryExec", Text, Application),
    key("Exec", Text, Application),
    key("Path", Text, Application),
    key("Terminal", Boolean, Application),
    key("MimeType", Text, Application),
    key("Categories", Text, Application),
    key("StartupNotify", Boolean, Application),
    key("StartupWMClass", Text, Application),
    key("URL", Text, Link),
    key("Keywords", Translated, Any),
    key("Actions", Text, Application),
    key("Implements", Text, Any),
    key("DBusActivatable", Boolean, Any),
    key("PrefersNonDefaultGPU", Boolean, Any),
    key("SingleMainWindow", Boolean, Any),
    key("ServiceTypes", Text, Any),
    key("DocPath", Text, Any),
    key("InitialPreference", Text, Any),
    key("Dev", Text, FsDevice),
    key("FSType", Text, FsDevice),
    key("MountPoint", Text, FsDevice),
    key("ReadOnly", Boolean, FsDevice),
    key("UnmountIcon", Text, FsDevice),
    old("Protocols", Text, Any),
    old("Extensions", Text, Any),
    old("BinaryPattern", Text, Any),
    old("MapNotify", Text, Any),
    old("Patterns", Text, MimeType),
    old("DefaultApp", Text, MimeType),
    old("MiniIcon", Text, Any),
    old("TerminalOptions", Text, Any),
    old("Encoding", Text, Any),
    old("SwallowTitle", Translated, Any),
    old("SwallowExec", Text, Any),
    old("SortOrder", Text, Any),
    old("FilePattern", Text, Any),
    key("AutostartCondition", Text, Application),
    // An extension that the specification has taken over by another name.
    old("X-KDE-RunOnDiscreteGpu", Boolean, Any),
];

/// Keys of an action's group.
const ACTION: [Known; 5] = [
    key("Name", Translated, Any),
    key("Icon", Translated, Any),
    old("OnlyShowIn", Text, Any),
    old("NotShowIn", Text, Any),
    key("Exec", Text, Any),
];

/// What is known of a key of the main group.
pub(super) fn of_main(name: &[u8]) -> Option<&'static Known> {
    MAIN.iter().find(|known| known.name.as_bytes() == name)
}

/// What is known of a key of an action's group.
pub(super) fn of_action(name: &[u8]) -> Option<&'static Known> {
    ACTION.iter().find(|known| known.name.as_bytes() == name)
}

/// Whether the bytes may name a key or an action.
pub(super) fn is_name(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// A key's name and its locale, if the bytes are of that form. (As `desktop-file-validate` does, the
/// last letter of a locale is not looked at.)
pub(super) fn split_locale(key: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let Some(bracket) = key.iter().rposition(|byte| *byte == b'[') else {
        return is_name(key).then_some((key, None));
    };
    let (name, locale) = (&key[..bracket], key[bracket + 1..].strip_suffix(b"]")?);
    let (_, looked_at) = locale.split_last()?;
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(byte);
    (is_name(name) && looked_at.iter().all(fits)).then_some((name, Some(locale)))
}

/// Checks that a value is of its kind; `place` names the key.
pub(super) fn check_value(
    values: Values,
    place: &str,
    value: &[u8],
    has_base: bool,
    problems: &mut Problems,
) -> bool {
    match values {
        Text if value.iter().any(u8::is_ascii_control) => {
            problems.error(place, "control characters", "none");
            false
        }
        Translated if std::str::from_utf8(value).is_err() => {
            problems.error(place, shown(value), "UTF-8");
            false
        }
        Translated if !has_base => {
            problems.error(place, "a translation", "the same key without locale beside it");
            false
        }
        Boolean if !matches!(value, b"true" | b"false" | b"0" | b"1") => {
            problems.error(place, shown(value), "`true` or `false`");
            false
        }
        Boolean if matches!(value, b"0" | b"1") => {
            problems.warning(
                place,
                format!("{}, which is deprecated", shown(value)),
                "`true` or `false`",
            );
            true
        }
        Text | Translated | Boolean => true,
    }
}
