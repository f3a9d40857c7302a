//! appc's own validator, which `scripts/setup-tests` builds from Debian's source.

use std::path::Path;
use std::process::Command;

use super::outcome::Outcome;
use super::peer::program;

/// `actool validate`: 0 if it passes, 1 if it does not. Needs `peer!("actool")`.
#[track_caller]
pub fn validate(image: &Path) -> Outcome {
    Outcome::of(Command::new(program("actool")).arg("--debug").arg("validate").arg(image))
}

/// The manifest, as `actool` reads it.
#[track_caller]
pub fn manifest(image: &Path) -> serde_json::Value {
    Outcome::of(Command::new(program("actool")).arg("cat-manifest").arg(image)).success().json()
}
