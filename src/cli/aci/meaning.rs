//! What the flags of `closure2img aci` mean: the manifest, and what goes into the image.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use closure2img::aci::{self, Isolator, Manifest};
use closure2img::closure::Closure;
use closure2img::image::root_files::{RootFiles, User};
use closure2img::image::{self, Dialect, Program, RunConfig, Source};
use closure2img::progress::{Event, Progress};
use layering::{Budget, Strategy};

use super::args::AciArgs;
use crate::cli::oci::created;
use crate::cli::report::Usage;

impl AciArgs {
    /// What the image is to be.
    pub(super) fn order(
        &self,
        closure: Closure,
        progress: &dyn Progress,
    ) -> anyhow::Result<aci::Order> {
        let mut manifest = self.begin(&closure)?;
        let order = self.image(closure, &manifest)?;
        let run = order.run_config()?;
        self.describe(&mut manifest)?;
        self.say_how(&mut manifest, &order, &run)?;
        let sources: Vec<Source> = order.sources()?;
        let mut order = aci::Order { manifest, sources, machine: self.run.arch.clone() };
        order.label(progress)?;
        for (name, value) in &self.run.label {
            order.manifest.set_label(name, value);
        }
        for odd in order.manifest.check()? {
            progress.report(Event::Warning { text: &odd.to_string() });
        }
        Ok(order)
    }

    /// The manifest of `--manifest`, or one with the name alone.
    fn begin(&self, closure: &Closure) -> anyhow::Result<Manifest> {
        let root = closure.roots.first().map(|root| &root.path);
        let found = root.and_then(aci::name_of);
        let (name, version) = match (&self.name, found) {
            (Some(name), _) => (name.clone(), None),
            (None, Some(found)) => found,
            (None, None) => {
                let text = "the image has no name, and none can be made from the first root's";
                return Err(Usage::new(text, "name it with `--name example.com/app`").into());
            }
        };
        let mut manifest = match &self.manifest {
            None => Manifest::new(&name),
            Some(file) => {
                let read = || anyhow::Ok(Manifest::from_json(&read(file)?, &name)?);
                read().with_context(|| format!("reading `{}`", file.display()))?
            }
        };
        if let Some(name) = &self.name {
            manifest.set_name(name);
        }
        let version = version.filter(|_| self.manifest.is_none());
        if let Some(version) = self.tag.as_ref().or(version.as_ref()) {
            manifest.set_label("version", version);
        }
        Ok(manifest)
    }

    /// The closure, and what else is in the image, as for an image of layers.
    fn image(&self, mut closure: Closure, manifest: &Manifest) -> anyhow::Result<image::Order> {
        let mut seen = BTreeSet::new();
        closure.roots.retain(|root| seen.insert(root.clone()));
        let mut link: Vec<String> = Vec::new();
        for root in closure.roots.iter().filter(|_| self.run.link_root) {
            let name = closure.store_dir().join(&root.path);
            if !link.contains(&name) {
                link.push(name);
            }
        }
        // ACIs name a group always; as docker2aci has it, it is called as the user.
        let user = self.run.user.clone().map(|user| match user {
            User::Named { name, group: None } => User::Named { group: Some(name.clone()), name },
            other => other,
        });
        let root_files = RootFiles { user, tmp: self.run.tmp, link, over_base: false };
        let budget = match self.split_layers {
            Some(budget) => budget,
            None => Budget::new(1)?,
        };
        let plan = layering::plan(&closure.graph()?, budget, Strategy::default());
        let program = match &self.run.exec {
            Some(program) => Program::Named(program.clone()),
            None if !manifest.exec().is_empty() => Program::Configured,
            None => Program::Guessed,
        };
        let run = RunConfig { env: self.run.env.iter().cloned().collect(), ..RunConfig::default() };
        Ok(image::Order {
            closure,
            plan,
            dead: Vec::new(),
            root_files,
            program,
            run,
            base: None,
            machine: self.run.arch.clone(),
            variant: None,
            created: created(self.run.created.as_deref())?,
            annotations: std::collections::BTreeMap::new(),
            dialect: Dialect::Oci,
        })
    }

    /// What it is, to people and to other images.
    fn describe(&self, manifest: &mut Manifest) -> anyhow::Result<()> {
        if self.run.created.is_some() || !manifest.has_annotation("created") {
            let time = created(self.run.created.as_deref())?;
            manifest.set_annotation("created", &time.to_string());
        }
        for (name, value) in &self.run.annotation {
            manifest.set_annotation(name, value);
        }
        for dependency in &self.depends {
            manifest.add_dependency(dependency);
        }
        Ok(())
    }

    /// What is run, and how.
    fn say_how(
        &self,
        manifest: &mut Manifest,
        order: &image::Order,
        run: &RunConfig,
    ) -> anyhow::Result<()> {
        let program = match order.program {
            Program::Configured => manifest.exec().first().cloned(),
            _ => run.entrypoint.first().cloned(),
        };
        match program {
            Some(program) if order.program != Program::Configured || !self.run.cmd.is_empty() => {
                let exec: Vec<String> =
                    [program].into_iter().chain(self.run.cmd.iter().cloned()).collect();
                manifest.set_exec(&exec);
            }
            None if !self.run.cmd.is_empty() => {
                let text = "there are arguments, and no program that takes them";
                return Err(Usage::new(text, "name it with `--exec bin/NAME`").into());
            }
            _ => {}
        }
        let said: BTreeSet<&String> = self.run.env.iter().map(|(name, _)| name).collect();
        for (name, value) in &run.env {
            if said.contains(name) || !manifest.has_variable(name) {
                manifest.set_variable(name, value);
            }
        }
        match &order.root_files.user {
            None => {}
            Some(User::Numeric { uid, gid }) => {
                manifest.set_user(&uid.to_string(), &gid.unwrap_or(*uid).to_string());
            }
            Some(User::New { uid, gid, .. }) => {
                manifest.set_user(&uid.to_string(), &gid.to_string());
            }
            Some(User::Named { name, group }) => {
                manifest.set_user(name, group.as_ref().unwrap_or(name));
            }
        }
        if !self.groups.is_empty() {
            manifest.set_groups(&self.groups);
        }
        if let Some(dir) = &self.run.workdir {
            manifest.set_working_directory(dir);
        }
        self.mount.iter().chain(&self.volume).for_each(|mount| manifest.set_mount(mount));
        self.port.iter().chain(&self.expose).for_each(|port| manifest.set_port(port));
        for isolator in self.isolators()? {
            manifest.set_isolator(&isolator);
        }
        let handlers = [("pre-start", &self.pre_start), ("post-stop", &self.post_stop)];
        for (event, line) in handlers {
            let Some(line) = line else { continue };
            let mut words = line.split_ascii_whitespace().map(String::from);
            let Some(program) = words.next() else {
                let text = format!("`--{event}` names no program");
                return Err(Usage::new(text, "write it as `bin/NAME ARG`").into());
            };
            let program: String = order.program_called(&program)?;
            manifest.set_handler(event, &[program].into_iter().chain(words).collect::<Vec<_>>());
        }
        Ok(())
    }

    fn isolators(&self) -> anyhow::Result<Vec<Isolator>> {
        let mut all = Vec::new();
        for (name, text) in &self.isolator {
            let json = match text.strip_prefix('@') {
                None => text.clone(),
                Some(file) => {
                    let bytes = read(Path::new(file));
                    let bytes = bytes.with_context(|| format!("reading `{file}`"))?;
                    String::from_utf8_lossy(&bytes).into_owned()
                }
            };
            let usage = |error: aci::ValueError| {
                Usage::new(error.to_string(), format!("write it as `--isolator {name}=JSON`"))
            };
            all.push(Isolator::from_json(name, &json).map_err(usage)?);
        }
        all.extend(Isolator::capabilities(true, &self.cap_retain));
        all.extend(Isolator::capabilities(false, &self.cap_remove));
        for (resource, amount) in [("memory", &self.memory), ("cpu", &self.cpu)] {
            all.extend(amount.as_ref().map(|amount| Isolator::limit(resource, amount)));
        }
        Ok(all)
    }
}

/// Reads a small file, without trust in its size: it may be a device.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(Manifest::MAX_LEN as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
