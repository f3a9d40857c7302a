//! The command line.

use std::error::Error;
use std::path::{Path, PathBuf};

use layering::Budget;

use crate::contenders::{Contender, contenders};

/// What to compare, on what.
pub(crate) struct Options {
    pub(crate) budgets: Vec<Budget>,
    /// Names of images; all if empty.
    pub(crate) images: Vec<String>,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) graphs: PathBuf,
}

impl Options {
    pub(crate) fn from_args(
        mut args: impl Iterator<Item = String>,
    ) -> Result<Self, Box<dyn Error>> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/layering");
        let mut options = Self {
            budgets: parse_budgets("20,40,100")?,
            images: Vec::new(),
            contenders: contenders(),
            graphs: fixtures.join("graphs"),
        };
        while let Some(flag) = args.next() {
            // What cargo itself adds.
            if flag == "--bench" {
                continue;
            }
            let value = args.next().ok_or_else(|| format!("`{flag}` needs a value"))?;
            match flag.as_str() {
                "--budgets" => options.budgets = parse_budgets(&value)?,
                "--images" => options.images = value.split(',').map(Into::into).collect(),
                "--strategies" => options.contenders = choose(&value)?,
                "--graphs" => options.graphs = value.into(),
                _ => {
                    let known = "--budgets, --images, --strategies and --graphs";
                    return Err(format!("no flag `{flag}`; there are {known}").into());
                }
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
