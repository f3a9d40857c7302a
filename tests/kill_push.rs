//! A push that is killed: whenever that happens, the tag is the old image or the new one, whole, and the next push
//! finishes it.
//!
//! The program is ended with SIGKILL, after a random part of the time that it needs, two hundred times. Up to so many
//! kills befall one push in a row, so that what one run leaves behind is met by the next.

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use registry::{Blob, Client, ClientOptions, Digest, Environment, Manifest, Memory, Silent, push};
use support::killed::{Random, kill, seed};
use support::outcome::Outcome;
use support::registry::DockerRegistry;
use support::scan_store::ScanStore;
use support::temp_dir;
use support::tool::binary;

const KILLS: u32 = 200;
/// Of one push.
const IN_A_ROW: u32 = 5;
/// Pushes at once, each to a repository of its own.
const PUSHES: u32 = 3;
/// They hold each other up: the time in which to kill, in times of one push alone.
const STRETCH: f64 = 2.5;
const MAX_BLOB: u64 = 64 << 20;

/// Two versions of a program, each with libraries of its own and one that both have.
fn store(dir: &Path) -> ScanStore {
    let store = ScanStore::new(dir);
    let mut random = Random(1);
    for (name, size) in [
        ("shared-1", 200_000),
        ("big-1", 700_000),
        ("big-2", 2_500_000),
        ("mid-1", 100_000),
        ("mid-2", 600_000),
        ("tiny-1", 100),
        ("tiny-2", 1000),
    ] {
        store.file(&format!("{name}/lib"), random.bytes(size));
    }
    for version in ["1", "2"] {
        let parts =
            ["big", "mid", "tiny"].map(|part| ScanStore::path(&format!("{part}-{version}")));
        let text = format!("{}\n{}\n", parts.join("\n"), ScanStore::path("shared-1"));
        store.program(&format!("app-{version}/bin/app"), text);
    }
    store
}

/// What all pushes have in common.
struct Stage {
    store: ScanStore,
    registry: DockerRegistry,
    /// What the program keeps from run to run.
    cache: tempfile::TempDir,
}

impl Stage {
    fn push(&self, version: &str, repository: &str) -> Command {
        let mut tool = binary();
        tool.arg("oci").arg("--store").arg(self.store.dir());
        tool.arg(ScanStore::path(&format!("app-{version}")));
        tool.args(["--compress=none", "--progress=none", "--strategy=popularity"]);
        tool.arg("--push").arg(self.registry.reference(&format!("{repository}:tag")));
        tool.env("XDG_CACHE_HOME", self.cache.path());
        tool
    }

    fn client(&self, repository: &str) -> Client {
        let reference = self.registry.reference(&format!("{repository}:tag"));
        let environment = Environment::default();
        let options = ClientOptions { environment, ..ClientOptions::default() };
        Client::new(reference.parse().expect("a reference"), options).expect("a client")
    }

    /// The image at the tag, if it is whole.
    fn image(&self, repository: &str) -> (Manifest, Vec<Memory>) {
        let client = self.client(repository);
        let manifest = client.get_manifest("tag").expect("a registry").expect("a tag");
        let parsed: serde_json::Value = serde_json::from_slice(&manifest.bytes).expect("JSON");
        let layers = parsed["layers"].as_array().expect("layers");
        let blob = |descriptor: &serde_json::Value| {
            let digest: Digest =
                descriptor["digest"].as_str().expect("").parse().expect("a digest");
            // Its digest is checked there.
            Memory::new(client.get_blob(&digest, MAX_BLOB).expect("a whole blob"))
        };
        let blobs = std::iter::once(&parsed["config"]).chain(layers).map(blob).collect();
        (manifest, blobs)
    }

    /// How many of the blobs are there.
    fn count(&self, repository: &str, blobs: &[&Memory]) -> usize {
        let client = self.client(repository);
        let is_there = |blob: &&&Memory| client.exists(&blob.digest(), blob.size());
        blobs.iter().filter(|blob| is_there(blob).expect("a registry")).count()
    }
}

#[test]
fn a_killed_push_leaves_the_old_image_or_the_new_one() {
    peer!("docker-registry");
    let dir = temp_dir();
    let stage =
        Stage { store: store(dir.path()), registry: DockerRegistry::plain(), cache: temp_dir() };
    Outcome::of(&mut stage.push("1", "old")).success();
    let (old, old_blobs) = stage.image("old");
    let old_blobs: Vec<_> = old_blobs.iter().map(|blob| blob as &dyn Blob).collect();
    // The longest of three, since the first run may find more to do, and the last less.
    let mut longest = Duration::ZERO;
    for repository in ["new1", "new2", "new3"] {
        let start = Instant::now();
        Outcome::of(&mut stage.push("2", repository)).success();
        longest = longest.max(start.elapsed());
    }
    let (new, new_blobs) = stage.image("new1");
    let is_old = |blob: &&Memory| old_blobs.iter().any(|old| old.digest() == blob.digest());
    let own: Vec<&Memory> = new_blobs.iter().filter(|blob| !is_old(blob)).collect();
    assert_ne!(old.digest, new.digest);

    let seed = seed();
    println!("a push takes {longest:?}");

    let (kills, repositories) = (AtomicU32::new(0), AtomicU32::new(0));
    // How many blobs of the new image were there: none, some, all; and last, the tag was new.
    let tally = Mutex::new([0_u32; 4]);
    thread::scope(|scope| {
        for thread in 0..PUSHES {
            let mut random = Random(seed.wrapping_mul(u64::from(2 * thread + 3)));
            let (stage, old, new) = (&stage, &old, &new);
            let (old_blobs, own) = (&old_blobs, &own);
            let (kills, repositories, tally) = (&kills, &repositories, &tally);
            scope.spawn(move || {
                while kills.load(Ordering::Relaxed) < KILLS {
                    let number = repositories.fetch_add(1, Ordering::Relaxed);
                    let repository = format!("app{number}");
                    push(&stage.client(&repository), old_blobs, old, &Silent)
                        .expect("the old image");
                    for _ in 0..IN_A_ROW {
                        let killed = kill(
                            &mut stage.push("2", &repository),
                            longest.mul_f64(STRETCH),
                            &mut random,
                        );
                        let (manifest, _) = stage.image(&repository);
                        let is_new = manifest == *new;
                        assert!(is_new || manifest == *old, "{repository} is another image");
                        if !killed {
                            assert!(is_new, "{repository}: the push ended and the tag is old");
                            break;
                        }
                        kills.fetch_add(1, Ordering::Relaxed);
                        let there = stage.count(&repository, own);
                        let found = match (is_new, there) {
                            (true, _) => 3,
                            (false, 0) => 0,
                            (false, some) => 1 + usize::from(some == own.len()),
                        };
                        tally.lock().expect("a lock")[found] += 1;
                    }
                    Outcome::of(&mut stage.push("2", &repository)).success();
                    assert_eq!(stage.image(&repository).0, *new, "{repository} was not finished");
                }
            });
        }
    });
    let tally = *tally.lock().expect("a lock");
    println!("killed with none, some, all of its blobs there, with the new tag: {tally:?}");
    assert!(tally[1] > 0, "no kill came between two blobs");
}
