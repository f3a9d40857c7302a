//! What was made before is not made again, from whichever run or process it is known; and what the cache has lost or
//! damaged is made anew, never shipped.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::nix;
use support::opened::opened;
use support::outcome::Outcome;
use support::temp_dir;
use support::tool::{binary, tool};

/// A folder with a cache, and the image of a root of the test store to be made there.
struct World {
    dir: tempfile::TempDir,
    root: PathBuf,
}

impl World {
    fn new() -> Self {
        Self { dir: temp_dir(), root: nix::store().top.clone() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `closure2img oci`, to add to.
    fn oci(&self, output: &str) -> Command {
        let mut tool = binary();
        tool.arg("oci").arg(&self.root).args(["--exec=app", "--whiteouts=omit", "--cache"]);
        tool.arg(self.at("cache")).arg("-o").arg(self.at(output));
        tool
    }

    /// What is made without any cache.
    fn fresh(&self) -> Vec<u8> {
        let mut tool = binary();
        tool.arg("oci").arg(&self.root).args(["--exec=app", "--whiteouts=omit", "--no-cache"]);
        Outcome::of(tool.arg("--tag=top:1").arg("-o").arg(self.at("fresh.tar"))).success();
        fs::read(self.at("fresh.tar")).expect("reading an archive")
    }

    #[track_caller]
    fn build(&self, output: &str) -> Vec<u8> {
        Outcome::of(self.oci(output).arg("--tag=top:1")).success();
        fs::read(self.at(output)).expect("reading an archive")
    }

    /// The files in a folder of the cache.
    fn kept(&self, folder: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut ahead = vec![self.at("cache").join(folder)];
        while let Some(dir) = ahead.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.expect("listing a folder").path();
                if path.is_dir() { ahead.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }
}

#[test]
fn a_second_build_opens_no_file_of_the_store() {
    peer!("nix-build", "strace");
    for compress in ["gzip", "zstd", "none"] {
        let world = World::new();
        let compress = format!("--compress={compress}");
        let first = Outcome::of(world.oci("app.tar").arg(&compress)).success();
        let bytes = fs::read(world.at("app.tar")).unwrap();
        let modified = fs::metadata(world.at("app.tar")).unwrap().modified().unwrap();

        // The archive is there: nothing is read, and nothing is written.
        let (again, files) = opened(world.oci("app.tar").arg(&compress));
        again.success().complains("is up to date");
        assert_eq!(files, Vec::<String>::new(), "{compress}");
        assert_eq!(fs::metadata(world.at("app.tar")).unwrap().modified().unwrap(), modified);

        // The same elsewhere is made of what is kept; what is not compressed is as quick to make.
        let (again, files) = opened(world.oci("other.tar").arg(&compress));
        assert_eq!(
            again.success().errors().matches("left out").count(),
            first.errors().matches("left out").count()
        );
        assert_eq!(files.is_empty(), compress != "--compress=none");
        assert!(fs::read(world.at("other.tar")).unwrap() == bytes, "{compress}");
    }
}

#[test]
fn an_archive_that_was_touched_is_written_again() {
    peer!("nix-build");
    let world = World::new();
    let bytes = world.build("app.tar");
    for change in ["cut", "flip", "remove"] {
        let file = world.at("app.tar");
        match change {
            "cut" => fs::File::options().write(true).open(&file).unwrap().set_len(1000).unwrap(),
            "flip" => {
                let modified = fs::metadata(&file).unwrap().modified().unwrap();
                let mut damaged = bytes.clone();
                damaged[5000] ^= 1;
                fs::write(&file, damaged).unwrap();
                fs::File::open(&file).unwrap().set_modified(modified).unwrap();
            }
            _ => fs::remove_file(&file).unwrap(),
        }
        assert!(world.build("app.tar") == bytes, "{change}");
    }
    // Another name is another image.
    let other = Outcome::of(world.oci("app.tar").arg("--tag=top:2")).success();
    assert!(!other.errors().contains("up to date"), "{}", other.errors());
}

#[test]
fn a_layout_that_is_there_is_left_as_it_is() {
    peer!("nix-build", "strace");
    let world = World::new();
    let layout = || {
        let mut tool = world.oci("layout");
        tool.arg("--format=layout");
        tool
    };
    Outcome::of(&mut layout()).success();
    let (again, files) = opened(&layout());
    again.success().complains("is up to date");
    assert!(files.is_empty(), "{files:?}");
    let blob = fs::read_dir(world.at("layout/blobs/sha256")).unwrap().next().unwrap().unwrap();
    fs::remove_file(blob.path()).unwrap();
    let again = Outcome::of(&mut layout()).success();
    assert!(!again.errors().contains("up to date"), "{}", again.errors());
    assert!(blob.path().exists());
}

/// Damages a file, perhaps by what is in another one.
fn spoil(file: &Path, other: &Path, damage: &str) {
    let mut bytes = fs::read(file).expect("reading a file of the cache");
    let middle = bytes.len() / 2;
    match damage {
        "flip" => bytes[middle] ^= 1,
        "cut" => drop(bytes.pop()),
        "grow" => bytes.push(0),
        "empty" => bytes.clear(),
        _ => bytes = fs::read(other).expect("reading a file of the cache"),
    }
    fs::write(file, bytes).expect("damaging a file of the cache");
}

#[test]
fn what_is_damaged_is_dropped_and_made_again() {
    peer!("nix-build");
    let world = World::new();
    let bytes = world.build("app.tar");
    assert!(bytes == world.fresh());
    for folder in ["layers", "blobs"] {
        for damage in ["flip", "cut", "grow", "empty", "other"] {
            let before = world.kept(folder);
            assert!(before.len() > 3, "{folder}: {before:?}");
            for (at, file) in before.iter().enumerate() {
                spoil(file, &before[(at + 1) % before.len()], damage);
            }
            // To another place, so that every layer is wanted.
            let _ = fs::remove_file(world.at("again.tar"));
            assert!(world.build("again.tar") == bytes, "{folder}, {damage}");
            assert_eq!(world.kept(folder), before, "{folder}, {damage}");
        }
    }
    // Blobs and what is known of layers are right again.
    fs::remove_file(world.at("again.tar")).unwrap();
    assert!(world.build("again.tar") == bytes);
}

#[test]
fn the_cache_of_somebody_else_is_not_used() {
    peer!("nix-build");
    if !support::peer::is_root() {
        return;
    }
    let world = World::new();
    let theirs = world.at("theirs");
    fs::create_dir(&theirs).unwrap();
    std::os::unix::fs::chown(&theirs, Some(65534), None).unwrap();
    std::os::unix::fs::symlink(&theirs, world.at("cache")).unwrap();
    let refused = Outcome::of(&mut world.oci("app.tar")).code(1);
    refused.complains("belongs to user 65534, and this is user 0").complains("--no-cache");
    assert!(!world.at("app.tar").exists());

    // The usual place, if it is such a link, is done without, and that is said.
    fs::create_dir(world.at("home")).unwrap();
    std::os::unix::fs::symlink(&theirs, world.at("home/closure2img")).unwrap();
    let mut tool = binary();
    tool.arg("oci").arg(&world.root).args(["--exec=app", "--whiteouts=omit", "-o"]);
    tool.arg(world.at("app.tar")).env("XDG_CACHE_HOME", world.at("home"));
    Outcome::of(&mut tool).success().complains("warning: layers are not kept");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
}

#[test]
fn what_is_kept_can_be_shown_bounded_and_cleared() {
    peer!("nix-build");
    let world = World::new();
    let bytes = world.build("app.tar");
    let cache = world.at("cache").display().to_string();
    let ask =
        |args: &[&str]| tool(["cache"].iter().chain(args).chain(&["--cache", &cache, "--json"]));
    let info = ask(&["info"]).success().json();
    assert_eq!(info["dir"], cache.as_str());
    let (layers, blobs) = (info["layers"].as_u64().unwrap(), info["blobs"].as_u64().unwrap());
    assert!(blobs > 3 && layers >= blobs, "{info}");
    let size = info["bytes"].as_u64().unwrap();

    let half = (size / 2).to_string();
    let freed = ask(&["gc", "--size", &half]).success().json();
    let after = ask(&["info"]).success().json();
    assert!(after["bytes"].as_u64().unwrap() <= size / 2, "{after}");
    assert_eq!(after["layers"], layers, "what layers are stays");
    assert_eq!(after["bytes"].as_u64().unwrap() + freed["bytes"].as_u64().unwrap(), size);
    fs::remove_file(world.at("app.tar")).unwrap();
    assert!(world.build("app.tar") == bytes);

    // A small bound holds from the start.
    let bounded = Outcome::of(world.oci("other.tar").args(["--cache-size", &half])).success();
    drop(bounded);
    assert!(ask(&["info"]).success().json()["bytes"].as_u64().unwrap() <= size);

    let text = tool(["cache", "clear", "--cache", &cache]).success();
    assert!(text.text().starts_with("removed "), "{}", text.text());
    let empty = ask(&["info"]).success().json();
    assert_eq!((&empty["layers"], &empty["blobs"]), (&0.into(), &0.into()));
    assert!(world.build("app.tar") == bytes);
    tool(["cache", "gc", "--size", "lots"]).code(2).complains("500MB");
}
