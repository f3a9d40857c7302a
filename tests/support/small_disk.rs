//! A file system that is soon full.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::outcome::Outcome;

/// A file system of a given size, unmounted when dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of a size such as `16k`, or says why it cannot; with `CI` set, it must.
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir(at).expect("creating a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("mode=755,size={size}"), "tmpfs"]).arg(at);
        let outcome = Outcome::of(&mut mount);
        if outcome.code == Some(0) {
            return Some(Self(at.to_owned()));
        }
        assert!(env::var_os("CI").is_none(), "{}", outcome.errors());
        let _ = writeln!(std::io::stderr(), "SKIPPED: no mounts without privileges");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
