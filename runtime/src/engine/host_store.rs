//! The host's own store, where it has all that the image has: nothing needs to be mounted then.
//!
//! Paths that are there may be broken or made otherwise. So Nix's database must have each with the hash that it had when
//! the image was made.

use alloc::format;
use alloc::vec::Vec;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use squashfs::read::Kind;

use super::{Job, Ready};
use crate::failure::{Doing, Failure, shown};
use crate::image::{Codecs, Source, find};
use crate::registration::{Answer, Database};

/// As many links as the kernel follows.
const LINKS: usize = 40;

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
    let program = linked_program(job, store)?;
    let inner = program.get(store.len() + 1..).unwrap_or_default();
    let first = inner.split(|byte| *byte == b'/').next().unwrap_or_default();
    Ok(Ready { directory: absolute(first), program: Some(program), rewrite: None })
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

/// The program in the store that `AppRun` is a link to.
pub fn linked_program(job: &Job<'_>, store: &[u8]) -> Result<Vec<u8>, Failure> {
    let outside = || Failure::new("`AppRun` is no link into the store");
    let mut reader = job.image.reader(Codecs::default());
    let mut path = b"AppRun".to_vec();
    for _ in 0..LINKS {
        let absolute = [b"/", &path[..]].concat();
        if absolute.strip_prefix(store).is_some_and(|rest| rest.starts_with(b"/")) {
            return Ok(absolute);
        }
        let inode = find(&mut reader, &path).doing("read the image")?.ok_or_else(outside)?;
        let Kind::Symlink(_) = inode.kind else { return Err(outside()) };
        let target = reader.read_link(&inode).doing("read the image")?;
        path = followed(&path, &target);
    }
    Err(outside())
}

/// Where a link at `path` leads, from the root and without a leading slash.
fn followed(path: &[u8], target: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    if !target.starts_with(b"/") {
        names.extend(path.split(|byte| *byte == b'/'));
        names.pop();
    }
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::followed;

    #[test]
    fn links_lead_where_the_kernel_would_go() {
        for (path, target, end) in [
            ("AppRun", "usr/bin/x", "usr/bin/x"),
            ("AppRun", "/nix/store/a/bin/x", "nix/store/a/bin/x"),
            ("usr/bin/x", "../lib/./x", "usr/lib/x"),
            ("AppRun", "../../x", "x"),
        ] {
            assert_eq!(followed(path.as_bytes(), target.as_bytes()), end.as_bytes());
        }
    }
}
