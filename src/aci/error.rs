//! What can go wrong while an ACI is made.

use super::check::{Finding, Severity};
use crate::gpg::GpgError;
use crate::image;
use crate::output::OutputError;

/// Why an ACI could not be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum Error {
    #[error("the manifest is not JSON")]
    Json(#[source] serde_json::Error),
    #[error("{}", told(.findings))]
    Invalid { findings: Vec<Finding> },
    #[error("the image would be none that readers take: {}", told(.findings))]
    Unfit { findings: Vec<Finding> },
    #[error("`{name}` has no label `{label}`, of which the address of an image is made")]
    NoLabel { name: String, label: &'static str },
    #[error("`/{0}` is a link or file, and the store is below it")]
    StoreBelow(String),
    #[error(transparent)]
    Image(#[from] image::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Gpg(#[from] GpgError),
}

/// All errors, the first one first.
fn told(findings: &[Finding]) -> String {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Json(_) => {
                Some("it is an image manifest, such as `actool cat-manifest` prints".into())
            }
            Self::Invalid { .. } => Some(
                "these are fields of the image manifest: see docs/aci.md for their flags".into(),
            ),
            Self::Unfit { .. } => {
                Some("nothing was written; this is a fault of closure2img, please tell it".into())
            }
            Self::NoLabel { label: "arch", .. } => Some(
                "appc has no name for such machines: give one of its own with `--label arch=…`"
                    .into(),
            ),
            Self::NoLabel { label, .. } => Some(format!("set it with `--label {label}=…`")),
            Self::StoreBelow(_) => Some("leave out `--link-root`".into()),
            Self::Image(error) => error.hint(),
            Self::Output(error) => error.hint(),
            Self::Gpg(error) => error.hint(),
        }
    }
}
