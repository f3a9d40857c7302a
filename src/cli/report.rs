//! How a failure is told: the error, its causes, and what to do, each on a line of its own.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::appimage::LintErrors;
use super::login::NotAccepted;
use super::previous::Changed;
use super::verify::Wrong;
use closure2img::{
    aci, appimage, cache, closure, copy, diff, earlier, fleet, gpg, image, inspect, output,
    squashfs,
};

/// A command line that clap cannot see is wrong.
#[derive(Debug)]
pub(crate) struct Usage {
    text: String,
    hint: String,
}

impl Usage {
    pub(crate) fn new(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { text: text.into(), hint: hint.into() }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Usage {}

/// A graph file that is well-formed and of no use: there is nothing to plan or to pack.
#[derive(Debug)]
pub(crate) struct Nothing(pub(crate) PathBuf);

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no store paths, expected at least one", self.0.display())
    }
}

impl std::error::Error for Nothing {}

/// Something that an image has not.
#[derive(Debug, thiserror::Error)]
#[error("it is in none of its layers")]
pub(crate) struct NotThere {
    pub(crate) hint: &'static str,
}

/// A file that had to be JSON.
#[derive(Debug, thiserror::Error)]
#[error("it is not valid JSON")]
pub(crate) struct NotJson(#[source] pub(crate) serde_json::Error);

/// Tells of `error` on stderr; the exit code says whose fault it was.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    // Whoever reads our lists, such as `head`, has had enough. Half an image is another matter.
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
    };
    let of_image = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<registry::Error>() || cause.is::<output::OutputError>()
    };
    if error.chain().any(broken_pipe) && !error.chain().any(of_image) {
        return ExitCode::SUCCESS;
    }
    // A closed stderr is no reason to fail in another way.
    let _ = tell(error);
    if error.chain().any(<dyn std::error::Error>::is::<Usage>) {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

fn tell(error: &anyhow::Error) -> io::Result<()> {
    let mut err = io::stderr().lock();
    let mut last = plain(&error.to_string());
    writeln!(err, "error: {last}")?;
    for cause in error.chain().skip(1) {
        // A transparent error says what its source says.
        let text = plain(&cause.to_string());
        if text != last {
            writeln!(err, "  caused by: {text}")?;
            last = text;
        }
    }
    let mut hints: Vec<String> = error.chain().flat_map(hints).collect();
    hints.dedup();
    if hints.is_empty() {
        hints.extend(error.chain().find_map(hint_of_system).map(Into::into));
    }
    if !hints.is_empty() {
        writeln!(err)?;
    }
    hints.iter().try_for_each(|hint| writeln!(err, "hint: {}", plain(hint)))
}

/// One line without control characters: names from files and archives may hold any, and none of them
/// shall steer a terminal or pass for a line of ours.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            plain.extend(letter.escape_default());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// What a registry said, if that is why something could not be read.
fn of_registry(error: &io::Error) -> Option<&registry::Error> {
    error.get_ref()?.downcast_ref()
}

fn hints(cause: &(dyn std::error::Error + 'static)) -> Vec<String> {
    if let Some(error) = cause.downcast_ref::<closure::Error>() {
        error.hints()
    } else if let Some(error) = cause.downcast_ref::<cache::CacheError>() {
        vec![error.hint()]
    } else if let Some(error) = cause.downcast_ref::<image::Error>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<aci::Error>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<image::config::ConfigError>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<appimage::Error>() {
        match error {
            // A transparent error hides the one within from the chain.
            appimage::Error::Closure(inner) => inner.hints(),
            _ => error.hint().into_iter().collect(),
        }
    } else if let Some(error) = cause.downcast_ref::<gpg::GpgError>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<appimage::signature::SignatureError>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<appimage::elf_head::PatchError>() {
        vec![match error {
            appimage::elf_head::PatchError::Missing(_) => {
                "give a runtime that has the sections of type2-runtime, or leave out `--runtime`"
                    .into()
            }
            _ => "make it shorter, without zero bytes".into(),
        }]
    } else if cause.is::<LintErrors>() {
        vec![LintErrors::hint().into()]
    } else if let Some(error) = cause.downcast_ref::<squashfs::Error>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<output::OutputError>() {
        match error {
            output::OutputError::Base { source, .. } => match of_registry(source) {
                Some(inner) => vec![hint_of_registry(inner)],
                None => error.hint().into_iter().collect(),
            },
            _ => error.hint().into_iter().collect(),
        }
    } else if let Some(error) = cause.downcast_ref::<earlier::Error>() {
        hints_of_earlier(error)
    } else if let Some(error) = cause.downcast_ref::<copy::Error>() {
        hints_of_copy(error)
    } else if let Some(error) = cause.downcast_ref::<inspect::Error>() {
        hints_of_inspect(error)
    } else if let Some(error) = cause.downcast_ref::<inspect::ExtractError>() {
        match error {
            inspect::ExtractError::Image(inner) => hints_of_inspect(inner),
            _ => error.hint().into_iter().collect(),
        }
    } else if let Some(error) = cause.downcast_ref::<NotThere>() {
        vec![error.hint.into()]
    } else if cause.is::<Wrong>() {
        vec![Wrong::hint().into()]
    } else if let Some(error) = cause.downcast_ref::<diff::Incomparable>() {
        vec![error.hint()]
    } else if let Some(error) = cause.downcast_ref::<registry::Error>() {
        vec![hint_of_registry(error)]
    } else if let Some(error) = cause.downcast_ref::<layering::PlanError>() {
        error.hint().into_iter().collect()
    } else if let Some(error) = cause.downcast_ref::<fleet::PlanFleetError>() {
        error.hint().into_iter().collect()
    } else if cause.is::<layering::fleet::FleetPlanError>() {
        vec!["write it with `closure2img plan --fleet GRAPH… --output FILE`".into()]
    } else if cause.is::<layering::PipelineError>() {
        vec!["write stages as nixpkgs' `layeringPipeline` has them, such as [[\"popularity_contest\"], [\"limit_layers\", 100]]".into()]
    } else if cause.is::<layering::PathListsError>() {
        vec!["write it with `closure2img plan --json`, or as [[PATH, …], …]".into()]
    } else if cause.is::<NotJson>() {
        vec!["check that it is the right file".into()]
    } else if let Some(error) = cause.downcast_ref::<Usage>() {
        vec![error.hint.clone()]
    } else if cause.is::<NotAccepted>() {
        vec![NotAccepted::hint().into()]
    } else if let Some(error) = cause.downcast_ref::<registry::CredentialsError>() {
        error.hint().into_iter().collect()
    } else if cause.is::<Changed>() {
        vec![Changed::hint().into()]
    } else if cause.is::<Nothing>() {
        vec!["write it with `nix path-info --json -r ROOT`, naming at least one ROOT".into()]
    } else {
        Vec::new()
    }
}

fn hints_of_copy(error: &copy::Error) -> Vec<String> {
    match error {
        // A transparent error hides the one within from the chain.
        copy::Error::Local(inner) => hints_of_earlier(inner),
        copy::Error::Registry(inner) => vec![hint_of_registry(inner)],
        copy::Error::Output(inner) => inner.hint().into_iter().collect(),
        _ => error.hint().into_iter().collect(),
    }
}

fn hints_of_inspect(error: &inspect::Error) -> Vec<String> {
    match error {
        inspect::Error::Find(inner) => hints_of_earlier(inner),
        inspect::Error::Source(inner) => hints_of_copy(inner),
        _ => error.hint().into_iter().collect(),
    }
}

fn hints_of_earlier(error: &earlier::Error) -> Vec<String> {
    match error {
        // A transparent error hides the one within from the chain.
        earlier::Error::Registry(inner) => vec![hint_of_registry(inner)],
        _ => error.hint().into_iter().collect(),
    }
}

/// The registry's own advice, else what the flags of this program and a second try can do.
fn hint_of_registry(error: &registry::Error) -> String {
    use registry::Error;
    match (error, error.hint()) {
        (Error::Certificate { host, .. }, _) => format!(
            "if `{host}` has a certificate of your own authority, give its PEM file with `--ca FILE` or SSL_CERT_FILE"
        ),
        (Error::Refused { host, status: 401, authorized: false, .. }, _) => format!(
            "no credentials for `{host}` were found: `closure2img login {host}` stores them"
        ),
        (Error::Refused { host, status: 401, .. }, _) => format!(
            "the credentials for `{host}` were not accepted: `closure2img login {host}` renews them"
        ),
        (Error::Refused { host, status: 403, authorized: false, .. }, _) => {
            format!("anonymous access is not enough: log in with `closure2img login {host}`")
        }
        (Error::NotIdentified { host, .. }, _) => format!(
            "`{host}` asks for a certificate: give one of an authority that it knows with `--cert FILE --key FILE`"
        ),
        (_, Some(hint)) => hint,
        (Error::ClientCertificate { .. }, _) => {
            "give `--cert` a certificate and `--key` its private key, both PEM, or correct the certs.d folder".into()
        }
        (Error::ReadCertificate { .. } | Error::InvalidCertificate { .. }, _) => {
            "name readable PEM files, with `-----BEGIN CERTIFICATE-----` in them for `--ca` and `--cert`".into()
        }
        (
            Error::Connection { host, .. }
            | Error::Interrupted { host, .. }
            | Error::Stalled { host, .. },
            _,
        ) => format!(
            "try again: what `{host}` has already is not sent again; if it goes on, ask who runs it"
        ),
        (Error::Refused { host, .. }, _) => {
            format!("check that `{host}` takes such images, or ask who runs it")
        }
        _ => "check the name and the state of the registry, then try again".into(),
    }
}

/// For failures that only the system has words for: what its kinds of errors mean to a user.
fn hint_of_system(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    Some(match cause.downcast_ref::<io::Error>()?.kind() {
        ErrorKind::NotFound => "check the name: relative names start at the current directory",
        ErrorKind::PermissionDenied => "run as a user who may do that, or change its mode",
        ErrorKind::IsADirectory => "name a file",
        ErrorKind::InvalidData => "check that it is the right file: it is not UTF-8 text",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "make room there, or write elsewhere"
        }
        _ => return None,
    })
}
