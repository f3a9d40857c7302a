//! A cache whose users are killed, whose disk is full, and which several use at once: it goes on working, and no image is
//! ever another one for it.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use support::killed::{Random, kill, seed};
use support::outcome::Outcome;
use support::scan_store::ScanStore;
use support::small_disk::SmallDisk;
use support::temp_dir;
use support::tool::binary;

const KILLS: usize = 100;
/// Fewer than a build has layers, or none would be killed half way.
const LIBRARIES: usize = 12;

/// A store with hashes, so that layers are known before they are read, and what is made of it.
struct World {
    dir: tempfile::TempDir,
    store: ScanStore,
}

impl World {
    fn new() -> Self {
        let dir = temp_dir();
        let store = ScanStore::new(dir.path());
        let mut random = Random(7);
        let mut text = String::new();
        for n in 0..LIBRARIES {
            let name = format!("lib-{n}");
            store.file(&format!("{name}/lib"), random.bytes(20_000 * (n + 1)));
            text.push_str(&format!("{}\n", ScanStore::path(&name)));
        }
        store.program("app/bin/app", text);
        let world = Self { dir, store };
        // What the hashes are, only reading tells; written down, they are known.
        let mut closure = binary();
        closure.arg("closure").arg("--json").arg("--store").arg(world.store.dir());
        let listed = Outcome::of(closure.arg(ScanStore::path("app"))).success();
        fs::write(world.at("graph.json"), listed.text()).expect("writing a graph");
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn oci(&self, cache: &Path, output: &Path) -> Command {
        let mut tool = binary();
        tool.arg("oci").arg("--store").arg(self.store.dir()).arg(ScanStore::path("app"));
        tool.arg("--references").arg(self.at("graph.json")).arg("--cache").arg(cache);
        tool.arg("-o").arg(output);
        tool
    }

    /// What is made without any cache.
    fn fresh(&self) -> Vec<u8> {
        let mut tool = binary();
        tool.arg("oci").arg("--store").arg(self.store.dir()).arg(ScanStore::path("app"));
        tool.arg("--references").arg(self.at("graph.json")).arg("--no-cache");
        Outcome::of(tool.arg("-o").arg(self.at("fresh.tar"))).success();
        fs::read(self.at("fresh.tar")).expect("reading an archive")
    }

    /// Builds with the cache, to where nothing is yet, and answers what was made.
    #[track_caller]
    fn build(&self, cache: &Path) -> Vec<u8> {
        let output = self.at("app.tar");
        let _ = fs::remove_file(&output);
        Outcome::of(&mut self.oci(cache, &output)).success();
        fs::read(output).expect("reading an archive")
    }
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

#[test]
fn a_build_that_is_killed_leaves_a_cache_that_works() {
    let world = World::new();
    let fresh = world.fresh();
    let start = Instant::now();
    assert!(world.build(&world.at("first")) == fresh);
    let time = start.elapsed();
    let mut random = Random(seed());
    let cache = world.at("cache");
    let (mut kills, mut tries, mut with_some) = (0, 0, 0);
    while kills < KILLS {
        let output = world.at("killed.tar");
        let _ = fs::remove_file(&output);
        if kill(&mut world.oci(&cache, &output), time.mul_f64(1.5), &mut random) {
            kills += 1;
            with_some += usize::from((1..LIBRARIES).contains(&count(&cache.join("blobs"))));
            assert!(!output.exists() || fs::read(&output).unwrap() == fresh, "half an archive");
        }
        tries += 1;
        if tries % 10 == 0 {
            assert!(world.build(&cache) == fresh, "after {kills} kills");
            // So that there is something to do again.
            fs::remove_dir_all(&cache).expect("removing the cache");
        }
    }
    println!("{kills} kills, {with_some} of them with some of the blobs kept");
    assert!(with_some > 0);
    assert!(world.build(&cache) == fresh);
    let blobs = fs::read_dir(cache.join("blobs")).unwrap();
    assert!(blobs.flatten().all(|blob| blob.file_name().len() == 64), "files without a name stay");
}

#[test]
fn a_full_disk_under_the_cache_ends_no_build() {
    let world = World::new();
    let fresh = world.fresh();
    // Nothing fits; descriptors fit; some blobs fit, and one only in part.
    for size in ["4k", "64k", "300k", "900k"] {
        let disk = world.at(&format!("disk-{size}"));
        let Some(_mounted) = SmallDisk::mount(&disk, size) else { return };
        for _ in 0..3 {
            assert!(world.build(&disk.join("cache")) == fresh, "{size}");
        }
        for blob in fs::read_dir(disk.join("cache/blobs")).into_iter().flatten().flatten() {
            fs::write(blob.path(), "").expect("emptying a blob");
        }
        assert!(world.build(&disk.join("cache")) == fresh, "{size}");
    }
}

#[test]
fn several_build_the_same_at_once() {
    let world = World::new();
    let fresh = world.fresh();
    let cache = world.at("cache");
    thread::scope(|scope| {
        for n in 0..4 {
            let (world, cache, fresh) = (&world, &cache, &fresh);
            scope.spawn(move || {
                for round in 0..3 {
                    let output = world.at(&format!("{n}-{round}.tar"));
                    // The bound is too small for all, so that blobs go while others read them.
                    let mut tool = world.oci(cache, &output);
                    tool.args(["--cache-size", "400kB"]).stdin(Stdio::null());
                    Outcome::of(&mut tool).success();
                    assert!(fs::read(output).unwrap() == *fresh, "{n}, {round}");
                }
            });
        }
    });
    assert!(world.build(&cache) == fresh);
}

#[test]
fn a_path_that_changes_while_it_is_read_is_not_remembered() {
    let world = World::new();
    let fresh = world.fresh();
    let cache = world.at("cache");
    // Longer than it was registered.
    let library = world.store.dir().join(&ScanStore::path("lib-3")[1..]).join("lib");
    let before = fs::read(&library).expect("reading a library");
    fs::write(&library, [&before[..], b"more"].concat()).expect("changing a library");
    let refused = Outcome::of(&mut world.oci(&cache, &world.at("app.tar"))).code(1);
    refused.complains("changed").complains("lib-3");
    fs::write(&library, before).expect("changing it back");
    assert!(world.build(&cache) == fresh);
}
