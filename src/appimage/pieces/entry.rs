//! The desktop entry in the root: the one that is there, that of the user, one of the application's own,
//! or a new one.

use super::{Bases, Contents, Error, MAX_TEXT, Request, join};
use crate::appimage::desktop::{DesktopEntry, program, with_key};
use crate::appimage::tree::{File, Item};
use crate::bounded;

/// What the rest needs to know of it.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) icon: Option<String>,
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
    let name = match present.into_iter().next() {
        Some(name) => name,
        None => {
            let (name, bytes) =
                found(contents, bases, program).unwrap_or_else(|| new(bases, program, request));
            contents.tree.insert(name.clone(), Item::File(File::made(bytes)));
            name
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
    })
}

/// Names of desktop entries in the root, sorted.
fn in_root(contents: &Contents) -> Vec<Vec<u8>> {
    let names = contents.tree.names(b"").into_iter();
    names.filter(|name| name.ends_with(b".desktop")).map(<[u8]>::to_vec).collect()
}

/// The application's own entry: that of the program, or the only one there is.
fn found(contents: &Contents, bases: &Bases, wanted: Option<&str>) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for share in bases.shares() {
        let dir = join(&share, b"applications");
        for name in contents.names(&dir).into_iter().filter(|name| name.ends_with(b".desktop")) {
            let read = contents.file(&join(&dir, &name)).and_then(|file| file.read(MAX_TEXT).ok());
            all.extend(read.map(|bytes| (name, bytes)));
        }
    }
    let of_program = all.iter().position(|(_, bytes)| {
        let started = DesktopEntry::parse(bytes).text("Exec").and_then(program);
        started
            .as_deref()
            .and_then(|name| name.rsplit('/').next())
            .is_some_and(|name| Some(name) == wanted)
    });
    let at = of_program.or_else(|| (all.len() == 1).then_some(0))?;
    let (name, bytes) = all.swap_remove(at);
    let entry = DesktopEntry::parse(&bytes);
    // Menus of other machines know nothing of the store; who installs an AppImage puts its own name there.
    let short = entry.text("Exec").and_then(|line| {
        let path = program(line).filter(|path| contents.is_in_store(path.as_bytes()))?;
        let short = path.rsplit('/').next()?.to_owned();
        line.strip_prefix(path.as_str()).map(|rest| format!("{short}{rest}"))
    });
    let bytes = short.map_or_else(|| bytes.clone(), |line| with_key(&bytes, "Exec", &line));
    Some((name, bytes))
}

/// A new entry. What has none is seldom more than a program for the terminal.
fn new(bases: &Bases, program: Option<&str>, request: &Request) -> (Vec<u8>, Vec<u8>) {
    let program = program.unwrap_or(&bases.name);
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.+".contains(letter);
    let id: String =
        program.chars().map(|letter| if fits(letter) { letter } else { '-' }).collect();
    let id = if id.is_empty() { "app".to_owned() } else { id };
    let name = request.name.as_deref().unwrap_or(program);
    let text = format!(
        "[Desktop Entry]\nType=Application\nName={name}\nExec={id}\nIcon={id}\nTerminal=true\nCategories=Utility;\n"
    );
    (format!("{id}.desktop").into_bytes(), text.into_bytes())
}
