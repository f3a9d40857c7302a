//! Which image is to be looked into: flags of `inspect`, `verify` and `extract`.

use std::num::NonZeroUsize;
use std::thread;

use clap::Args;
use closure2img::inspect::{self, Image};
use registry::Platform;

use super::earlier::in_registry;
use super::registry_args::RegistryArgs;

/// An image, and how it is read.
#[derive(Args, Debug)]
pub(crate) struct ImageArgs {
    /// OCI archive or layout, Docker archive, ACI, or image in a registry
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,

    /// Of an image for several platforms, take the one for this, such as linux/arm64 [default: this
    /// machine's]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,

    #[command(flatten)]
    registry: RegistryArgs,

    /// How many layers are read at a time [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl ImageArgs {
    pub(crate) fn open(&self) -> anyhow::Result<Image> {
        let registries = self.registry.registries(&in_registry(&self.image))?;
        Ok(inspect::open(&self.image, &registries, self.platform.as_ref())?)
    }

    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }
}

/// Bytes of a file's name as text for a terminal: one line, whatever they are.
pub(crate) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let mut shown = String::with_capacity(text.len() + 1);
    shown.push('/');
    for letter in text.chars() {
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}
