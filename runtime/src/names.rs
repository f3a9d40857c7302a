//! Names for what is made in folders that others write to as well, and those folders.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::failure::{Doing, Failure, Reason, shown};
use crate::start::Start;

/// A stream of names, from a seed.
#[derive(Debug)]
pub struct Names {
    seed: Vec<u8>,
    count: u64,
    /// Whether the same names come again another time.
    fixed: bool,
}

impl Names {
    /// Names that nobody can guess.
    pub fn random() -> Result<Self, Failure> {
        let mut seed = vec![0; 16];
        let mut device = || -> Result<(), Errno> {
            let fd: OwnedFd =
                rustix::fs::open(c"/dev/urandom", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::io::read(&fd, &mut seed).map(drop)
        };
        // Without /dev: guessed names lead to an error, not to somebody else's files.
        if device().is_err() {
            seed = format!("{}", rustix::process::getpid().as_raw_nonzero()).into_bytes();
        }
        Ok(Self { seed, count: 0, fixed: false })
    }

    /// Names that are the same each time.
    pub fn of(seed: &str) -> Self {
        Self { seed: seed.as_bytes().to_vec(), count: 0, fixed: true }
    }

    /// The next name, of small letters and digits.
    pub fn next(&mut self, length: usize) -> Vec<u8> {
        const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut name = Vec::with_capacity(length);
        while name.len() < length {
            let block = Sha256::new_with_prefix(self.count.to_le_bytes())
                .chain_update(&self.seed)
                .finalize();
            self.count += 1;
            name.extend(block.iter().map(|byte| LETTERS[usize::from(*byte) % LETTERS.len()]));
        }
        name.truncate(length);
        name
    }

    /// What tells apart the folders that belong to different names.
    pub fn key(&self) -> u64 {
        self.count
    }
}

/// Where temporary files may go: what the caller says, then what is usual.
pub fn temporary_folders(start: &Start) -> Vec<Vec<u8>> {
    let asked = start
        .variable("TMPDIR")
        .filter(|value| !start.secure && value.to_bytes().starts_with(b"/"));
    let usual = ["/tmp", "/var/tmp", "/dev/shm"].map(|path| path.as_bytes().to_vec());
    asked.map(|value| value.to_bytes().to_vec()).into_iter().chain(usual).collect()
}

/// Makes a link to `target` whose path with a slash is `length` bytes long. A link of our own that leads there already is as
/// good, if names are to be the same each time.
pub fn link_beside(target: &[u8], length: usize, names: &mut Names) -> Result<Vec<u8>, Failure> {
    let mut reasons = String::new();
    for folder in ["/tmp/", "/var/tmp/", "/dev/shm/"] {
        let Some(free) = length.checked_sub(folder.len() + 1).filter(|free| *free > 0) else {
            continue;
        };
        for _ in 0..if names.fixed { 1 } else { 100 } {
            let path = [folder.as_bytes(), &names.next(free)].concat();
            match rustix::fs::symlink(target, &path[..]) {
                Ok(()) => return Ok(path),
                Err(Errno::EXIST) if names.fixed && is_ours(&path, target) => return Ok(path),
                Err(Errno::EXIST) => {}
                Err(error) => {
                    let _ = write!(reasons, "; `{folder}`: {}", Reason(error));
                    break;
                }
            }
        }
    }
    let target = shown(target);
    Err(Failure::new(format!(
        "cannot make a link to `{target}` with a path of {length} bytes{reasons}"
    )))
}

/// Whether a link is this user's and leads there.
fn is_ours(path: &[u8], target: &[u8]) -> bool {
    let owner = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).doing("look at a link");
    owner.is_ok_and(|status| status.st_uid == rustix::process::geteuid().as_raw())
        && rustix::fs::readlink(path, Vec::new()).is_ok_and(|found| found.as_bytes() == target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_names_come_again_and_others_do_not() {
        assert_eq!(Names::of("a").next(40), Names::of("a").next(40));
        assert_ne!(Names::of("a").next(40), Names::of("b").next(40));
        let mut names = Names::random().unwrap();
        assert_ne!(names.next(12), names.next(12));
        assert!(names.next(5).iter().all(u8::is_ascii_alphanumeric));
    }

    #[test]
    fn a_link_is_as_long_as_asked_and_found_again() {
        let seed = format!("test {}", std::process::id());
        let link = link_beside(b"/nowhere/a", 11, &mut Names::of(&seed)).unwrap();
        assert_eq!(link.len(), 10);
        assert_eq!(link_beside(b"/nowhere/a", 11, &mut Names::of(&seed)).unwrap(), link);
        // The same name for something else is another link.
        let other = link_beside(b"/nowhere/b", 11, &mut Names::of(&seed)).unwrap();
        assert_ne!(other, link);
        for path in [link, other] {
            rustix::fs::unlink(&path[..]).unwrap();
        }
    }
}
