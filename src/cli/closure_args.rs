//! Where a closure comes from: flags that every subcommand with roots has.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;

use clap::Args;
use closure2img::closure::{Closure, Location, Query, ReferencesFrom, Root, RootError, Store};
use closure2img::progress::{Event, Progress};
use layering::StoreDir;

use super::display::ProgressStyle;
use super::report::Nothing;

/// Which closure, and where it is found.
#[derive(Args, Debug)]
pub(crate) struct ClosureArgs {
    /// Store paths, links to them such as ./result, or files in them [default: ./result]
    #[arg(value_name = "ROOT")]
    roots: Vec<PathBuf>,

    /// Take the store below DIR (DIR/nix/store and DIR/nix/var/nix/db)
    #[arg(long, value_name = "DIR", help_heading = "Closure")]
    store: Option<PathBuf>,

    /// What the store's paths are called, if neither /nix/store nor /gnu/store
    #[arg(long, value_name = "DIR", help_heading = "Closure")]
    store_dir: Option<StoreDir>,

    /// Take the closure from a file: JSON of `nix path-info --json -r`, .attrs.json,
    /// exportReferencesGraph, registration of closureInfo, or `nix-store --dump-db`
    #[arg(long, value_name = "FILE", help_heading = "Closure")]
    pub(crate) graph: Option<PathBuf>,

    /// Who knows which path refers to which: auto, database, scan (of the files), or a graph file
    #[arg(long, value_name = "SOURCE", default_value = "auto", help_heading = "Closure")]
    references: ReferencesFrom,

    /// How many threads work; the result is the same for any number [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// How progress is shown
    #[arg(long, value_name = "STYLE", default_value = "auto")]
    progress: ProgressStyle,
}

impl ClosureArgs {
    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }

    pub(crate) fn progress(&self) -> Box<dyn Progress> {
        self.progress.start()
    }

    /// The closure, and its notes told.
    pub(crate) fn closure(
        &self,
        with_hashes: bool,
        progress: &dyn Progress,
    ) -> anyhow::Result<Closure> {
        self.closure_of(self.roots(), with_hashes, progress)
    }

    /// What was named, or else what a build leaves behind.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        match self.roots.is_empty() && self.graph.is_none() {
            true => vec!["./result".into()],
            false => self.roots.clone(),
        }
    }

    /// The store that the roots are in, or would be.
    pub(crate) fn store(&self) -> Result<Store, closure2img::closure::Error> {
        let query = self.query(self.roots(), None, false);
        Ok(Store::locate(&query.location, &query.roots)?)
    }

    /// The closure of other roots than those that were named.
    pub(crate) fn closure_of(
        &self,
        roots: Vec<PathBuf>,
        with_hashes: bool,
        progress: &dyn Progress,
    ) -> anyhow::Result<Closure> {
        let query = self.query(roots, self.graph.clone(), with_hashes);
        let closure = query.closure()?;
        if let (Some(file), true) = (&query.graph, closure.paths.is_empty()) {
            return Err(Nothing(file.clone()).into());
        }
        for note in &closure.notes {
            progress.report(Event::Warning { text: note });
        }
        Ok(closure)
    }

    /// The root, if it is the only one and a directory that has nothing to do with any store.
    pub(crate) fn directory(&self) -> Option<&Path> {
        let [root] = &self.roots[..] else { return None };
        if self.graph.is_some() || !root.is_dir() {
            return None;
        }
        let query = self.query(self.roots.clone(), None, false);
        let store = Store::locate(&query.location, &query.roots).ok()?;
        let outside = matches!(Root::resolve(&store, root), Err(RootError::Outside { .. }));
        outside.then_some(root)
    }

    /// All of a graph file that is not `--graph`.
    pub(crate) fn of_graph(&self, file: PathBuf) -> Query {
        self.query(Vec::new(), Some(file), false)
    }

    fn query(&self, roots: Vec<PathBuf>, graph: Option<PathBuf>, with_hashes: bool) -> Query {
        let variable = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let location = Location {
            chroot: self.store.clone(),
            store_dir: self.store_dir.clone(),
            nix_store_dir: variable("NIX_STORE_DIR"),
            nix_state_dir: variable("NIX_STATE_DIR"),
        };
        Query {
            location,
            roots,
            references: self.references.clone(),
            graph,
            with_hashes,
            threads: self.threads(),
        }
    }
}
