//! AppImages to run, and machines to run them on: with and without rights, FUSE and namespaces.
#![allow(dead_code, reason = "each test binary compiles all of this and uses a part")]
#![allow(
    unreachable_pub,
    reason = "`pub` says which items are for tests, though a test binary exports none"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::support::outcome::Outcome;
use super::support::{peer, temp_dir, tool};

/// What all tests here need: who packs, who makes machines, a program without libraries.
pub const PEERS: [&str; 4] = ["mksquashfs", "unshare", "setpriv", "busybox"];

/// The name in the store of what the tests run.
pub const BUSYBOX: &str = "00bgd045z0d4icpbc2yyz4gx48ak44la-busybox-1";

/// Who makes the image.
#[derive(Clone, Copy, Debug)]
pub enum Packer<'a> {
    /// squashfs-tools, so that the runtime is not only tested against our own writer.
    Mksquashfs(&'a [&'a str]),
    /// `closure2img squashfs` with these flags.
    Ours(&'a [&'a str]),
}

/// mksquashfs in little time.
const FAST: Packer = Packer::Mksquashfs(&["-comp", "zstd", "-Xcompression-level", "1"]);

/// An AppImage in a folder of its own that everybody may enter.
pub struct App {
    pub folder: tempfile::TempDir,
    pub file: PathBuf,
}

impl App {
    /// With a store that has busybox; `AppRun` is a script for the shell there.
    pub fn with_store(script: &str) -> Self {
        Self::with_store_and(script, |_| ())
    }

    /// The same, with more in it.
    pub fn with_store_and(script: &str, more: impl FnOnce(&Path)) -> Self {
        Self::with_store_by(FAST, script, more)
    }

    /// The same, packed otherwise.
    pub fn with_store_by(packer: Packer<'_>, script: &str, more: impl FnOnce(&Path)) -> Self {
        Self::build_by(packer, "App.AppImage", |root| {
            let bin = root.join("nix/store").join(BUSYBOX).join("bin");
            fs::create_dir_all(&bin).expect("a folder");
            fs::copy(peer::find("busybox").expect("busybox"), bin.join("busybox"))
                .expect("busybox");
            symlink("busybox", bin.join("sh")).expect("a link");
            let metadata = "closure2img 1\nstore /nix/store\nenv GREETING=two\\nlines\n";
            fs::write(root.join(".closure2img"), format!("{metadata}path {BUSYBOX} - - -\n"))
                .expect("metadata");
            script_at(&root.join("AppRun"), &format!("#!/nix/store/{BUSYBOX}/bin/sh\n{script}\n"));
            more(root);
        })
    }

    /// Without a store: a plain AppDir whose `AppRun` is a script for the host's shell.
    pub fn plain(script: &str) -> Self {
        Self::build("Plain.AppImage", |root| {
            script_at(&root.join("AppRun"), &format!("#!/bin/sh\n{script}\n"));
        })
    }

    pub fn build(name: &str, fill: impl FnOnce(&Path)) -> Self {
        Self::build_by(FAST, name, fill)
    }

    pub fn build_by(packer: Packer<'_>, name: &str, fill: impl FnOnce(&Path)) -> Self {
        let folder = temp_dir();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let root = folder.path().join("AppDir");
        fs::create_dir(&root).expect("a folder");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("permissions");
        fill(&root);
        let image = folder.path().join("image");
        let mut pack = match packer {
            Packer::Mksquashfs(flags) => {
                let mut pack = Command::new("mksquashfs");
                pack.arg(&root).arg(&image).args(["-quiet", "-no-progress", "-all-root"]);
                pack.args(flags);
                pack
            }
            Packer::Ours(flags) => {
                let mut pack = tool::binary();
                pack.arg("squashfs").arg(&root).arg("-o").arg(&image).args(flags);
                pack
            }
        };
        Outcome::of(&mut pack).success();
        let target = folder.path().join(name);
        let bytes = [
            closure2img::appimage::runtime::embedded().expect("a runtime"),
            &fs::read(&image).expect("the image"),
        ]
        .concat();
        fs::write(&target, bytes).expect("the AppImage");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).expect("permissions");
        fs::remove_dir_all(&root).expect("removing");
        fs::remove_file(&image).expect("removing");
        Self { folder, file: target }
    }

    /// The numbers of all processes that run this file or another in its folder, servers among them. Those that have
    /// ended do not count.
    pub fn processes(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").expect("/proc");
        let number =
            |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
        let ours = |pid: &u32| {
            fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|exe| exe.starts_with(self.folder.path()))
        };
        entries.filter_map(number).filter(ours).collect()
    }

    /// A file beside the AppImage that is the AppImage with other bytes.
    pub fn variant(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, bytes).expect("writing");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("permissions");
        file
    }

    /// Links where temporary files go that lead to what this file unpacked or mounted.
    fn links(&self) -> Vec<PathBuf> {
        let leads_here = |path: &PathBuf| {
            let mounted = |target: PathBuf| target.ancestors().any(|above| self.is_ours(above));
            self.is_unpacked(path) || fs::read_link(path).is_ok_and(mounted)
        };
        let entries = fs::read_dir("/tmp").expect("/tmp").flatten();
        entries.map(|entry| entry.path()).filter(leads_here).collect()
    }

    /// Whether a link leads to what this file unpacked.
    fn is_unpacked(&self, link: &Path) -> bool {
        fs::read_link(link).is_ok_and(|target| target.starts_with(self.folder.path()))
    }

    /// Asserts that soon no process, no mount and no temporary file is left.
    #[track_caller]
    pub fn leaves_nothing(&self) {
        let mounted = || {
            fs::read_to_string("/proc/self/mountinfo")
                .expect("mounts")
                .contains("fuse.appimage App.AppImage")
                || fs::read_dir("/tmp").expect("/tmp").flatten().any(|entry| {
                    let name = entry.file_name().into_encoded_bytes();
                    name.starts_with(b".mount_")
                        && fs::read_link(entry.path()).is_err()
                        && self.is_ours(&entry.path())
                })
                // A link to an unpacked image stays, as that does.
                || self.links().iter().any(|link| !self.is_unpacked(link))
        };
        let end = Instant::now() + Duration::from_secs(20);
        while !self.processes().is_empty() || mounted() {
            assert!(
                Instant::now() < end,
                "left: processes {:?}, mounts or folders {}",
                self.processes(),
                mounted()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Whether a folder to mount in is this file's: the first letters of its name are in it.
    fn is_ours(&self, folder: &Path) -> bool {
        let name = self.file.file_name().unwrap_or_default().as_encoded_bytes();
        let prefix = [b".mount_", &name[..name.len().min(6)]].concat();
        folder.file_name().is_some_and(|found| found.as_encoded_bytes().starts_with(&prefix))
    }
}

/// Unpacked images go away with the folder, and so do the links to them.
impl Drop for App {
    fn drop(&mut self) {
        for link in self.links().into_iter().filter(|link| self.is_unpacked(link)) {
            let _ = fs::remove_file(link);
        }
    }
}

fn script_at(path: &Path, text: &str) {
    fs::write(path, text).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// How `/dev/fuse` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fuse {
    /// For everybody, as udev makes it.
    Open,
    /// For root alone.
    Root,
    /// Not there.
    Absent,
}

/// Who runs it, and where.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub fuse: Fuse,
    /// As `nobody`, without any capability.
    pub nobody: bool,
    /// Whether user namespaces can be made.
    pub namespaces: bool,
    pub no_new_privs: bool,
}

pub const ROOT: Machine =
    Machine { fuse: Fuse::Open, nobody: false, namespaces: true, no_new_privs: false };
pub const NOBODY: Machine = Machine { nobody: true, ..ROOT };

impl Machine {
    /// A shell script as a command: first the machine's preparation, in a mount namespace of its own, then `script`, as
    /// whoever runs things there. `HOME` is the folder `home` beside the app.
    pub fn shell(self, app: &App, script: &str) -> Command {
        let home = app.folder.path().join(if self.nobody { "home-nobody" } else { "home-root" });
        fs::create_dir_all(&home).expect("a folder");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o777)).expect("permissions");
        let device = match self.fuse {
            Fuse::Absent => {
                "mkdir $D/dev; for f in null zero urandom; do touch $D/dev/$f; mount --bind /dev/$f $D/dev/$f; done
                 mount --rbind $D/dev /dev"
            }
            Fuse::Open => "mknod $D/fuse c 10 229; chmod 666 $D/fuse; mount --bind $D/fuse /dev/fuse",
            Fuse::Root => "mknod $D/fuse c 10 229; chmod 600 $D/fuse; mount --bind $D/fuse /dev/fuse",
        };
        let user = self.user();
        let all = format!(
            "set -e
             D=$(mktemp -d); mount -t tmpfs tmpfs $D; {device}; umount -l $D; rmdir $D
             exec {user} sh -c \"$1\" sh \"$2\""
        );
        let mut command = Command::new("unshare");
        command
            .args(["-m", "--propagation", "slave", "sh", "-c", &all, "sh", script])
            .arg(&app.file);
        command.current_dir(app.folder.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", home).env("VERBOSE", "1");
        command
    }

    /// What a shell puts before a command for it to run as whoever runs things there.
    pub fn user(self) -> String {
        let mut user = String::new();
        if self.nobody {
            user.push_str("setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --ambient-caps=-all ");
        }
        if self.no_new_privs {
            user.push_str("setpriv --no-new-privs ");
        }
        if !self.namespaces {
            // In a namespace that allows none within it, and without the rights that come with its making.
            user.push_str(
                "unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_user_namespaces
                 exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all \"$@\"' sh ",
            );
        }
        user
    }

    /// Runs the AppImage with these arguments, which the shell reads.
    #[track_caller]
    pub fn run(self, app: &App, arguments: &str) -> Outcome {
        Outcome::of(&mut self.shell(app, &format!("exec \"$1\" {arguments}")))
    }
}

/// Machines cannot be made without root.
#[macro_export]
macro_rules! machines {
    () => {
        if !$crate::support::peer::require(&$crate::appimage_run_support::PEERS) {
            return;
        }
        if !$crate::support::peer::root() {
            return;
        }
    };
}
