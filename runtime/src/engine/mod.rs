//! The ways to make an image's files appear where programs look for them, best first, each tried by doing it.
//!
//! | name | how | keeps |
//! |---|---|---|
//! | `store` | the host's own store has all paths of the image | everything |
//! | `root` | with `CAP_SYS_ADMIN`: FUSE in a mount namespace | all capabilities, users, set-user-ID programs |
//! | `root-extract` | the same over an unpacked image | the same |
//! | `user` | FUSE in a user namespace | nothing of these, so only for those who have none |
//! | `user-extract` | the same over an unpacked image | the same |
//! | `fuse` | FUSE in a directory of its own, the store's path rewritten as files are read | all but what needs the path |
//! | `extract` | an unpacked image, its files rewritten | the same |

mod handshake;
mod host_store;
mod mount_point;
mod rights;
mod root;
mod server;
mod unpacked;
mod user;
mod view;
mod watcher;
mod working_directory;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::failure::Failure;
use crate::file::AppFile;
use crate::image::AppImage;
use crate::message;
use crate::metadata::Metadata;
use crate::rewrite::Rewrite;
use crate::start::Start;

pub use mount_point::mount_and_wait;
pub use unpacked::unpack_once;

/// What all engines work on.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// How this program was started.
    pub start: &'a Start,
    /// The AppImage.
    pub file: &'a AppFile,
    /// Its image.
    pub image: &'a AppImage,
    /// What the image says of itself.
    pub metadata: &'a Metadata<'a>,
    /// The program of the image's store that `AppRun` is a link to.
    pub program: Option<&'a [u8]>,
}

impl Job<'_> {
    /// Says what is tried, to those who want to know.
    pub fn tell(&self, text: fmt::Arguments<'_>) {
        if self.start.variable("VERBOSE").is_some() {
            message::error(text);
        }
    }
}

/// An image that programs can be run from.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    /// The directory that holds `AppRun`.
    pub directory: Vec<u8>,
    /// What the store's path was rewritten to.
    pub rewrite: Option<Rewrite>,
}

/// A way; the module's documentation has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Engine {
    Store,
    Root,
    RootExtract,
    User,
    UserExtract,
    Fuse,
    Extract,
}

impl Engine {
    const ALL: [Self; 7] = [
        Self::Store,
        Self::Root,
        Self::RootExtract,
        Self::User,
        Self::UserExtract,
        Self::Fuse,
        Self::Extract,
    ];

    /// As `CLOSURE2IMG_ENGINE` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Root => "root",
            Self::RootExtract => "root-extract",
            Self::User => "user",
            Self::UserExtract => "user-extract",
            Self::Fuse => "fuse",
            Self::Extract => "extract",
        }
    }

    /// What is tried when nobody says otherwise. Where nothing must appear at a certain place, a namespace is no gain: it
    /// takes set-user-ID programs from users, and hides root's mounts.
    fn ladder(store: bool) -> &'static [Self] {
        match store {
            true => &Self::ALL,
            false => &[Self::Fuse, Self::Root, Self::User, Self::Extract],
        }
    }

    fn parse(list: &[u8]) -> Result<Vec<Self>, Failure> {
        list.split(|byte| *byte == b',')
            .map(|name| {
                Self::ALL.into_iter().find(|engine| engine.name().as_bytes() == name).ok_or_else(|| {
                    let name = crate::failure::shown(name);
                    Failure::new(alloc::format!(
                        "`CLOSURE2IMG_ENGINE` has `{name}`, which is none of `store`, `root`, `root-extract`, `user`, \
                         `user-extract`, `fuse`, `extract`"
                    ))
                })
            })
            .collect()
    }

    fn try_it(self, job: &Job<'_>) -> Result<Ready, Failure> {
        match self {
            Self::Store => host_store::prepare(job),
            Self::Root => root::over_fuse(job),
            Self::RootExtract => root::over_unpacked(job),
            Self::User => user::over_fuse(job),
            Self::UserExtract => user::over_unpacked(job),
            Self::Fuse => mount_point::prepare(job),
            Self::Extract => unpacked::prepare(job),
        }
    }
}

/// Tries one way after the other.
pub fn prepare(job: &Job<'_>) -> Result<Ready, Failure> {
    let asked = job.start.variable("CLOSURE2IMG_ENGINE").filter(|_| !job.start.secure);
    let engines = match asked {
        Some(list) => Engine::parse(list.to_bytes())?,
        None => Engine::ladder(job.metadata.store.is_some()).to_vec(),
    };
    let mut reasons = String::from("the image cannot be made available in any way that was tried:");
    for engine in engines {
        match engine.try_it(job) {
            Ok(ready) => {
                job.tell(format_args!("engine `{}`", engine.name()));
                return Ok(ready);
            }
            Err(failure) => {
                job.tell(format_args!("engine `{}`: {failure}", engine.name()));
                let _ = write!(reasons, "\n  {}: {failure}", engine.name());
            }
        }
    }
    reasons.push_str("\nhint: `--appimage-extract` unpacks it into `squashfs-root`");
    Err(Failure::new(reasons))
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn names_are_parsed_in_the_order_given() {
        assert_eq!(Engine::parse(b"extract,user").unwrap(), [Engine::Extract, Engine::User]);
        assert!(Engine::parse(b"magic").unwrap_err().to_string().contains("`magic`"));
        for engine in Engine::ALL {
            assert_eq!(Engine::parse(engine.name().as_bytes()).unwrap(), [engine]);
        }
    }
}
