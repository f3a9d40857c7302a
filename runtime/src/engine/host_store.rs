//! The host's own store, where it has all that the image has: nothing needs to be mounted then.
//!
//! Paths that are there may be broken or made otherwise. So Nix's database must have each with the hash that it had when
//! the image was made.

use alloc::format;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::{Job, Ready};
use crate::failure::{Doing, Failure, shown};
use crate::image::Source;
use crate::registration::{Answer, Database};

/// The engine.
pub(super) fn prepare(job: &Job<'_>) -> Result<Ready, Failure> {
    let Some(store) = job.metadata.store else {
        return Err(Failure::new("the image has no store"));
    };
    let paths = &job.metadata.paths;
    if paths.is_empty() {
        return Err(Failure::new("the image does not say what is in its store"));
    }
    let lacking = |name: &[u8]| Failure::new(format!("the host's store has no `{}`", shown(name)));
    // The quick question first: most hosts have no store at all.
    let absolute = |name: &[u8]| [store, b"/", name].concat();
    for path in paths {
        rustix::fs::statat(CWD, &absolute(path.name)[..], AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|_| lacking(path.name))?;
    }
    let mut database = open(store)?;
    for path in paths {
        let known = path.nar_hash.map(|hash| database.holds(&absolute(path.name), hash));
        if known != Some(Answer::Registered) {
            return Err(Failure::new(format!(
                "the host's store may have another `{}`",
                shown(path.name)
            )));
        }
    }
    let outside = || Failure::new("`AppRun` is no link into the store");
    let program = job.program.ok_or_else(outside)?;
    let inner = program.get(store.len() + 1..).unwrap_or_default();
    let first = inner.split(|byte| *byte == b'/').next().unwrap_or_default();
    Ok(Ready { directory: absolute(first), rewrite: None })
}

/// Nix's database beside the store.
fn open(store: &[u8]) -> Result<Database<Source>, Failure> {
    let parent = store
        .iter()
        .rposition(|byte| *byte == b'/')
        .and_then(|slash| store.get(..slash))
        .unwrap_or_default();
    let path = [parent, b"/var/nix/db/db.sqlite"].concat();
    let fd: OwnedFd = rustix::fs::open(&path[..], OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .doing(format_args!("open `{}`", shown(&path)))?;
    let length = |status: rustix::fs::Stat| u64::try_from(status.st_size).unwrap_or(u64::MAX);
    let size = rustix::fs::fstat(&fd).map(length).doing("look at the host's database")?;
    let log: u64 = [&b"-wal"[..], b"-journal"]
        .iter()
        .map(|suffix| {
            let log = [&path[..], suffix].concat();
            rustix::fs::statat(CWD, &log[..], AtFlags::empty()).map_or(0, length)
        })
        .fold(0, u64::saturating_add);
    Database::open(Source(fd), size, log)
        .ok_or_else(|| Failure::new(format!("`{}` is in use or no database of Nix", shown(&path))))
}
