//! How registries are reached: flags that every subcommand has which talks to one.

use std::path::PathBuf;

use clap::Args;
use registry::{Authority, ClientOptions, Registries};

/// Whom to trust at a registry.
#[derive(Args, Debug)]
pub(crate) struct RegistryArgs {
    /// Trust the certificate authorities in this PEM file, too
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    ca: Vec<PathBuf>,
}

impl RegistryArgs {
    /// The registries, as these flags want them to be reached. Nothing is sent yet.
    pub(crate) fn registries(&self) -> Registries {
        let authorities = self.ca.iter().cloned().map(Authority::File).collect();
        Registries::new(ClientOptions { authorities, ..ClientOptions::default() })
    }
}
