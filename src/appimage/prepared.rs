//! An AppImage before it is written.

use std::io::{Seek, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use layering::StorePath;

use super::contents::{Bundle, Contents};
use super::elf_head::RuntimeFile;
use super::error::Refusal;
use super::lint::{self, Finding, machine};
use super::pieces::{self, Called};
use super::tree::{File, Item};
use super::{AppDir, Error, METADATA_FILE, file_name, metadata};
use crate::closure::{Closure, PathInfo, Store};
use crate::image::Machine;
use crate::progress::Progress;
use crate::squashfs::{self, Node, Options, Written};

/// What the user wants to be otherwise than it would be.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What the application is called.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The program to start: `x`, `bin/x`, or a full name in the store.
    pub exec: Option<String>,
    /// A file to take as the icon.
    pub icon: Option<PathBuf>,
    /// A file to take as the desktop entry.
    pub desktop: Option<PathBuf>,
    /// Variables that are set when it starts.
    pub env: Vec<(String, String)>,
    /// The machine that it is for.
    pub arch: Option<Machine>,
}

/// All that will be in an AppImage, and what is wrong with that.
#[derive(Clone, Debug)]
pub struct Prepared {
    contents: Contents,
    called: Called,
    machine: Option<Machine>,
    findings: Vec<Finding>,
    /// Store paths that the AppDir itself has.
    own_paths: Vec<StorePath>,
}

impl Prepared {
    /// Puts everything together. `closure` is what the AppDir refers to, or that of the roots if there
    /// is no AppDir; `store` is where either is from.
    pub fn new(
        app_dir: Option<&AppDir>,
        closure: Option<Closure>,
        store: &Store,
        request: &Request,
        threads: NonZeroUsize,
    ) -> Result<Self, Error> {
        check_texts(request)?;
        let tree = app_dir.map(|app_dir| app_dir.tree.clone()).unwrap_or_default();
        let bundle = closure.map(Bundle::new).or_else(|| {
            // Its own paths are found below `nix/store` by their names as well.
            let has_store = app_dir.is_some_and(|app_dir| app_dir.has_store);
            has_store.then(|| Bundle::new(nothing_of(store)))
        });
        let mut contents = Contents { tree, store: bundle };
        let called = pieces::complete(&mut contents, app_dir, request)?;
        let own_paths = own_paths(&contents);
        add_metadata(&mut contents, &own_paths, store, request)?;
        let mut findings = lint::lint(&contents);
        let machines = lint::machines(&contents, threads)?;
        let machine = machine::decide(&machines, request.arch.as_ref()).unwrap_or_else(|finding| {
            findings.push(finding);
            None
        });
        Ok(Self { contents, called, machine, findings, own_paths })
    }

    /// What the checks have to say.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Fails with all errors that the checks have found, if there are any.
    pub fn check(&self) -> Result<(), Error> {
        Refusal::of(&self.findings).map_or(Ok(()), |refusal| Err(Error::Refused(Box::new(refusal))))
    }

    /// How many store paths it holds.
    pub fn paths(&self) -> usize {
        let bundled = self.contents.store.as_ref().map_or(0, |store| store.closure.paths.len());
        bundled + self.own_paths.len()
    }

    /// The name of the file, for a runtime of that machine.
    pub fn file_name(&self, runtime: &RuntimeFile) -> Result<String, Error> {
        let Called { name, version } = &self.called;
        Ok(file_name(name, version.as_deref(), &self.machine_with(runtime)?))
    }

    /// The machine that it is for, which must be the runtime's.
    pub fn machine_with(&self, runtime: &RuntimeFile) -> Result<Machine, Error> {
        match (&self.machine, runtime.machine()) {
            (None, Some(of_runtime)) => Ok(of_runtime.clone()),
            (Some(machine), Some(of_runtime)) if machine == of_runtime => Ok(machine.clone()),
            (machine, of_runtime) => Err(Error::OtherMachine {
                got: of_runtime.map_or_else(|| "no machine".into(), Machine::to_string),
                wanted: machine.clone().unwrap_or_else(Machine::host),
            }),
        }
    }

    /// Writes the runtime and the image behind it. Files outside the store get the time `mtime`.
    pub fn write<W: Write + Seek + Send>(
        self,
        runtime: &RuntimeFile,
        mut out: W,
        mtime: u32,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Written, Error> {
        self.machine_with(runtime)?;
        out.write_all(runtime.bytes()).map_err(squashfs::Error::Write)?;
        let nodes = self.nodes(mtime, options.threads)?;
        Ok(squashfs::write(nodes, out, options, progress)?)
    }

    fn nodes(&self, mtime: u32, threads: NonZeroUsize) -> Result<Vec<Node>, Error> {
        let mut nodes = self.contents.tree.nodes(mtime);
        let Some(Bundle { closure, .. }) = &self.contents.store else { return Ok(nodes) };
        let paths = closure.paths.iter().map(|info| &info.path);
        let paths: Vec<&StorePath> =
            paths.filter(|path| self.own_paths.binary_search(path).is_err()).collect();
        if !paths.is_empty() {
            let of_store = squashfs::store_nodes(&closure.store, paths, threads)?;
            // The directories above the store may be the AppDir's as well.
            nodes.extend(
                of_store.into_iter().filter(|node| self.contents.tree.get(&node.path).is_none()),
            );
        }
        Ok(nodes)
    }
}

/// A name ends up in a file name, and both in lines of a desktop entry; variables are lines of `.closure2img`.
fn check_texts(request: &Request) -> Result<(), Error> {
    let name = request.name.as_deref().map(|text| ("--name", text));
    let version = request.version.as_deref().map(|text| ("--version", text));
    for (what, text) in name.into_iter().chain(version) {
        let got = match text {
            text if text.trim().is_empty() => "nothing",
            text if text.contains('/') => "a slash",
            text if text.chars().any(char::is_control) => "control characters",
            _ => continue,
        };
        return Err(Error::Text { what, text: text.escape_default().to_string(), got });
    }
    for (name, value) in &request.env {
        let got = match name {
            name if name.is_empty() => "no name",
            name if name.contains(|letter: char| {
                letter == '=' || letter == '\\' || letter.is_control()
            }) =>
            {
                "a name with `=`, a backslash or control characters"
            }
            _ if value.contains('\0') => "a value with a byte that is zero",
            _ => continue,
        };
        let text = format!("{name}={value}").escape_default().to_string();
        return Err(Error::Text { what: "--env", text, got });
    }
    Ok(())
}

fn nothing_of(store: &Store) -> Closure {
    Closure { store: store.clone(), roots: Vec::new(), paths: Vec::new(), notes: Vec::new() }
}

/// The store paths among the AppDir's own files, sorted.
fn own_paths(contents: &Contents) -> Vec<StorePath> {
    let Some(store) = &contents.store else { return Vec::new() };
    let names = contents.tree.names(store.prefix()).into_iter();
    let mut paths: Vec<StorePath> =
        names.filter_map(|name| std::str::from_utf8(name).ok()?.parse().ok()).collect();
    paths.sort();
    paths
}

/// Adds the file that the runtime reads, if there is anything to say.
fn add_metadata(
    contents: &mut Contents,
    own_paths: &[StorePath],
    store: &Store,
    request: &Request,
) -> Result<(), Error> {
    let bundled = contents.store.as_ref().map(|store| store.closure.paths.as_slice());
    let bundled = bundled.unwrap_or_default();
    let has_more = !bundled.is_empty() || !request.env.is_empty();
    let has_one = contents.tree.get(METADATA_FILE.as_bytes()).is_some();
    match (has_more, has_one) {
        // What came out of an AppImage goes into one again.
        (true, true) => return Err(Error::Twice),
        (false, true) => return Ok(()),
        (false, false) if own_paths.is_empty() => return Ok(()),
        _ => {}
    }
    let mut paths = bundled.to_vec();
    let unknown = own_paths.iter().map(|path| PathInfo::new(path.clone(), 0, Vec::new()));
    paths.extend(unknown);
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    let store = (!paths.is_empty()).then(|| store.dir());
    let text = metadata(store, &request.env, &paths);
    contents.tree.insert(METADATA_FILE, Item::File(File::made(text.into_bytes())));
    Ok(())
}
