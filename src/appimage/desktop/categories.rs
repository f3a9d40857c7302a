//! `Categories`: where menus show an application.
//!
//! Desktop Menu Specification, appendix A: main categories, additional ones with those that belong beside
//! them, and reserved ones, which only some desktops may show.

use super::lists::{distinct, items};
use super::problem::{Problems, shown};

/// Where menus have a place of their own for.
const MAIN: [&str; 13] = [
    "AudioVideo",
    "Audio",
    "Video",
    "Development",
    "Education",
    "Game",
    "Graphics",
    "Network",
    "Office",
    "Science",
    "Settings",
    "System",
    "Utility",
];

/// What is no menu of its own if `AudioVideo` is beside it.
const WITH_AUDIO_VIDEO: [&str; 2] = ["Audio", "Video"];

/// For some desktops alone.
const RESERVED: [&str; 4] = ["Screensaver", "TrayIcon", "Applet", "Shell"];

/// From before there was a specification.
const DEPRECATED: [&str; 2] = ["Application", "Applications"];

/// Sets of categories of which one had better be there as a whole.
type Beside = &'static [&'static [&'static str]];

/// Additional categories by what belongs beside them.
const ADDITIONAL: [(&[&str], Beside); 36] = [
    (
        &[
            "Building",
            "Debugger",
            "IDE",
            "GUIDesigner",
            "Profiling",
            "RevisionControl",
            "Translation",
        ],
        &[&["Development"]],
    ),
    (
        &[
            "Calendar",
            "ContactManagement",
            "Chart",
            "Finance",
            "FlowChart",
            "PDA",
            "Presentation",
            "Spreadsheet",
            "WordProcessor",
        ],
        &[&["Office"]],
    ),
    (&["Database"], &[&["Office"], &["Development"], &["AudioVideo"]]),
    (&["Dictionary"], &[&["Office"], &["TextTools"]]),
    (&["Email"], &[&["Office"], &["Network"]]),
    (&["ProjectManagement"], &[&["Office"], &["Development"]]),
    (&["2DGraphics", "3DGraphics", "Scanning"], &[&["Graphics"]]),
    (&["VectorGraphics", "RasterGraphics"], &[&["Graphics", "2DGraphics"]]),
    (&["OCR"], &[&["Graphics", "Scanning"]]),
    (&["Photography", "Publishing", "Viewer"], &[&["Graphics"], &["Office"]]),
    (
        &["TextTools", "TelephonyTools", "Archiving", "Calculator", "Clock", "TextEditor"],
        &[&["Utility"]],
    ),
    (&["DesktopSettings", "HardwareSettings", "PackageManager"], &[&["Settings"]]),
    (&["Printing"], &[&["HardwareSettings", "Settings"]]),
    (
        &[
            "Dialup",
            "InstantMessaging",
            "Chat",
            "IRCClient",
            "Feed",
            "FileTransfer",
            "News",
            "P2P",
            "RemoteAccess",
            "Telephony",
            "VideoConference",
            "WebBrowser",
        ],
        &[&["Network"]],
    ),
    (&["HamRadio"], &[&["Network"], &["Audio"]]),
    (&["WebDevelopment"], &[&["Network"], &["Development"]]),
    (&["Midi", "Mixer", "Sequencer", "Tuner"], &[&["AudioVideo", "Audio"]]),
    (&["TV"], &[&["AudioVideo", "Video"]]),
    (
        &["AudioVideoEditing", "Player", "Recorder", "DiscBurning"],
        &[&["Audio"], &["Video"], &["AudioVideo"]],
    ),
    (
        &[
            "ActionGame",
            "AdventureGame",
            "ArcadeGame",
            "BoardGame",
            "BlocksGame",
            "CardGame",
            "KidsGame",
            "LogicGame",
            "RolePlaying",
            "Shooter",
            "Simulation",
            "SportsGame",
            "StrategyGame",
            "GameTool",
            "LauncherStore",
        ],
        &[&["Game"]],
    ),
    (
        &[
            "Art",
            "Construction",
            "Languages",
            "ArtificialIntelligence",
            "Astronomy",
            "Biology",
            "Chemistry",
            "ComputerScience",
            "DataVisualization",
            "Economy",
            "Electricity",
            "Geography",
            "Geology",
            "Geoscience",
            "History",
            "Humanities",
            "ImageProcessing",
            "Literature",
            "Math",
            "MedicalSoftware",
            "Physics",
            "Robotics",
            "Sports",
        ],
        &[&["Education"], &["Science"]],
    ),
    (&["Music"], &[&["AudioVideo"], &["Education"]]),
    (&["Maps", "Spirituality"], &[&["Education"], &["Science"], &["Utility"]]),
    (&["NumericalAnalysis"], &[&["Education", "Math"], &["Science", "Math"]]),
    (&["ParallelComputing"], &[&["Education", "ComputerScience"], &["Science", "ComputerScience"]]),
    (
        &[
            "Amusement",
            "Electronics",
            "Engineering",
            "Documentation",
            "Adult",
            "Core",
            "COSMIC",
            "GTK",
            "Qt",
            "Motif",
            "Java",
            "ConsoleOnly",
        ],
        &[],
    ),
    (&["Compression"], &[&["Utility", "Archiving"]]),
    (&["Emulator"], &[&["System"], &["Game"]]),
    (&["FileTools"], &[&["Utility"], &["System"]]),
    (&["FileManager"], &[&["System", "FileTools"]]),
    (&["TerminalEmulator", "Filesystem"], &[&["System"]]),
    (&["Monitor"], &[&["System"], &["Network"]]),
    (&["Security"], &[&["Settings"], &["System"]]),
    (&["Accessibility"], &[&["Settings"], &["Utility"]]),
    (&["KDE", "DDE", "LXQt"], &[&["Qt"]]),
    (&["GNOME", "Phosh", "XFCE"], &[&["GTK"]]),
];

/// Checks a list of categories; `place` names its key.
pub(super) fn check(place: &str, value: &[u8], only_shown_in: bool, problems: &mut Problems) {
    if value.is_empty() {
        return;
    }
    let all = distinct(place, value, problems);
    let has = |name: &str| all.contains(&name.as_bytes());
    let is = |list: &[&str], item: &[u8]| list.iter().any(|name| name.as_bytes() == item);
    let mut mains = 0;
    for item in items(value).filter(|item| !item.starts_with(b"X-")) {
        if is(&MAIN, item) {
            let part = is(&WITH_AUDIO_VIDEO, item);
            mains += usize::from(!part || !has("AudioVideo"));
            if part && !has("AudioVideo") {
                problems.warning(place, shown(item), "`AudioVideo` beside it");
            }
            if mains > 1 {
                problems.hint(place, "several main categories", "one, for one place in menus");
            }
        } else if is(&RESERVED, item) {
            if !only_shown_in {
                problems.error(place, shown(item), "`OnlyShowIn` beside it");
            }
        } else if is(&DEPRECATED, item) {
            problems.warning(
                place,
                format!("{}, which is deprecated", shown(item)),
                "no such category",
            );
        } else if let Some((_, beside)) = ADDITIONAL.iter().find(|(names, _)| is(names, item)) {
            if !beside.is_empty() && !beside.iter().any(|set| set.iter().all(|name| has(name))) {
                let sets = beside.iter().map(|set| format!("`{}`", set.join(";")));
                let sets = sets.collect::<Vec<_>>().join(" or ");
                problems.hint(place, shown(item), format!("{sets} beside it"));
            }
        } else {
            let expected = "a registered category such as `Utility`, or one that begins with `X-`";
            problems.error(place, shown(item), expected);
        }
    }
    if mains == 0 {
        let main = MAIN.join("`, `");
        problems.hint(place, shown(value), format!("one of the main categories `{main}`"));
    }
}
