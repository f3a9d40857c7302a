//! The command line.

use std::error::Error;
use std::path::{Path, PathBuf};

use layering::{Budget, Waste};

use crate::contenders::{Contender, contenders};

/// What to find out.
pub(crate) enum Mode {
    /// Each planner knows one closure at a time.
    Stateless,
    /// The default planner knows the image before.
    Previous,
    /// Time, for so many paths.
    Sizes(Vec<usize>),
}

/// What to compare, on what.
pub(crate) struct Options {
    pub(crate) mode: Mode,
    pub(crate) budgets: Vec<Budget>,
    /// Names of images; all if empty.
    pub(crate) images: Vec<String>,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) graphs: PathBuf,
    pub(crate) series: PathBuf,
    pub(crate) max_waste: Waste,
}

impl Options {
    pub(crate) fn from_args(
        mut args: impl Iterator<Item = String>,
    ) -> Result<Self, Box<dyn Error>> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/layering");
        let mut options = Self {
            mode: Mode::Stateless,
            budgets: parse_budgets("20,40,100")?,
            images: Vec::new(),
            contenders: contenders(),
            graphs: fixtures.join("graphs"),
            series: fixtures.join("series"),
            max_waste: Waste::default(),
        };
        while let Some(flag) = args.next() {
            // What cargo itself adds.
            if flag == "--bench" {
                continue;
            }
            if flag == "--previous" {
                options.mode = Mode::Previous;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("`{flag}` needs a value"))?;
            match flag.as_str() {
                "--budgets" => options.budgets = parse_budgets(&value)?,
                "--images" => options.images = value.split(',').map(Into::into).collect(),
                "--strategies" => options.contenders = choose(&value)?,
                "--graphs" => options.graphs = value.into(),
                "--series" => options.series = value.into(),
                "--max-waste" => options.max_waste = value.parse()?,
                "--sizes" => {
                    let counts = value.split(',').map(str::parse).collect::<Result<_, _>>();
                    options.mode = Mode::Sizes(counts.map_err(|e| format!("`{value}`: {e}"))?);
                }
                _ => return Err(format!("no flag `{flag}`; see the head of main.rs").into()),
            }
        }
        Ok(options)
    }
}

fn parse_budgets(list: &str) -> Result<Vec<Budget>, Box<dyn Error>> {
    list.split(',').map(|budget| Ok(budget.parse()?)).collect()
}

fn choose(list: &str) -> Result<Vec<Contender>, Box<dyn Error>> {
    let mut all = contenders();
    let mut take = |name: &str| {
        let found = all.iter().position(|contender| contender.name == name);
        let names: Vec<_> = all.iter().map(|contender| contender.name).collect();
        let none = || format!("no strategy `{name}`; there are {}", names.join(", "));
        Ok(all.remove(found.ok_or_else(none)?))
    };
    list.split(',').map(&mut take).collect()
}
