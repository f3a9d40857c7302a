//! What was ordered: a manifest and what goes into the image, made as one file or as several upon each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use layering::StorePath;
use sha2::{Digest, Sha256};

use super::error::Error;
use super::manifest::Manifest;
use super::platform::arch_of;
use super::values::Dependency;
use super::write::{How, Made, Place, make};
use crate::image::{self, Machine, Machines, Source};
use crate::progress::{Event, Progress};

/// Digits of a layer's name: nobody will make two of one name, and nobody wants to read more.
const NAME_DIGITS: usize = 32;

/// Everything that decides what an ACI is.
#[derive(Clone, Debug)]
pub struct Order {
    /// What it says.
    pub manifest: Manifest,
    /// What is in it: store paths, and files outside the store.
    pub sources: Vec<Source>,
    /// For which machine it is, if that was said.
    pub machine: Option<Machine>,
}

/// An image that another is put upon.
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Its store paths.
    pub paths: Vec<StorePath>,
    /// Where it goes.
    pub path: PathBuf,
    /// What was made.
    pub made: Made,
}

impl Order {
    /// Sets the labels `os` and `arch`, unless they are set. The manifest stands before the files, so that the first
    /// program has to do; whether the others are for the same machine shows when they are read.
    pub fn label(&mut self, progress: &dyn Progress) -> Result<(), Error> {
        let machine = match &self.machine {
            Some(machine) => machine.clone(),
            None => match decide(&image::first_program(&self.sources)?, None) {
                Ok(machine) => machine,
                // Which is told with all of them in view.
                Err(_) => decide(&image::all_programs(&self.sources)?, None)?,
            },
        };
        if self.manifest.label("os").is_none() {
            self.manifest.set_label("os", "linux");
        }
        if self.manifest.label("arch").is_some() {
            return Ok(());
        }
        match arch_of(&machine) {
            Some(arch) => self.manifest.set_label("arch", arch),
            None => {
                let text = format!("no label `arch`, since appc has no name for {machine}");
                progress.report(Event::Warning { text: &text });
            }
        }
        Ok(())
    }

    /// Makes one file of all.
    pub fn whole(
        self,
        how: How<'_>,
        place: Place<'_>,
        progress: &dyn Progress,
    ) -> Result<Made, Error> {
        let made = make(&self.manifest, self.sources, how, place, progress)?;
        decide(&made.machines, self.machine.as_ref())?;
        Ok(made)
    }

    /// Makes an image of each source with store paths, and one upon them with the rest, at `top`. `place` tells where an
    /// image with this manifest goes.
    pub fn split(
        mut self,
        how: How<'_>,
        top: &Path,
        place: impl Fn(&Manifest) -> Result<PathBuf, Error>,
        progress: &dyn Progress,
    ) -> Result<(Vec<Layer>, Made), Error> {
        let (stores, rest): (Vec<Source>, Vec<Source>) =
            self.sources.into_iter().partition(|source| matches!(source, Source::Store { .. }));
        let labels: Vec<(String, String)> = ["os", "arch"]
            .into_iter()
            .filter_map(|name| Some((name.into(), self.manifest.label(name)?.into())))
            .collect();
        let mut layers = Vec::new();
        let mut machines = Machines::default();
        for source in stores {
            let paths = source.paths();
            let name = format!("{}/layer-{}", self.manifest.name(), hash(&paths));
            let mut manifest = Manifest::new(&name);
            for (name, value) in &labels {
                manifest.set_label(name, value);
            }
            let path = place(&manifest)?;
            let made = make(&manifest, vec![source], how, Place::File(&path), progress)?;
            machines.merge(made.machines.clone());
            let dependency = Dependency::of_made(name.clone(), made.id, labels.clone(), made.size);
            self.manifest.add_dependency(&dependency);
            layers.push(Layer { name, paths, path, made });
        }
        decide(&machines, self.machine.as_ref())?;
        let top = make(&self.manifest, rest, how, Place::File(top), progress)?;
        Ok((layers, top))
    }
}

/// As [`Machines::decide`], for whoever makes an image on this machine.
fn decide(machines: &Machines, wanted: Option<&Machine>) -> Result<Machine, Error> {
    machines.decide(wanted, &Machine::host()).map_err(|error| image::Error::from(error).into())
}

/// By what a layer is called: which store paths it has. Their contents follow in the image ID.
fn hash(paths: &[StorePath]) -> String {
    let names: BTreeSet<&str> = paths.iter().map(StorePath::as_str).collect();
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name);
        hash.update(b"\n");
    }
    HEXLOWER.encode(&hash.finalize())[..NAME_DIGITS].to_owned()
}
