//! Where unpacked images are kept: `closure2img/DIGEST` in the user's cache, complete or not there.
//!
//! A folder that somebody else could have written to is never used. One lock guards all of it: who waits for it finds
//! the image unpacked.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::Write;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use squashfs::read::ReadAt;

use crate::failure::{Doing, Failure, Reason, shown};
use crate::file::AppFile;
use crate::removal;
use crate::start::Start;

/// Raised when unpacked images are to look otherwise.
const FORMAT: &[u8] = b"closure2img unpacked image 1\n";

/// The folder, which is the user's alone.
#[derive(Debug)]
pub struct Cache {
    fd: OwnedFd,
    path: Vec<u8>,
}

impl Cache {
    /// Opens the first place that will do: `XDG_CACHE_HOME`, `HOME/.cache`, or a folder for this user where temporary
    /// files go. A program with more rights than its caller asks nothing of the environment.
    pub fn open(start: &Start) -> Result<Self, Failure> {
        let uid = rustix::process::geteuid().as_raw();
        let mut places: Vec<(Vec<u8>, String)> = Vec::new();
        let mut offer = |variable: &str, within: &str, name: String| {
            let place = start.variable(variable).filter(|_| !start.secure).map(CStr::to_bytes);
            if let Some(place) = place.filter(|place| place.starts_with(b"/")) {
                places.push(([place, within.as_bytes()].concat(), name));
            }
        };
        offer("XDG_CACHE_HOME", "", String::from("closure2img"));
        offer("HOME", "/.cache", String::from("closure2img"));
        offer("TMPDIR", "", format!("closure2img-{uid}"));
        for place in ["/tmp", "/var/tmp", "/dev/shm"] {
            places.push((place.as_bytes().to_vec(), format!("closure2img-{uid}")));
        }
        let mut reasons = String::new();
        for (place, name) in places {
            let path = [&place[..], b"/", name.as_bytes()].concat();
            match Self::at(&place, name.as_bytes()) {
                Ok(fd) => return Ok(Self { fd, path }),
                Err(reason) => drop(write!(reasons, "; `{}`: {reason}", shown(&path))),
            }
        }
        Err(Failure::new(format!("no folder to unpack into{reasons}")))
    }

    /// Its path.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    fn at(place: &[u8], name: &[u8]) -> Result<OwnedFd, String> {
        let words = |errno| format!("{}", Reason(errno));
        // `~/.cache` is made, the folder above it is not.
        match rustix::fs::mkdir(place, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(words(error)),
        }
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = rustix::fs::openat(CWD, place, flags, Mode::empty()).map_err(words)?;
        match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(words(error)),
        }
        let fd = rustix::fs::openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::empty())
            .map_err(words)?;
        let status = rustix::fs::fstat(&fd).map_err(words)?;
        if status.st_uid != rustix::process::geteuid().as_raw() || status.st_mode & 0o022 != 0 {
            return Err(String::from("others can write there"));
        }
        let mount = rustix::fs::fstatvfs(&fd).map_err(words)?;
        if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Err(String::from("programs cannot be run from there (noexec)"));
        }
        rustix::fs::accessat(&fd, c".", rustix::fs::Access::WRITE_OK, AtFlags::EACCESS)
            .map_err(words)?;
        Ok(fd)
    }

    /// The image's digest in hexadecimal. Reading all of the image takes a while, so that the answer is remembered by
    /// what tells the file from others and from its earlier self.
    pub fn digest(&self, file: &AppFile) -> Result<String, Failure> {
        let status = rustix::fs::fstat(&file.source.0).doing("look at the AppImage")?;
        let identity = format!(
            "{} {} {} {}.{} {}.{}",
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime,
            status.st_mtime_nsec,
            status.st_ctime,
            status.st_ctime_nsec
        );
        let name = format!("known-{}", hexadecimal(&Sha256::digest(identity.as_bytes())));
        // A link holds the answer: it is made at once and read at once.
        if let Ok(known) = rustix::fs::readlinkat(&self.fd, &name[..], Vec::new())
            && let Ok(digest) = known.into_string()
        {
            return Ok(digest);
        }
        let mut hash = Sha256::new_with_prefix(FORMAT);
        let mut buffer = vec![0; 1 << 20];
        let mut at = file.offset;
        loop {
            let read = file.source.read_at(&mut buffer, at).doing("read the AppImage")?;
            if read == 0 {
                break;
            }
            hash.update(buffer.get(..read).unwrap_or_default());
            at += read as u64;
        }
        let digest = hexadecimal(&hash.finalize());
        let _ = rustix::fs::symlinkat(&digest[..], &self.fd, &name[..]);
        Ok(digest)
    }

    /// The path of the folder `name`, which `fill` fills if it is not there yet.
    pub fn folder(
        &self,
        name: &str,
        fill: impl FnOnce(&OwnedFd) -> Result<(), Failure>,
    ) -> Result<Vec<u8>, Failure> {
        let path = [&self.path[..], b"/", name.as_bytes()].concat();
        if self.has(name) {
            return Ok(path);
        }
        let what = format_args!("unpack into `{}`", shown(&path));
        // Another descriptor, so that the lock ends with it.
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let lock = rustix::fs::openat(&self.fd, c".", flags, Mode::empty()).doing(what)?;
        loop {
            match rustix::fs::flock(&lock, FlockOperation::LockExclusive) {
                Err(Errno::INTR) => {}
                locked => break locked.doing(what)?,
            }
        }
        if self.has(name) {
            return Ok(path);
        }
        let partial = format!("{name}.partial");
        removal::remove(self.fd.as_fd(), partial.as_bytes()).doing(what)?;
        rustix::fs::mkdirat(&self.fd, &partial[..], Mode::RWXU).doing(what)?;
        let fd =
            rustix::fs::openat(&self.fd, &partial[..], flags | OFlags::NOFOLLOW, Mode::empty())
                .doing(what)?;
        if let Err(failure) = fill(&fd) {
            let _ = removal::remove(self.fd.as_fd(), partial.as_bytes());
            return Err(failure);
        }
        rustix::fs::renameat(&self.fd, &partial[..], &self.fd, name).doing(what)?;
        Ok(path)
    }

    fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
