//! The question "what is the closure of these roots?", and its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use layering::{Graph, GraphError, StoreDir, StorePath};

use super::graph_file::{self, GraphFile};
use super::{Database, Error, Location, PathInfo, Root, Store, scan};
use crate::bounded;

/// Who says what refers to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReferencesFrom {
    /// The database if the store has one, else a scan.
    #[default]
    Auto,
    /// Nix's database.
    Database,
    /// The bytes of the paths.
    Scan,
    /// A graph file; what it leaves out is looked up in the store.
    File(PathBuf),
}

/// `auto`, `database`, `scan`, else the name of a file. `./scan` is a file.
impl FromStr for ReferencesFrom {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "database" => Self::Database,
            "scan" => Self::Scan,
            file => Self::File(file.into()),
        })
    }
}

/// Which closure is wanted, and from where.
#[derive(Clone, Debug)]
pub struct Query {
    /// Where the store is.
    pub location: Location,
    /// What the user typed: store paths, links, things inside either.
    pub roots: Vec<PathBuf>,
    /// Who says what refers to what.
    pub references: ReferencesFrom,
    /// `--graph FILE`: the closure as a file tells it, without a look into any store. `roots`
    /// restrict it if there are any.
    pub graph: Option<PathBuf>,
    /// Whether hashes that nobody has written down are worth reading every byte.
    pub with_hashes: bool,
    /// How many threads read.
    pub threads: NonZeroUsize,
}

/// All that the roots need to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// Where its files are; with a graph file, where they would be.
    pub store: Store,
    /// The roots as paths of the store, in the order in which they were given.
    pub roots: Vec<Root>,
    /// The paths, sorted, each once, closed under references.
    pub paths: Vec<PathInfo>,
    /// What the user should know about how it was found, one sentence each.
    pub notes: Vec<String>,
}

impl Closure {
    /// What the paths are called.
    pub fn store_dir(&self) -> &StoreDir {
        self.store.dir()
    }

    /// The closure as planning sees it.
    pub fn graph(&self) -> Result<Graph, GraphError> {
        Graph::new(self.paths.iter().map(PathInfo::row))
    }

    /// What the store knows of paths that need not be in the closure, without looking at them.
    pub fn look_up<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<Vec<PathInfo>, Error> {
        let unknown = paths.into_iter().map(|path| PathInfo::new(path.clone(), 0, Vec::new()));
        let mut infos: Vec<PathInfo> = unknown.collect();
        let database = Database::of(&self.store);
        if !infos.is_empty() && database.is_there() {
            database.fill(&mut infos)?;
        }
        Ok(infos)
    }

    /// Walks the paths whose size is unknown, or whose hash is and is asked for.
    pub fn fill(&mut self, with_hashes: bool, threads: NonZeroUsize) -> Result<(), Error> {
        Ok(scan::fill(&self.store, &mut self.paths, with_hashes, threads)?)
    }
}

impl Query {
    /// The closure of the roots.
    pub fn closure(&self) -> Result<Closure, Error> {
        match &self.graph {
            Some(file) => self.graph_closure(file),
            None => self.store_closure(),
        }
    }

    fn graph_closure(&self, file: &Path) -> Result<Closure, Error> {
        let fallback = self.location.store_dir.clone().unwrap_or_default();
        let GraphFile { store_dir, paths } = read(file, &fallback)?;
        let store = Store::called(&self.location, store_dir);
        let mut roots = self.resolve(&store)?;
        let paths = if roots.is_empty() { paths } else { restrict(paths, &roots, &store, file)? };
        let graph = Graph::new(paths.iter().map(PathInfo::row))?;
        if roots.is_empty() {
            let nobody_refers_to = graph.roots().into_iter().map(|id| graph.node(id).path.clone());
            roots.extend(nobody_refers_to.map(|path| Root { path, inner: None }));
        }
        Ok(Closure { store, roots, paths, notes: Vec::new() })
    }

    fn store_closure(&self) -> Result<Closure, Error> {
        if self.roots.is_empty() {
            return Err(Error::NoRoot);
        }
        let store = Store::locate(&self.location, &self.roots)?;
        let roots = self.resolve(&store)?;
        let wanted: Vec<StorePath> = roots.iter().map(|root| root.path.clone()).collect();
        let mut notes = Vec::new();
        let scan = || scan::closure(&store, &wanted, self.with_hashes, self.threads);
        let paths = match &self.references {
            ReferencesFrom::Scan => scan()?,
            ReferencesFrom::Database => Database::of(&store).closure(&wanted)?,
            ReferencesFrom::Auto if Database::of(&store).is_there() => {
                Database::of(&store).closure(&wanted)?
            }
            ReferencesFrom::Auto => {
                let database = store.database().display();
                notes.push(format!(
                    "`{database}` does not exist: references are found by scanning the files"
                ));
                scan()?
            }
            ReferencesFrom::File(file) => file_paths(file, &store, &roots)?,
        };
        let mut closure = Closure { store, roots, paths, notes };
        closure.fill(self.with_hashes, self.threads)?;
        Ok(closure)
    }

    fn resolve(&self, store: &Store) -> Result<Vec<Root>, Error> {
        self.roots.iter().map(|typed| Ok(Root::resolve(store, typed)?)).collect()
    }
}

/// References from a file; sizes and hashes too as far as it has them, else from the database.
fn file_paths(file: &Path, store: &Store, roots: &[Root]) -> Result<Vec<PathInfo>, Error> {
    let GraphFile { store_dir, paths } = read(file, store.dir())?;
    if store_dir != *store.dir() {
        let (got, expected) = (store_dir.to_string(), store.dir().to_string());
        return Err(Error::OtherStore { file: file.into(), got, expected });
    }
    let mut paths = restrict(paths, roots, store, file)?;
    let database = Database::of(store);
    if paths.iter().any(|info| info.nar_size == 0 || info.nar_hash.is_none()) && database.is_there()
    {
        database.fill(&mut paths)?;
    }
    Ok(paths)
}

/// A closure of 50,000 paths has 50 MB.
const MAX_GRAPH: u64 = 512 << 20;

/// `fallback` is the store of paths that are written without one.
fn read(file: &Path, fallback: &StoreDir) -> Result<GraphFile, Error> {
    let bytes = bounded::read(file, MAX_GRAPH)
        .map_err(|source| Error::ReadGraph { file: file.into(), source })?;
    Ok(graph_file::parse(&bytes, &file.display().to_string(), fallback)?)
}

/// The part of `paths` that can be reached from `roots`.
fn restrict(
    paths: Vec<PathInfo>,
    roots: &[Root],
    store: &Store,
    file: &Path,
) -> Result<Vec<PathInfo>, Error> {
    let by_path: BTreeMap<StorePath, PathInfo> =
        paths.into_iter().map(|info| (info.path.clone(), info)).collect();
    let mut reached = BTreeSet::new();
    let mut ahead = Vec::new();
    for root in roots {
        let info = by_path.get(&root.path).ok_or_else(|| Error::RootNotInGraph {
            root: store.dir().join(&root.path),
            file: file.into(),
        })?;
        ahead.push(info);
    }
    while let Some(info) = ahead.pop() {
        if reached.insert(&info.path) {
            for to in &info.references {
                let dangling = || GraphError::Dangling { from: info.path.clone(), to: to.clone() };
                ahead.push(by_path.get(to).ok_or_else(dangling)?);
            }
        }
    }
    Ok(reached.into_iter().map(|path| by_path[path].clone()).collect())
}
