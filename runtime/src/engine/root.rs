//! With the right to mount: a mount namespace, and nothing else changes. Root stays root, users can be switched, network
//! interfaces can be made.

use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::server::{self, Serving};
use super::view::{self, Source};
use super::working_directory::WorkingDirectory;
use super::{Job, Ready, rights, unpacked};
use crate::failure::{Doing, Failure};

/// FUSE, readable by all users.
pub(super) fn over_fuse(job: &Job<'_>) -> Result<Ready, Failure> {
    allowed()?;
    let device = server::open_device()?;
    let server = server::start(job, &device, Serving::default())?;
    enter(job, Source::Fuse { device: &device, server })
}

/// An unpacked image.
pub(super) fn over_unpacked(job: &Job<'_>) -> Result<Ready, Failure> {
    allowed()?;
    let folder = unpacked::folder(job)?;
    over_folder(job, &folder)
}

/// An image unpacked there.
pub(super) fn over_folder(job: &Job<'_>, folder: &[u8]) -> Result<Ready, Failure> {
    allowed()?;
    enter(job, Source::Folder(folder))
}

fn allowed() -> Result<(), Failure> {
    if rights::rights().mount {
        Ok(())
    } else {
        Err(Failure::new("without the capability to mount (CAP_SYS_ADMIN)"))
    }
}

fn enter(job: &Job<'_>, source: Source<'_>) -> Result<Ready, Failure> {
    let directory = WorkingDirectory::remember();
    // SAFETY: the flag concerns mounts, not descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.doing("make a mount namespace")?;
    // What fails is undone, so that the next engine finds things as they were, if in a namespace of its own.
    view::build(job, source)?;
    directory.restore(job.metadata.store);
    Ok(view::ready())
}
