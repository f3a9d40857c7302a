//! `closure2img login` and `logout`: credentials where docker, podman and skopeo look for them.
//!
//! They are tried before they are kept, so that a mistyped password is told now and not by the next push.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use clap::Args;
use registry::{Credential, Environment, Error, Login, Registries, RegistryName, Secret, Stored};

use super::registry_args::{
    ConnectionArgs, checked_password, checked_username, password_from_stdin,
};
use super::report::Usage;
use super::terminal;

#[derive(Args, Debug)]
pub(crate) struct LoginArgs {
    /// The registry: HOST[:PORT], or docker.io
    #[arg(value_name = "REGISTRY")]
    registry: RegistryName,

    /// Account; asked for on a terminal unless given
    #[arg(long, short, value_name = "NAME")]
    username: Option<String>,

    /// Read the password or token from standard input; asked for on a terminal unless given
    #[arg(long, requires = "username")]
    password_stdin: bool,

    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Args, Debug)]
pub(crate) struct LogoutArgs {
    /// The registry: HOST[:PORT], or docker.io
    #[arg(value_name = "REGISTRY")]
    registry: RegistryName,
}

/// What the registry said to a name and a password.
#[derive(Debug, thiserror::Error)]
#[error("`{registry}` did not accept the name and password")]
pub(super) struct NotAccepted {
    registry: RegistryName,
    #[source]
    source: Said,
}

/// The registry's words, without the advice to log in.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

impl NotAccepted {
    pub(super) fn hint() -> &'static str {
        "check both; many registries want a token with the right to pull and push instead of the password"
    }
}

pub(crate) fn log_in(args: &LoginArgs) -> anyhow::Result<()> {
    let LoginArgs { registry, .. } = args;
    let (username, password) = credentials(args)?;
    let mut options = args.connection.options();
    let environment = options.environment.clone();
    let given = Credential::Basic { username: username.clone(), password: password.clone() };
    options.credentials.insert(registry.clone(), given);
    let login = match Registries::new(options).check_login(registry) {
        Err(error @ Error::Refused { status: 400 | 401 | 403, .. }) => {
            let source = Said(error.to_string());
            return Err(NotAccepted { registry: registry.clone(), source }.into());
        }
        result => result?,
    };
    let stored = environment.log_in(registry, &username, &password)?;
    let mut err = io::stderr().lock();
    if login == Login::NotAsked {
        writeln!(err, "warning: `{registry}` asks for no password, so that it was not checked")?;
    }
    let path = stored.path.display();
    match &stored.helper {
        Some(helper) => writeln!(
            err,
            "logged in to `{registry}` as `{username}`; `docker-credential-{helper}` keeps the password"
        )?,
        None => writeln!(
            err,
            "logged in to `{registry}` as `{username}`; the password is in `{path}`, not encrypted"
        )?,
    }
    if let Some(other) = &stored.elsewhere {
        writeln!(
            err,
            "warning: `{}` knows `{registry}` as well, and is looked at before `{path}`",
            other.display()
        )?;
    }
    Ok(())
}

fn credentials(args: &LoginArgs) -> anyhow::Result<(String, Secret)> {
    if let Some(username) = &args.username
        && args.password_stdin
    {
        return Ok((checked_username(username)?, password_from_stdin()?));
    }
    if !io::stdin().is_terminal() {
        let hint =
            "pipe it in: `closure2img login REGISTRY --username NAME --password-stdin < FILE`";
        return Err(
            Usage::new("the password is asked for on a terminal, and there is none", hint).into()
        );
    }
    let username = match &args.username {
        Some(username) => username.clone(),
        None => terminal::ask(&format!("Account at {}: ", args.registry))?,
    };
    let username = checked_username(&username)?;
    let password = terminal::ask_hidden("Password or token: ")?;
    Ok((username, checked_password(password.expose())?))
}

pub(crate) fn log_out(args: &LogoutArgs) -> anyhow::Result<()> {
    let LogoutArgs { registry } = args;
    let Stored { path, replaced, elsewhere, .. } = Environment::from_env().log_out(registry)?;
    let mut err = io::stderr().lock();
    let shown = |path: &Path| path.display().to_string();
    match replaced {
        true => writeln!(err, "logged out of `{registry}`, in `{}`", shown(&path))?,
        false => writeln!(err, "nobody is logged in to `{registry}` in `{}`", shown(&path))?,
    }
    if let Some(other) = elsewhere {
        writeln!(err, "warning: `{}` still knows `{registry}`", shown(&other))?;
    }
    Ok(())
}
