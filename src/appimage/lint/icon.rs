//! Icons: the one that the entry names, in the root, and `.DirIcon`.

use super::entry::Entry;
use super::{Contents, Findings, Severity};

const CHECK: &str = "icon";

/// How much of a file tells what it is: an SVG may begin with a licence.
const START: usize = 64 * 1024;

/// Where desktops look, and what files of that kind have at their beginning.
const KINDS: [(&str, Kind); 3] = [("png", Kind::Png), ("svg", Kind::Svg), ("xpm", Kind::Xpm)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Png,
    Svg,
    Xpm,
}

impl Kind {
    fn of(start: &[u8]) -> Option<Self> {
        let has = |text: &[u8]| start.windows(text.len()).any(|window| window == text);
        match start {
            [0x89, b'P', b'N', b'G', ..] => Some(Self::Png),
            // Packed with gzip, as `.svgz` is, SVG is taken as well.
            [0x1f, 0x8b, ..] => Some(Self::Svg),
            start if start.starts_with(b"/* XPM") || has(b"static char") => Some(Self::Xpm),
            _ => has(b"<svg").then_some(Self::Svg),
        }
    }
}

pub(super) fn check(contents: &Contents, entry: Option<&Entry>, findings: &mut Findings) {
    let error = (Severity::Error, CHECK);
    let named = entry.and_then(|entry| entry.entry.text("Icon"));
    if let Some(name) = named.filter(|name| !name.is_empty() && !name.contains('/')) {
        let mut there = false;
        for (suffix, kind) in KINDS {
            let path = format!("{name}.{suffix}").into_bytes();
            let Some(file) = contents.file(&path) else { continue };
            there = true;
            if file.start(START).ok().and_then(|start| Kind::of(&start)) != Some(kind) {
                findings.add(
                    error,
                    &path,
                    "a file of another kind",
                    format!("what `.{suffix}` says"),
                );
            }
        }
        if !there {
            let file = format!("{name}.png");
            let expected = "`.png`, `.svg` or `.xpm` of the name that `Icon` says, in the root";
            findings.add(error, file.as_bytes(), "no icon", expected);
        }
    }
    dir_icon(contents, findings);
}

fn dir_icon(contents: &Contents, findings: &mut Findings) {
    let file = b".DirIcon";
    let Some(icon) = contents.file(file) else {
        // A link that leads nowhere is told as such.
        if contents.tree.get(file).is_none() {
            findings.add((Severity::Error, CHECK), file, "nothing", "an icon, or a link to one");
        }
        return;
    };
    let start = icon.start(START).unwrap_or_default();
    match (Kind::of(&start), size(&start)) {
        (None, _) => {
            findings.add((Severity::Error, CHECK), file, "a file that is no icon", "a PNG or SVG");
        }
        (Some(Kind::Png), Some((256, 256))) => {}
        (Some(Kind::Png), Some((width, height))) => {
            let got = format!("{width}x{height} pixels");
            findings.add((Severity::Hint, CHECK), file, got, "256x256");
        }
        (Some(_), _) => {
            let got = "an icon that is no PNG";
            findings.add((Severity::Hint, CHECK), file, got, "a PNG of 256x256 pixels");
        }
    }
}

/// Width and height of a PNG (PNG specification, "IHDR").
fn size(start: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(*start.get(at..)?.first_chunk()?));
    Some((number(16)?, number(20)?))
}
