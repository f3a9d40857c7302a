//! A folder from which any web server serves images to whoever asks for them by name (appc spec, "App Container Image
//! Discovery"): a page at the image's name says where images and keys are.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::manifest::Manifest;

/// What stands for an image's address, and where that is in the folder.
const TEMPLATE: &str = "{name}-{version}-{os}-{arch}.{ext}";
/// The folder of images, within the folder that is served.
const IMAGES: &str = "aci";
/// The key that signed them.
const KEYS: &str = "pubkeys.gpg";
/// What an image without a label `version` is asked for by (appc spec, "Validation").
const LATEST: &str = "latest";

/// What a web server serves for a host.
#[derive(Clone, Debug)]
pub struct Site {
    dir: PathBuf,
    /// The address of the folder, without a slash at its end.
    url: Option<String>,
}

/// A text that is no address of a folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address such as `https://example.com/images`")]
pub struct NotAUrl(String);

impl Site {
    /// The folder `dir`, served at `url`; without it, at the host that the image's name begins with.
    pub fn new(dir: &Path, url: Option<&str>) -> Result<Self, NotAUrl> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%@+".contains(&byte);
        let url = url.map(|url| url.trim_end_matches('/'));
        if let Some(url) = url {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if !rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(plain)) {
                return Err(NotAUrl(url.into()));
            }
        }
        Ok(Self { dir: dir.into(), url: url.map(Into::into) })
    }

    /// Where an image is.
    pub fn image(&self, manifest: &Manifest) -> Result<PathBuf, Error> {
        let name = manifest.name();
        let label = |label: &'static str| {
            let found = manifest.label(label);
            let fits = |value: &&str| !value.is_empty() && !value.contains(['/', '\0']);
            found.filter(fits).ok_or_else(|| Error::NoLabel { name: name.into(), label })
        };
        let version = match manifest.label("version") {
            None => LATEST,
            Some(_) => label("version")?,
        };
        let file = format!("{name}-{version}-{}-{}.aci", label("os")?, label("arch")?);
        Ok(self.dir.join(IMAGES).join(file))
    }

    /// The page at the name of an image: where it is, and what is in it.
    pub fn page(&self, name: &str, signed: bool) -> (PathBuf, String) {
        let (host, rest) = name.split_once('/').unwrap_or((name, ""));
        let url = self.url.clone().unwrap_or_else(|| format!("https://{host}"));
        let mut page = format!(
            "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>{name}</title>\n\
             <meta name=\"ac-discovery\" content=\"{name} {url}/{IMAGES}/{TEMPLATE}\">\n"
        );
        if signed {
            let keys = format!("{name} {url}/{IMAGES}/{KEYS}");
            let _ = writeln!(page, "<meta name=\"ac-discovery-pubkeys\" content=\"{keys}\">");
        }
        page.push_str("</head>\n<body></body>\n</html>\n");
        (self.dir.join(rest).join("index.html"), page)
    }

    /// Where the key is that signed the images.
    pub fn keys(&self) -> PathBuf {
        self.dir.join(IMAGES).join(KEYS)
    }
}
