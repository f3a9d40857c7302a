//! What the user ordered, turned into recipes for layers and, when they are made, into an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use layering::{Plan, StorePath};
use registry::Platform;

use super::Error;
use super::base::{Base, Identity};
use super::config::{ConfigError, RunConfig};
use super::defaults::{self, ImageRoot};
use super::layer::Layers;
use super::machine::{Machine, Machines};
use super::manifest::{Description, Dialect, Image};
use super::root_files::{RootFiles, User};
use super::source::{Source, store_layer};
use super::view::View;
use crate::closure::{Closure, PathInfo};

/// Which image is underneath (OCI image-spec, "Pre-Defined Annotation Keys"). The digest is that of
/// what the name stands for, an index if it is one: whoever compares the two sees that there is a
/// newer one.
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// Which program a container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The one with this full name, or the one that the roots have by this name.
    Named(String),
    /// What the configuration says, if only as `Cmd`.
    Configured,
    /// The only one of a root, if there is such a root.
    Guessed,
}

/// Everything that decides what an image is.
#[derive(Clone, Debug)]
pub struct Order {
    /// The store paths.
    pub closure: Closure,
    /// Which of them share a layer.
    pub plan: Plan,
    /// What is known of the paths in the plan that left the closure.
    pub dead: Vec<PathInfo>,
    /// What is outside the store.
    pub root_files: RootFiles,
    /// The program to run.
    pub program: Program,
    /// How it is run, as far as it was said.
    pub run: RunConfig,
    /// The image underneath.
    pub base: Option<Arc<Base>>,
    /// For which machine, if it was said.
    pub machine: Option<Machine>,
    /// For which variant of it, if it was said.
    pub variant: Option<String>,
    /// When the image says that it was made.
    pub created: Timestamp,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Media types.
    pub dialect: Dialect,
}

impl Order {
    /// The recipes of all layers, bottom first: store paths as planned, then what is outside.
    pub fn sources(&self) -> Result<Vec<Source>, Error> {
        let store = &self.closure.store;
        let known: BTreeMap<&StorePath, &PathInfo> =
            self.closure.paths.iter().chain(&self.dead).map(|info| (&info.path, info)).collect();
        let locate = |path: &StorePath| {
            let info = known.get(path);
            let nar_size = info.map(|info| info.nar_size).filter(|&size| size > 0);
            let nar_hash = info.and_then(|info| info.nar_hash);
            (store.real_path(path), nar_size, nar_hash)
        };
        let layers = self.plan.layers().iter();
        let mut sources: Vec<Source> =
            layers.map(|group| store_layer(group, store.dir(), locate)).collect();
        // Also checks the user, who may be in no file of ours.
        let entries = self.root_files.entries(&self.view())?;
        if !entries.is_empty() {
            sources.push(Source::Root(entries));
        }
        Ok(sources)
    }

    /// How a container is run: what was said, then what can be guessed.
    pub fn run_config(&self) -> Result<RunConfig, Error> {
        let (view, roots) = (self.view(), self.roots());
        for (root, known) in roots.iter().zip(&self.closure.roots) {
            let Some(inner) = &root.inner else { continue };
            let name = format!("{}/{inner}", root.name);
            let real = self.closure.store.real_path(&known.path).join(inner);
            // A link within a chroot store means the chroot, one out of the store means the host.
            if view.real(&name).is_none() && real.symlink_metadata().is_err() {
                return Err(ConfigError::NoFile { name }.into());
            }
        }
        let mut run = self.run.clone();
        match &self.program {
            Program::Named(wanted) => {
                run.entrypoint = vec![defaults::program(&view, &roots, wanted)?];
            }
            Program::Configured => {}
            Program::Guessed => {
                run.entrypoint = defaults::entrypoint(&view, &roots).into_iter().collect();
            }
        }
        run.user = self.root_files.user.as_ref().map(User::config);
        let paths: Vec<String> = self
            .closure
            .paths
            .iter()
            .map(|info| self.closure.store_dir().join(&info.path))
            .collect();
        let mut env = defaults::environment(&view, &roots, paths.iter().map(String::as_str));
        let Some(base) = &self.base else {
            env.extend(run.env);
            return Ok(RunConfig { env, ..run });
        };
        if let Some(path) = env.get_mut("PATH") {
            // Its programs are still to be found.
            *path = base.run.path_behind(path);
        }
        env.extend(run.env);
        Ok(RunConfig { env, ..run }.over(base.run.clone()))
    }

    /// The image, now that its layers are made.
    pub fn image(&self, layers: &Layers, run: RunConfig) -> Result<Image, Error> {
        let platform = self.platform(&layers.machines)?;
        let mut annotations = self.annotations.clone();
        if let Some(Identity { reference, digest, .. }) = self.base.as_ref().map(|it| &it.identity)
        {
            annotations.entry(BASE_DIGEST.into()).or_insert_with(|| digest.to_string());
            if let Some(reference) = reference {
                annotations.entry(BASE_NAME.into()).or_insert_with(|| reference.clone());
            }
        }
        let description = Description {
            run,
            platform,
            base: self.base.clone(),
            created: self.created,
            annotations,
            dialect: self.dialect,
            closure: &self.closure,
            dead: &self.dead,
        };
        Ok(Image::new(&layers.layers, &description))
    }

    /// For whom the image is: what was said or, of an image underneath, what that says; else as the
    /// programs have it.
    fn platform(&self, machines: &Machines) -> Result<Platform, Error> {
        let machine = match (&self.machine, &self.base) {
            (None, Some(base)) => {
                machines.check_upon(&base.identity.name, &base.platform)?;
                base.platform.architecture.clone()
            }
            (wanted, _) => machines.decide(wanted.as_ref(), &Machine::host())?.as_str().to_owned(),
        };
        let below = self.base.as_ref().and_then(|base| base.platform.variant.clone());
        Ok(Platform {
            os: "linux".into(),
            architecture: machine,
            variant: self.variant.clone().or(below),
            ..Platform::default()
        })
    }

    /// The full name of a program by its name in the roots, as for [`Program::Named`].
    pub fn program_called(&self, wanted: &str) -> Result<String, Error> {
        Ok(defaults::program(&self.view(), &self.roots(), wanted)?)
    }

    fn view(&self) -> View {
        let store = &self.closure.store;
        let paths = self.closure.paths.iter().map(|info| info.path.to_string());
        View::new(store.dir().clone(), store.real_dir().into()).of_paths(paths)
    }

    fn roots(&self) -> Vec<ImageRoot> {
        let roots = self.closure.roots.iter().map(|root| ImageRoot {
            name: self.closure.store_dir().join(&root.path),
            inner: root.inner.as_ref().and_then(|inner| inner.to_str()).map(Into::into),
        });
        roots.collect()
    }
}
