//! The desktop entry in the root: the one that is there, that of the user, one of the application's own,
//! or a new one.

use super::{Bases, Contents, Error, MAX_TEXT, Request, join};
use crate::appimage::contents::Place;
use crate::appimage::desktop::{DesktopEntry, Severity, check, program, with_key};
use crate::appimage::tree::{File, Item};
use crate::bounded;

/// What the rest needs to know of it.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) icon: Option<String>,
    /// Where the application's own entry has its icon, if it said so.
    pub(super) icon_file: Option<Vec<u8>>,
}

/// An entry for the root.
struct Chosen {
    name: Vec<u8>,
    bytes: Vec<u8>,
    icon_file: Option<Vec<u8>>,
}

/// Puts an entry into the root unless one is there.
pub(super) fn complete(
    contents: &mut Contents,
    bases: &Bases,
    program: Option<&str>,
    request: &Request,
) -> Result<Entry, Error> {
    if let Some(file) = &request.desktop {
        let bytes = bounded::read(file, MAX_TEXT as u64)
            .map_err(|source| Error::Input { file: file.clone(), source })?;
        for name in in_root(contents) {
            contents.tree.remove(&name);
        }
        // Whatever it was called before.
        let name = file.with_extension("desktop");
        let name = name.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
        contents.tree.insert(name, Item::File(File::made(bytes)));
    }
    let present = in_root(contents);
    let mut icon_file = None;
    let name = match present.into_iter().next() {
        Some(name) => name,
        None => {
            let chosen =
                found(contents, bases, program).unwrap_or_else(|| new(bases, program, request));
            contents.tree.insert(chosen.name.clone(), Item::File(File::made(chosen.bytes)));
            icon_file = chosen.icon_file;
            chosen.name
        }
    };
    // One that cannot be read is for the checks to tell.
    let bytes = contents.file(&name).and_then(|file| file.read(MAX_TEXT).ok()).unwrap_or_default();
    if let Some(version) = &request.version {
        let bytes = with_key(&bytes, "X-AppImage-Version", version);
        if !bytes.is_empty() {
            contents.tree.insert(name, Item::File(File::made(bytes)));
        }
    }
    let entry = DesktopEntry::parse(&bytes);
    let text = |key: &str| entry.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Entry {
        name: text("Name").unwrap_or_else(|| bases.name.clone()),
        version: text("X-AppImage-Version"),
        icon: text("Icon"),
        icon_file,
    })
}

/// Names of desktop entries in the root, sorted.
fn in_root(contents: &Contents) -> Vec<Vec<u8>> {
    let names = contents.tree.names(b"").into_iter();
    names.filter(|name| name.ends_with(b".desktop")).map(<[u8]>::to_vec).collect()
}

/// The application's own entry: that of the program, or the only one there is; none that cannot be mended.
fn found(contents: &Contents, bases: &Bases, wanted: Option<&str>) -> Option<Chosen> {
    let mut all = Vec::new();
    for share in bases.shares() {
        let dir = join(&share, b"applications");
        for name in contents.names(&dir).into_iter().filter(|name| name.ends_with(b".desktop")) {
            let read = contents.file(&join(&dir, &name)).and_then(|file| file.read(MAX_TEXT).ok());
            all.extend(read.map(|bytes| (name, bytes)));
        }
    }
    let kind = |bytes: &[u8]| DesktopEntry::parse(bytes).text("Type") == Some("Application");
    all.retain(|(_, bytes)| kind(bytes));
    // A program is often a link to one with its version in the name, which is what the entry says.
    let wanted: Vec<String> =
        wanted.map(str::to_owned).into_iter().chain(led_to(contents)).collect();
    let of_program = all.iter().position(|(_, bytes)| {
        let started = DesktopEntry::parse(bytes).text("Exec").and_then(program);
        let started = started.as_deref().and_then(|path| path.rsplit('/').next());
        started.is_some_and(|name| wanted.iter().any(|wanted| wanted == name))
    });
    let at = of_program.or_else(|| (all.len() == 1).then_some(0))?;
    let (name, bytes) = all.swap_remove(at);
    mended(contents, bases, name, bytes, wanted.first().map(String::as_str))
}

/// The name of the file that `AppRun` is in the end.
fn led_to(contents: &Contents) -> Option<String> {
    let name = match contents.follow(b"AppRun") {
        Place::Own(path) => String::from_utf8(path).ok()?,
        Place::Store(real) => real.to_str()?.to_owned(),
        _ => return None,
    };
    name.rsplit('/').next().map(str::to_owned)
}

/// An entry of an installed application as one for the root of an AppImage; `None` if rules are broken that are not about
/// where things are.
fn mended(
    contents: &Contents,
    bases: &Bases,
    name: Vec<u8>,
    mut bytes: Vec<u8>,
    program_name: Option<&str>,
) -> Option<Chosen> {
    let entry = DesktopEntry::parse(&bytes);
    let text = |key: &str| entry.text(key).filter(|text| !text.is_empty());
    let mut set = |key: &str, value: &str| bytes = with_key(&bytes, key, value);
    // Menus of other machines know nothing of the store; who installs an AppImage puts its own name there.
    let line = text("Exec");
    let short = line.and_then(|line| {
        let path = program(line).filter(|path| path.starts_with('/'))?;
        let short = path.rsplit('/').next()?;
        line.strip_prefix(path.as_str()).map(|rest| format!("{short}{rest}"))
    });
    match (line, short) {
        (_, Some(short)) => set("Exec", &short),
        (None, None) => set("Exec", program_name?),
        (Some(_), None) => {}
    }
    if text("Categories").is_none() {
        set("Categories", "Utility;");
    }
    let mut icon_file = None;
    let stem = String::from_utf8(name.strip_suffix(b".desktop")?.to_vec()).ok()?;
    match text("Icon") {
        None => set("Icon", &stem),
        Some(icon) => {
            let file = icon.rsplit('/').next().unwrap_or(icon);
            let suffix = [".png", ".svg", ".svgz", ".xpm"].iter().find(|it| file.ends_with(**it));
            let short = suffix.map_or(file, |suffix| &file[..file.len() - suffix.len()]);
            if short != icon {
                set("Icon", if short.is_empty() { &stem } else { short });
                icon_file = installed(contents, bases, icon);
            }
        }
    }
    let shown = String::from_utf8_lossy(&name).into_owned();
    let broken = check(&shown, &bytes).iter().any(|problem| problem.severity == Severity::Error);
    (!broken).then_some(Chosen { name, bytes, icon_file })
}

/// The file that an absolute path means: in the store, or where the application would have been installed.
fn installed(contents: &Contents, bases: &Bases, path: &str) -> Option<Vec<u8>> {
    let name = path.strip_prefix('/')?;
    let mut places = Vec::new();
    if contents.is_in_store(path.as_bytes()) {
        places.push(name.as_bytes().to_vec());
    }
    for dir in &bases.dirs {
        places.push(join(dir, name.as_bytes()));
        places.extend(name.strip_prefix("usr/").map(|name| join(dir, name.as_bytes())));
    }
    places.into_iter().find(|path| contents.file(path).is_some())
}

/// A new entry. What has none is seldom more than a program for the terminal.
fn new(bases: &Bases, program: Option<&str>, request: &Request) -> Chosen {
    let program = program.unwrap_or(&bases.name);
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.+".contains(letter);
    let id: String =
        program.chars().map(|letter| if fits(letter) { letter } else { '-' }).collect();
    let id = if id.is_empty() { "app".to_owned() } else { id };
    let name = request.name.as_deref().unwrap_or(program);
    let text = format!(
        "[Desktop Entry]\nType=Application\nName={name}\nExec={id}\nIcon={id}\nTerminal=true\nCategories=Utility;\n"
    );
    Chosen { name: format!("{id}.desktop").into_bytes(), bytes: text.into_bytes(), icon_file: None }
}
