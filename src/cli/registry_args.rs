//! How registries are reached: flags that every subcommand has which talks to one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use registry::{
    Authority, ClientCertificate, ClientOptions, Credential, Deadline, Reference, Registries,
    RegistryName, Secret,
};

use super::report::Usage;

/// No password is longer; tokens have a few kilobytes.
const MAX_PASSWORD: u64 = 64 * 1024;

/// Whom to trust at a registry.
#[derive(Args, Debug)]
pub(crate) struct ConnectionArgs {
    /// Trust the certificate authorities in this PEM file, too
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    ca: Vec<PathBuf>,

    /// Show this certificate (PEM) to a registry that asks for one
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "Registry")]
    cert: Option<PathBuf>,

    /// The private key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "Registry")]
    key: Option<PathBuf>,

    /// Take this registry's certificate as it is, and speak plain http if it speaks nothing else:
    /// anybody on the way can read the password and change the image
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "Registry")]
    insecure: Vec<RegistryName>,

    /// Give up on registries after so long in all, such as 90s or 10m [default: only when nothing
    /// advances any more]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Registry")]
    deadline: Option<Duration>,
}

/// Whom to trust, and who to be.
#[derive(Args, Debug)]
pub(crate) struct RegistryArgs {
    #[command(flatten)]
    connection: ConnectionArgs,

    /// Account at the registry that is written to, or else read; stored ones are then not looked at
    #[arg(long, value_name = "NAME", requires = "password_stdin", help_heading = "Registry")]
    username: Option<String>,

    /// Read the password or token of --username from standard input
    #[arg(long, requires = "username", help_heading = "Registry")]
    password_stdin: bool,
}

impl ConnectionArgs {
    /// The options of these flags. The user is warned of what is insecure.
    pub(super) fn options(&self) -> ClientOptions {
        for registry in &self.insecure {
            // A closed stderr is no reason to fail.
            let _ = writeln!(
                io::stderr(),
                "warning: who `{registry}` is goes unchecked (--insecure): anybody on the way can read passwords and change images"
            );
        }
        let pair = self.cert.clone().zip(self.key.clone());
        ClientOptions {
            authorities: self.ca.iter().cloned().map(Authority::File).collect(),
            client_certificate: pair
                .map(|(certificate, key)| ClientCertificate { certificate, key }),
            insecure: self.insecure.clone(),
            deadline: self.deadline.map(Deadline::after),
            cache: cache_home(),
            ..ClientOptions::default()
        }
    }
}

impl RegistryArgs {
    /// The registries, as these flags want them to be reached. Nothing is sent yet.
    ///
    /// `named` are the references that are written to, or, if nothing is written, those that are read: the password
    /// is meant for their registry and goes to no other.
    pub(crate) fn registries<'a>(
        &self,
        named: impl IntoIterator<Item = &'a Reference>,
    ) -> anyhow::Result<Registries> {
        let mut options = self.connection.options();
        if let Some(username) = &self.username {
            let named: BTreeSet<RegistryName> = named.into_iter().map(RegistryName::from).collect();
            options.credentials = credentials(username, &named)?;
        }
        Ok(Registries::new(options))
    }
}

/// The credential for the one registry that is named.
fn credentials(
    username: &str,
    named: &BTreeSet<RegistryName>,
) -> anyhow::Result<BTreeMap<RegistryName, Credential>> {
    let mut named_once = named.iter();
    let (Some(registry), None) = (named_once.next(), named_once.next()) else {
        let shown: Vec<String> = named.iter().map(|name| format!("`{name}`")).collect();
        let text = match shown.as_slice() {
            [] => "`--username` is for a registry, and none is named".to_owned(),
            several => {
                format!("`--username` is for one registry, got {}", several.join(" and "))
            }
        };
        return Err(Usage::new(text, "log in to each with `closure2img login HOST`").into());
    };
    let username = checked_username(username)?;
    let credential = Credential::Basic { username, password: password_from_stdin()? };
    Ok([(registry.clone(), credential)].into())
}

/// A colon would end the name where it is sent (RFC 7617 section 2).
pub(super) fn checked_username(name: &str) -> Result<String, Usage> {
    if name.is_empty() || name.contains(|letter: char| letter == ':' || letter.is_control()) {
        let text = "the name of an account has no colon in it and at least one letter";
        return Err(Usage::new(text, "give the name alone, and the password on standard input"));
    }
    Ok(name.to_owned())
}

/// All of standard input but for the end of its last line, as docker takes it.
pub(super) fn password_from_stdin() -> anyhow::Result<Secret> {
    let mut text = String::new();
    io::stdin().lock().take(MAX_PASSWORD + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_PASSWORD {
        let text = format!("the password on standard input has more than {MAX_PASSWORD} bytes");
        return Err(Usage::new(text, "check what is piped in").into());
    }
    let password = text.strip_suffix('\n').unwrap_or(&text);
    checked_password(password.strip_suffix('\r').unwrap_or(password)).map_err(Into::into)
}

pub(super) fn checked_password(password: &str) -> Result<Secret, Usage> {
    if password.is_empty() {
        let text = "the password is empty";
        return Err(Usage::new(text, "pipe it in: `closure2img … --password-stdin < FILE`"));
    }
    Ok(Secret::new(password))
}

/// `90`, `90s`, `1h30m`.
fn time(text: &str) -> Result<Duration, String> {
    let seconds = || text.parse().ok().map(Duration::from_secs);
    let friendly = || text.parse::<SignedDuration>().ok()?.try_into().ok();
    let time = seconds().or_else(friendly).filter(|time: &Duration| !time.is_zero());
    time.ok_or_else(|| "expected a time such as `90s`, `10m` or `1h30m`".to_owned())
}

/// `$XDG_CACHE_HOME/closure2img`, or `~/.cache/closure2img`.
pub(super) fn cache_home() -> Option<PathBuf> {
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
