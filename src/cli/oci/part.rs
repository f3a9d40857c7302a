//! What is different between the images of one call: for whom each is, and of which root.

use std::path::PathBuf;
use std::str::FromStr;

use closure2img::closure::Closure;
use closure2img::copy::{self, Source};
use closure2img::image::{Base, Machine, UnknownMachine};
use closure2img::progress::Progress;
use registry::{Platform, PlatformError};

use super::args::OciArgs;
use crate::cli::report::Usage;

/// `OS/ARCH[/VARIANT]=ROOT`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlatformRoot {
    platform: Platform,
    machine: Machine,
    root: PathBuf,
}

/// A text that names no platform and root.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlatformRootError {
    #[error("expected OS/ARCH=ROOT, such as `linux/arm64=./result-arm64`")]
    Form,
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error(transparent)]
    Machine(#[from] UnknownMachine),
    #[error("a store's programs run on Linux, not on `{0}`")]
    Os(String),
}

impl FromStr for PlatformRoot {
    type Err = PlatformRootError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (platform, root) = text.split_once('=').ok_or(PlatformRootError::Form)?;
        if root.is_empty() {
            return Err(PlatformRootError::Form);
        }
        let mut platform: Platform = platform.parse()?;
        if platform.os != "linux" {
            return Err(PlatformRootError::Os(platform.os));
        }
        let machine: Machine = platform.architecture.parse()?;
        // However it was called.
        machine.as_str().clone_into(&mut platform.architecture);
        Ok(Self { platform, machine, root: root.into() })
    }
}

/// One of the images.
pub(super) struct Part<'a> {
    args: &'a OciArgs,
    /// For whom, if there are several.
    of: Option<&'a PlatformRoot>,
}

impl OciArgs {
    /// The images that are to be made.
    pub(super) fn parts(&self) -> Result<Vec<Part<'_>>, Usage> {
        if self.platform.is_empty() {
            return Ok(vec![Part { args: self, of: None }]);
        }
        for (at, one) in self.platform.iter().enumerate() {
            if self.platform[..at].iter().any(|other| other.platform.is_same(&one.platform)) {
                let text = format!("`--platform {}` is there twice", one.platform);
                return Err(Usage::new(text, "name the other one's variant, or leave it out"));
            }
        }
        Ok(self.platform.iter().map(|one| Part { args: self, of: Some(one) }).collect())
    }
}

impl Part<'_> {
    /// For whom it is to be, if there are several.
    pub(super) fn platform(&self) -> Option<&Platform> {
        self.of.map(|of| &of.platform)
    }

    /// For which machine, if that was said.
    pub(super) fn machine(&self) -> Option<Machine> {
        self.of.map(|of| of.machine.clone()).or_else(|| self.args.run.arch.clone())
    }

    /// The closure of its roots.
    pub(super) fn closure(&self, progress: &dyn Progress) -> anyhow::Result<Closure> {
        match self.of {
            Some(of) => self.args.closure.closure_of(vec![of.root.clone()], false, progress),
            None => self.args.closure.closure(false, progress),
        }
    }

    /// The image of `source` that it is put on.
    pub(super) fn base(&self, source: &dyn Source) -> Result<Base, copy::Error> {
        let of = |machine: Machine| Platform {
            os: "linux".into(),
            architecture: machine.as_str().into(),
            ..Platform::default()
        };
        let wanted = self.platform().cloned().or_else(|| self.machine().map(of));
        copy::base(source, wanted.as_ref(), &of(Machine::host()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_platform_has_a_root() {
        let one: PlatformRoot = "linux/aarch64/v8=./a=b".parse().unwrap();
        assert_eq!(one.platform.to_string(), "linux/arm64/v8");
        assert_eq!((one.machine.as_str(), one.root), ("arm64", PathBuf::from("./a=b")));
        for (text, words) in [
            ("linux/amd64", "expected OS/ARCH=ROOT"),
            ("linux/amd64=", "expected OS/ARCH=ROOT"),
            ("amd64=./result", "OS/ARCH"),
            ("linux/pdp11=./result", "pdp11"),
            ("windows/amd64=./result", "`windows`"),
        ] {
            let error = text.parse::<PlatformRoot>().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = text.parse::<PlatformRoot>();
        }
    }
}
