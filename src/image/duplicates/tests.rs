use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use registry::Blob;
use tempfile::TempDir;

use super::*;
use crate::closure::NarHash;
use crate::image::build::alone;
use crate::image::pool::{Pool, Queue};
use crate::image::spool::Room;
use crate::image::{Compression, LayerOptions, Source, Spool, Whiteouts, measure, tar_stream};
use crate::progress::Silent;

const HASH: &str = "00000000000000000000000000000000";

/// Something done to a file.
type Change<'a> = &'a dyn Fn(&Path);

/// A few store paths in a folder.
struct Store(TempDir);

impl Store {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn file(&self, file: &str, content: &[u8], executable: bool) {
        let at = self.at(file);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(&at, content).unwrap();
        fs::set_permissions(at, fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 }))
            .unwrap();
    }

    /// A layer of all of it, of paths whose NAR hashes are known or not.
    fn source(&self, known: bool) -> Source {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let paths = names.into_iter().map(|name| PathSource {
            path: format!("{HASH}-{name}").parse().unwrap(),
            name: format!("nix/store/{HASH}-{name}"),
            real: self.at(&name),
            nar_size: None,
            nar_hash: known.then(|| NarHash::from_bytes([0; 32])),
        });
        let parents = vec!["nix".into(), "nix/store".into()];
        Source::Store { parents, paths: paths.collect(), nar_size: 0 }
    }
}

fn options(dedup: bool, threads: usize) -> LayerOptions {
    LayerOptions {
        compression: Compression::None,
        whiteouts: Whiteouts::Refuse,
        dedup,
        verify: false,
        threads: NonZeroUsize::new(threads).unwrap(),
    }
}

/// The tar of all of it; its size is what was measured.
fn tar_of(store: &Store, options: LayerOptions) -> Vec<u8> {
    let source = store.source(true);
    let size = measure::outline(&source, options).unwrap().size;
    let layer = alone(&source, options, room()).unwrap();
    let mut tar = Vec::new();
    layer.open().unwrap().read_to_end(&mut tar).unwrap();
    assert_eq!(size, tar.len() as u64);
    tar
}

fn room() -> Room {
    Spool::new(std::env::temp_dir()).room(Compression::None).unwrap()
}

/// What extracting a tar gives, name by name; and which of them were links.
type Tree = BTreeMap<PathBuf, (u32, Arc<[u8]>)>;

fn extracted(tar: &[u8]) -> (Tree, BTreeMap<PathBuf, PathBuf>) {
    let (mut tree, mut links) = (Tree::new(), BTreeMap::new());
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (name, mode) = (entry.path().unwrap().into_owned(), entry.header().mode().unwrap());
        let content = match entry.link_name().unwrap() {
            None => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                content.into()
            }
            Some(target) => {
                assert_eq!(entry.header().entry_type(), tar::EntryType::Link);
                // It must be there already, and not be a link itself.
                assert!(!links.contains_key(&*target));
                let (mode_there, content) = tree[&*target].clone();
                assert_eq!((entry.size(), mode_there), (0, mode));
                links.insert(name.clone(), target.into_owned());
                content
            }
        };
        tree.insert(name, (mode, content));
    }
    (tree, links)
}

fn inside(name: &str) -> PathBuf {
    Path::new("nix/store").join(format!("{HASH}-{name}"))
}

#[test]
fn content_and_mode_decide() {
    let store = Store::new();
    let same = vec![7; 20_000];
    store.file("a/one", &same, false);
    store.file("a/program", &same, true);
    store.file("a/other", &[&same[1..], b"8"].concat(), false);
    store.file("a/longer", &[&same[..], b"8"].concat(), false);
    store.file("a/short", &same[..16_383], false);
    store.file("a/short2", &same[..16_383], false);
    store.file("b", &same, false);
    store.file("c/d/one", &same, false);
    store.file("c/d/program", &same, true);
    let (tree, links) = extracted(&tar_of(&store, options(true, 2)));
    assert_eq!(tree, extracted(&tar_of(&store, options(false, 2))).0);
    let expected = [("b", "a/one"), ("c/d/one", "a/one"), ("c/d/program", "a/program")];
    assert_eq!(links, expected.map(|(name, first)| (inside(name), inside(first))).into());
}

#[test]
fn hard_links_on_disk_and_copies_give_the_same_layer() {
    let [copies, links, both] = [(); 3].map(|()| Store::new());
    let other = [6; 16_384];
    for store in [&copies, &links, &both] {
        store.file("a/1", &vec![5; 16_384], false);
        store.file("a/2", &vec![5; 16_384], false);
        store.file("b", &vec![5; 16_384], false);
        store.file("c", &other, false);
    }
    for name in ["a/2", "b"] {
        fs::remove_file(links.at(name)).unwrap();
        fs::hard_link(links.at("a/1"), links.at(name)).unwrap();
    }
    fs::remove_file(both.at("b")).unwrap();
    fs::hard_link(both.at("a/2"), both.at("b")).unwrap();
    for dedup in [false, true] {
        let tar = tar_of(&copies, options(dedup, 1));
        assert_eq!(extracted(&tar).1.len(), if dedup { 2 } else { 0 });
        assert!(tar == tar_of(&links, options(dedup, 1)));
        assert!(tar == tar_of(&both, options(dedup, 3)));
    }
}

#[test]
fn no_file_gets_more_names_than_file_systems_allow() {
    let store = Store::new();
    for index in 0..2 * MOST_NAMES + 2 {
        store.file(&format!("a/{index:05}"), &vec![1; 16_384], false);
    }
    let (_, links) = extracted(&tar_of(&store, options(true, 2)));
    assert_eq!(links.len(), 2 * MOST_NAMES - 2 + 1);
    let firsts: BTreeSet<_> = links.into_values().collect();
    let expected = [0, MOST_NAMES, 2 * MOST_NAMES];
    assert_eq!(firsts, expected.map(|index| inside(&format!("a/{index:05}"))).into());
}

#[test]
fn without_duplicates_the_tar_is_the_same() {
    let store = Store::new();
    store.file("a/1", &vec![1; 20_000], false);
    store.file("a/2", &vec![2; 20_000], false);
    store.file("a/3", &[], false);
    store.file("a/4", &[], false);
    assert!(tar_of(&store, options(true, 2)) == tar_of(&store, options(false, 2)));
}

#[test]
fn files_that_change_before_they_are_written_are_an_error() {
    let write = |source: &Source, duplicates: &Duplicates| {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            let pool = Pool::start(scope, &queue, 0, 1);
            let options = options(true, 1);
            let (sources, codec) = (std::slice::from_ref(source), options.compression.into());
            tar_stream::build::<sha2::Sha256>(
                sources,
                codec,
                options,
                duplicates,
                &pool,
                room(),
                &Silent,
            )
            .map(|_| ())
        })
    };
    // Whether the NAR is hashed, so that the second is read again; which file changes, and how.
    let flip = |at: &Path| fs::write(at, [&vec![9; 19_999][..], b"8"].concat()).unwrap();
    let chmod = |at: &Path| fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
    let grow = |at: &Path| fs::write(at, vec![9; 20_001]).unwrap();
    let cases: [(bool, &str, Change<'_>); 6] = [
        (false, "a/1", &flip),
        (false, "a/1", &grow),
        (true, "a/1", &flip),
        (true, "a/2", &flip),
        (false, "a/2", &chmod),
        (false, "a/2", &grow),
    ];
    for (hashed, file, change) in cases {
        let store = Store::new();
        store.file("a/1", &vec![9; 20_000], false);
        store.file("a/2", &vec![9; 20_000], false);
        let source = store.source(!hashed);
        let duplicates = measure::duplicates(&source, options(true, 1)).unwrap();
        write(&source, &duplicates).unwrap();
        change(&store.at(file));
        let error = write(&source, &duplicates).unwrap_err();
        assert!(matches!(&error, Error::Changed { path } if path.ends_with(file)), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back(
        files in prop::collection::vec(
            // Store path, directory, length of the name, kind and size of content, mode.
            (0..3_usize, 0..3_usize, 1..140_usize, 0..2_u8, 16_382..16_386_usize, any::<bool>()),
            0..30,
        ),
        threads in 1..4_usize,
    ) {
        let store = Store::new();
        let mut expected = Tree::new();
        for (index, (path, folder, length, fill, size, executable)) in files.into_iter().enumerate() {
            let folder = ["", "x/", "x-y/"][folder];
            let name = format!("{path}/{folder}{}{index}", "n".repeat(length));
            let mut content = vec![fill; size];
            content[size - 1] = 1;
            store.file(&name, &content, executable);
            let mode = if executable { 0o555 } else { 0o444 };
            expected.insert(inside(&name), (mode, content.into()));
        }
        for dedup in [true, false] {
            let (mut tree, links) = extracted(&tar_of(&store, options(dedup, threads)));
            let firsts = tree.iter().filter(|(name, (_, content))| {
                content.len() >= 16_384 && !links.contains_key(*name)
            });
            let mut seen = BTreeSet::new();
            let all_different = firsts.map(|(_, file)| file).all(|file| seen.insert(file));
            prop_assert!(all_different || !dedup);
            tree.retain(|_, (_, content)| !content.is_empty());
            prop_assert_eq!(&tree, &expected);
        }
    }
}
