//! Where layers are kept for the next time: flags of what makes layers.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use closure2img::cache::{Cache, CacheError, DEFAULT_SIZE};
use closure2img::progress::{Event, Progress, human};

use super::registry_args::cache_home;

/// Where layers are kept.
#[derive(Args, Debug)]
pub(crate) struct FolderArgs {
    /// Keep layers in DIR for the next time [default: closure2img in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long = "cache", value_name = "DIR", help_heading = "Cache")]
    dir: Option<PathBuf>,
}

/// Where layers are kept, how many, and whether at all.
#[derive(Args, Debug)]
pub(crate) struct CacheArgs {
    #[command(flatten)]
    folder: FolderArgs,

    /// How many bytes of layers are kept, such as 500MB or 20GB; those used longest ago go first
    /// [default: 10GB]
    #[arg(long = "cache-size", value_name = "SIZE", value_parser = size, help_heading = "Cache")]
    size: Option<u64>,

    /// Make all layers anew, and keep none
    #[arg(long, conflicts_with_all = ["dir", "size"], help_heading = "Cache")]
    pub(crate) no_cache: bool,
}

impl FolderArgs {
    /// The folder, whatever is in it.
    pub(crate) fn open(&self, size: Option<u64>) -> Result<Cache, CacheError> {
        let dir = self.dir.clone().or_else(cache_home).ok_or_else(|| CacheError::Unusable {
            dir: "~/.cache/closure2img".into(),
            source: io::Error::new(
                io::ErrorKind::NotFound,
                "neither XDG_CACHE_HOME nor HOME is set",
            ),
        })?;
        Cache::open(&dir, size.unwrap_or(DEFAULT_SIZE))
    }
}

impl CacheArgs {
    /// The cache, if there is to be one. Only one that was asked for is missed if it is not there.
    pub(crate) fn open(&self, progress: &dyn Progress) -> Result<Option<Arc<Cache>>, CacheError> {
        if self.no_cache {
            return Ok(None);
        }
        match self.folder.open(self.size) {
            Ok(cache) => Ok(Some(Arc::new(cache))),
            Err(error) if self.folder.dir.is_some() => Err(error),
            Err(error) => {
                if error.is_suspicious() {
                    let text = format!("layers are not kept: {error}");
                    progress.report(Event::Warning { text: &text });
                }
                Ok(None)
            }
        }
    }
}

/// Bytes, in powers of 1000 as disks count, or of 1024 with an `i`: `500MB`, `20G`, `4GiB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (letter, base) = match unit.strip_suffix('i') {
        Some(letter) => (letter, 1024_u64),
        None => (unit, 1000),
    };
    let power = ["", "k", "m", "g", "t"].iter().position(|it| *it == letter);
    let factor = power.and_then(|power| base.checked_pow(u32::try_from(power).ok()?));
    let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(n, by)| n.checked_mul(by));
    bytes.ok_or_else(|| format!("expected a size such as `500MB` or `{}`", human(DEFAULT_SIZE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("7", 7),
            ("7B", 7),
            ("500MB", 500_000_000),
            ("20G", 20_000_000_000),
            ("4GiB", 4 << 30),
            ("1 kB", 1000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "-1", "1.5GB", "1XB", "99999999999TB", "iB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
