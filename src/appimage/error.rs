//! What can go wrong on the way to an AppImage.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::elf_head::RuntimeError;
use super::{Finding, Severity};
use crate::image::Machine;
use crate::{closure, squashfs, tree};

/// Why there is no AppImage.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("cannot read the AppDir `{}`", dir.display())]
    AppDir {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is a {kind}, which no AppImage can hold", path.display())]
    Kind { path: PathBuf, kind: &'static str },
    /// Of a file in an AppDir, which may be anybody's.
    #[error(transparent)]
    Tree(tree::Error),
    #[error(transparent)]
    Closure(Box<closure::Error>),
    #[error("cannot read `{}`", file.display())]
    Input {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is no icon, expected a file whose name ends with `.png`, `.svg` or `.xpm`", .0.display())]
    IconKind(PathBuf),
    #[error("there is no program `{wanted}`")]
    NoProgram { wanted: String, there: Vec<String> },
    #[error("the AppDir has a store and a `.closure2img` already, and more is to be put into both")]
    Twice,
    #[error("`{what}` may not be `{text}`: got {got}")]
    Text { what: &'static str, text: String, got: &'static str },
    #[error("this cannot be an AppImage: {}", counted(.0.findings()))]
    Refused(#[source] Box<Refusal>),
    #[error("the runtime cannot be used")]
    Runtime(#[from] RuntimeError),
    #[error("the runtime is for {got}, and the AppImage for {wanted}")]
    OtherMachine { got: String, wanted: Machine },
    #[error(transparent)]
    Image(#[from] squashfs::Error),
}

impl From<closure::Error> for Error {
    fn from(error: closure::Error) -> Self {
        Self::Closure(Box::new(error))
    }
}

impl From<tree::Error> for Error {
    fn from(error: tree::Error) -> Self {
        match error {
            tree::Error::Kind { path, kind } => Self::Kind { path, kind },
            error => Self::Tree(error),
        }
    }
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::AppDir { source, .. } if source.kind() == ErrorKind::NotFound => {
                "give a directory, a store path, or a link to one such as `./result`".into()
            }
            Self::Kind { .. } => {
                "leave it out with `--exclude-file`, or make it when the application starts".into()
            }
            Self::Tree(tree::Error::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                "run as a user who may read all of the AppDir".into()
            }
            Self::Tree(
                tree::Error::Size { .. } | tree::Error::Replaced { .. } | tree::Error::Written { .. },
            ) => "wait until nothing writes to the AppDir any more, then try again".into(),
            Self::IconKind(_) => "give a PNG of 256x256 pixels, or an SVG".into(),
            Self::NoProgram { there, .. } if there.is_empty() => {
                "no programs were found in `bin` and `usr/bin`: put one there, or name its full path".into()
            }
            Self::NoProgram { there, .. } => {
                let some = there.iter().take(8).map(|name| format!("`{name}`")).collect::<Vec<_>>();
                format!("there are {}", some.join(", "))
            }
            Self::Twice => {
                "make it from the AppDir that the AppImage was made from, or remove `.closure2img`".into()
            }
            Self::Text { .. } => "give another".into(),
            Self::Refused(_) => "see all that was found, warnings and hints too, with `--lint`".into(),
            Self::Runtime(_) => "give a runtime as it was built, without an image behind it".into(),
            Self::OtherMachine { wanted, .. } => {
                format!("give a runtime for {wanted} with `--runtime FILE`")
            }
            Self::Image(error) => return error.hint(),
            Self::AppDir { .. } | Self::Tree(_) | Self::Closure(_) | Self::Input { .. } => return None,
        })
    }
}

/// Errors that were found, each the source of the one before, so that all are told.
#[derive(Debug)]
pub struct Refusal {
    first: Finding,
    rest: Option<Box<Self>>,
}

impl Refusal {
    /// All errors among the findings, if there are any.
    pub(super) fn of(findings: &[Finding]) -> Option<Self> {
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
        errors
            .rev()
            .fold(None, |rest, first| Some(Self { first: first.clone(), rest: rest.map(Box::new) }))
    }

    fn findings(&self) -> usize {
        std::iter::successors(Some(self), |refusal| refusal.rest.as_deref()).count()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.rest.as_deref().map(|rest| rest as _)
    }
}

fn counted(count: usize) -> String {
    crate::progress::counted(count, "error")
}
