//! How registries are reached: flags that every subcommand has which talks to one.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use registry::{Authority, ClientOptions, Deadline, Registries};

/// Whom to trust at a registry.
#[derive(Args, Debug)]
pub(crate) struct RegistryArgs {
    /// Trust the certificate authorities in this PEM file, too
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    ca: Vec<PathBuf>,

    /// Give up on registries after so long in all, such as 90s or 10m [default: only when nothing
    /// advances any more]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Registry")]
    deadline: Option<Duration>,
}

impl RegistryArgs {
    /// The registries, as these flags want them to be reached. Nothing is sent yet.
    pub(crate) fn registries(&self) -> Registries {
        let authorities = self.ca.iter().cloned().map(Authority::File).collect();
        Registries::new(ClientOptions {
            authorities,
            deadline: self.deadline.map(Deadline::after),
            cache: cache(),
            ..ClientOptions::default()
        })
    }
}

/// `90`, `90s`, `1h30m`.
fn time(text: &str) -> Result<Duration, String> {
    let seconds = || text.parse().ok().map(Duration::from_secs);
    let friendly = || text.parse::<SignedDuration>().ok()?.try_into().ok();
    let time = seconds().or_else(friendly).filter(|time: &Duration| !time.is_zero());
    time.ok_or_else(|| "expected a time such as `90s`, `10m` or `1h30m`".to_owned())
}

/// `$XDG_CACHE_HOME/closure2img`, or `~/.cache/closure2img`.
fn cache() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)?;
    Some(base.join("closure2img"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_have_units() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "0s", "-5m", "soon", "5 parsecs"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
