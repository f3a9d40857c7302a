//! Closures from `fixtures/layering/graphs`, and what a store does not know about them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;

use flate2::read::GzDecoder;
use layering::{Graph, Row, StoreDir, StorePath};
use serde_json::Value;

/// A closure.
pub(crate) struct Closure {
    pub(crate) graph: Graph,
    /// The source package of each node, by index, where the file tells it.
    pub(crate) sources: Vec<Option<String>>,
}

/// An image before and after changes.
pub(crate) struct Image {
    pub(crate) base: Closure,
    /// By name of the change.
    pub(crate) changes: BTreeMap<String, Closure>,
}

/// All images of a folder.
pub(crate) struct Images(Vec<Image>);

impl Images {
    /// Reads the images called `names`, or all if that is empty.
    pub(crate) fn load(folder: &Path, names: &[String]) -> Result<Self, Box<dyn Error>> {
        let images = read_all(folder, |name| names.is_empty() || names.contains(name))?;
        if let Some(unknown) = names.iter().find(|name| !images.contains_key(*name)) {
            return Err(format!("no image `{unknown}` in `{}`", folder.display()).into());
        }
        let image = |(name, mut changes): (String, BTreeMap<String, Closure>)| {
            let base = changes.remove("base").ok_or_else(|| format!("`{name}` has no base"))?;
            Ok(Image { base, changes })
        };
        Ok(Self(images.into_iter().map(image).collect::<Result<_, Box<dyn Error>>>()?))
    }
}

/// One image at one release after another.
pub(crate) struct Series {
    /// With its releases, as a row of a table is called.
    pub(crate) name: String,
    pub(crate) releases: Vec<Closure>,
}

impl Series {
    /// Reads all series of a folder.
    pub(crate) fn load(folder: &Path) -> Result<Vec<Self>, Box<dyn Error>> {
        let series = |(image, releases): (String, BTreeMap<String, Closure>)| {
            let mut numbered = Vec::new();
            for (release, closure) in releases {
                let number = release.strip_prefix('r').and_then(|number| number.parse().ok());
                let number: usize = number.ok_or_else(|| format!("`{release}` is no release"))?;
                numbered.push((number, closure));
            }
            numbered.sort_by_key(|(number, _)| *number);
            let last = numbered.last().map_or(0, |(number, _)| *number);
            let releases = numbered.into_iter().map(|(_, closure)| closure).collect();
            Ok(Self { name: format!("{image}, r0 to r{last}"), releases })
        };
        read_all(folder, |_| true)?.into_iter().map(series).collect()
    }
}

/// The closures of all images called so, by image and by what stands behind its name.
fn read_all(
    folder: &Path,
    wanted: impl Fn(&String) -> bool,
) -> Result<BTreeMap<String, BTreeMap<String, Closure>>, Box<dyn Error>> {
    let mut images: BTreeMap<String, BTreeMap<String, Closure>> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let file = entry?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let [image, change, "json", "gz"] = name.split('.').collect::<Vec<_>>()[..] else {
            continue;
        };
        let image = image.to_owned();
        if wanted(&image) {
            let closure = Closure::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
            images.entry(image).or_default().insert(change.into(), closure);
        }
    }
    Ok(images)
}

impl<'a> IntoIterator for &'a Images {
    type Item = &'a Image;
    type IntoIter = std::slice::Iter<'a, Image>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Closure {
    /// Reads `[{"path", "narSize", "references", "source"}, …]`, compressed by gzip.
    pub(crate) fn read(file: &Path) -> Result<Self, Box<dyn Error>> {
        let rows: Value = serde_json::from_reader(GzDecoder::new(File::open(file)?))?;
        let rows = rows.as_array().ok_or("expected a list of paths")?;
        let mut graph_rows = Vec::with_capacity(rows.len());
        let mut source_of: BTreeMap<StorePath, &str> = BTreeMap::new();
        for row in rows {
            let path = path(&row["path"])?;
            let references = row["references"].as_array().ok_or("`references` is no list")?;
            if let Some(source) = row["source"].as_str() {
                source_of.insert(path.clone(), source);
            }
            graph_rows.push(Row {
                path,
                nar_size: row["narSize"].as_u64().ok_or("`narSize` is no number")?,
                references: references.iter().map(self::path).collect::<Result<_, _>>()?,
            });
        }
        let graph = Graph::new(graph_rows)?;
        let source = |path| source_of.get(path).map(|&source| source.into());
        let sources = graph.nodes().iter().map(|node| source(&node.path)).collect();
        Ok(Self { graph, sources })
    }
}

fn path(value: &Value) -> Result<StorePath, Box<dyn Error>> {
    Ok(StoreDir::default().parse(value.as_str().ok_or("a path is no string")?)?)
}
