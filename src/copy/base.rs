//! An image that another is to be put on: wherever it is, its manifest and configuration are read now
//! and its layers when they are needed.

use std::sync::Arc;

use registry::{Blob, Descriptor, Parts, Platform};

use super::Error;
use super::selected::{MAX_CONFIG, choose, parts};
use super::source::{IMAGE_NAME, Source, document};
use crate::image::{Base, BaseError, Identity};

/// Reads the image of `source` that is for `wanted` or, if nobody said, of several the one for
/// `host`.
pub fn base(
    source: &dyn Source,
    wanted: Option<&Platform>,
    host: &Platform,
) -> Result<Base, Error> {
    let root = source.root();
    let manifest = match root.is_index() {
        true => choose(source, wanted.unwrap_or(host)).map_err(of_base)?,
        false => root.clone(),
    };
    let Parts::Image { config, layers } = parts(source, &manifest)? else {
        let (name, got) = (source.name().to_owned(), manifest.media_type);
        return Err(BaseError::NoImage { name, got }.into());
    };
    let (name, digest) = (source.name().to_owned(), root.digest);
    let identity = Identity { name, reference: reference(source), digest };
    let text = document(source, &config, MAX_CONFIG)?;
    let blob =
        |layer: &Descriptor| -> Result<Arc<dyn Blob>, Error> { Ok(Arc::from(source.blob(layer)?)) };
    let base = Base::new(identity, (&config.media_type, &text), layers, blob)?;
    match wanted {
        Some(wanted) if !base.platform.fits(wanted) => {
            let (name, got) = (source.name().to_owned(), format!("`{}`", base.platform));
            let expected = format!("`{wanted}`");
            Err(BaseError::Platform { name, got, expected }.into())
        }
        _ => Ok(base),
    }
}

/// Its full name, as far as it has one.
fn reference(source: &dyn Source) -> Option<String> {
    match source.repository() {
        Some(reference) if reference.digest().is_some() => Some(reference.to_string()),
        Some(reference) => Some(format!("{}:{}", reference.name(), reference.target())),
        None => source.annotations().get(IMAGE_NAME).cloned(),
    }
}

/// What is said of an image to copy, said of one to build upon.
fn of_base(error: Error) -> Error {
    match error {
        Error::Platform { name, wanted, there } => {
            BaseError::NoPlatform { name, wanted, there }.into()
        }
        Error::Ambiguous { name, wanted, count } => {
            BaseError::Ambiguous { name, wanted, count }.into()
        }
        error => error,
    }
}
