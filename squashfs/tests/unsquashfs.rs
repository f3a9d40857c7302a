//! Trees of any shape come back from Debian's `unsquashfs`, and from our reader, as they were.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::num::NonZeroUsize;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use proptest::prelude::*;
use squashfs::write::{Compression, Kind, Node, Options, write};

/// What a tree is, seen from outside: for each path mode, time and content.
type Seen = BTreeMap<Vec<u8>, (u32, i64, What)>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
}

fn nodes(tree: &Seen) -> Vec<Node> {
    let node = |(path, (mode, mtime, what)): (&Vec<u8>, &(u32, i64, What))| Node {
        path: path.clone(),
        mode: u16::try_from(*mode).unwrap(),
        uid: 0,
        gid: 0,
        mtime: u32::try_from(*mtime).unwrap(),
        xattrs: Vec::new(),
        kind: match what {
            What::Directory => Kind::Directory,
            What::File(bytes) => Kind::File(Box::new(Arc::<[u8]>::from(&bytes[..]))),
            What::Symlink(target) => Kind::Symlink(target.clone()),
        },
    };
    tree.iter().map(node).collect()
}

fn image(tree: &Seen, compression: Compression, block_size: u32, threads: usize) -> Vec<u8> {
    let threads = NonZeroUsize::new(threads).unwrap();
    let options = Options { compression, block_size, made: 1, threads };
    let mut out = Cursor::new(Vec::new());
    let written = write(nodes(tree), &mut out, &options, &|_| {}).unwrap();
    assert_eq!(written.length, out.get_ref().len() as u64);
    out.into_inner()
}

fn seen(root: &Path, path: &Path, tree: &mut Seen) {
    let data = fs::symlink_metadata(path).unwrap();
    let what = match data.file_type() {
        kind if kind.is_dir() => {
            for entry in fs::read_dir(path).unwrap() {
                seen(root, &entry.unwrap().path(), tree);
            }
            What::Directory
        }
        kind if kind.is_file() => What::File(fs::read(path).unwrap()),
        _ => What::Symlink(fs::read_link(path).unwrap().into_os_string().into_vec()),
    };
    let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
    let mode = if let What::Symlink(_) = what { 0o777 } else { data.mode() & 0o7777 };
    tree.insert(name, (mode, data.mtime(), what));
}

fn unpacked(image: &[u8]) -> Seen {
    let dir = tempfile::tempdir().unwrap();
    let (file, root) = (dir.path().join("x.sqfs"), dir.path().join("root"));
    fs::write(&file, image).unwrap();
    let output =
        Command::new("unsquashfs").args(["-q", "-n", "-d"]).args([&root, &file]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let mut tree = Seen::new();
    seen(&root, &root, &mut tree);
    tree
}

/// What our reader sees.
fn read(image: &[u8]) -> Seen {
    let what = |seen: &support::Seen| match seen.kind {
        "directory" => What::Directory,
        "file" => What::File(seen.content.clone()),
        _ => What::Symlink(seen.content.clone()),
    };
    let tree = support::in_image(image, 0).unwrap();
    let seen = tree.iter().map(|(path, seen)| {
        let path = path.as_os_str().as_bytes().to_vec();
        (path, (seen.mode, i64::from(seen.mtime), what(seen)))
    });
    seen.collect()
}

/// Words, zeros and noise: what compresses, what is not stored, and what is stored as it is.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let lengths = prop_oneof![
        Just(0),
        1_usize..100,
        Just(4095),
        Just(4096),
        Just(4097),
        Just(8192),
        0_usize..40_000
    ];
    (lengths, 0_u8..3, 0_u32..4).prop_map(|(length, kind, seed)| {
        let mut state = seed;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::try_from(state >> 24).unwrap()
        };
        match kind {
            0 => vec![0; length],
            1 => (0..length).map(|_| b"etaoin shrdlu"[usize::from(byte()) % 13]).collect(),
            _ => (0..length).map(|_| byte()).collect(),
        }
    })
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![4 => b'a'..=b'c', 1 => 1_u8..=255], 1..6)
        .prop_filter("names", |name| !name.contains(&b'/') && name != b"." && name != b"..")
}

fn tree() -> impl Strategy<Value = Seen> {
    let what = prop_oneof![
        2 => Just(What::Directory),
        6 => content().prop_map(What::File),
        1 => prop::collection::vec(1_u8..=255, 1..100).prop_map(What::Symlink),
    ];
    let paths = prop::collection::vec(name(), 1..5);
    let mode = prop::sample::select(vec![0o755, 0o555, 0o444, 0o4711, 0o1777, 0o600]);
    let entries = prop::collection::vec((paths, mode, 0_i64..1 << 32, what), 0..40);
    entries.prop_map(|entries| {
        let directory = (0o755, 1, What::Directory);
        let mut tree = Seen::from([(Vec::new(), directory.clone())]);
        for (parts, mode, mtime, what) in entries {
            let mut above = Vec::new();
            for part in &parts[..parts.len() - 1] {
                above.push(&part[..]);
                let path = above.join(&b'/');
                // A file that is in the way stays.
                if tree.entry(path).or_insert(directory.clone()).2 != What::Directory {
                    above.clear();
                    break;
                }
            }
            if above.len() + 1 == parts.len() {
                let path = parts.join(&b'/');
                let mode = if let What::Symlink(_) = what { 0o777 } else { mode };
                tree.entry(path).or_insert((mode, mtime, what));
            }
        }
        tree
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_tree_comes_back(
        tree in tree(),
        compression in prop::sample::select(vec![
            Compression::Zstd(1),
            Compression::Zstd(15),
            Compression::Gzip(6),
            Compression::Gzip(12),
            Compression::None,
        ]),
        block_log in 12_u32..=20,
    ) {
        let bytes = image(&tree, compression, 1 << block_log, 1);
        prop_assert!(bytes == image(&tree, compression, 1 << block_log, 3), "threads show");
        prop_assert_eq!(&read(&bytes), &tree);
        if support::peer::require(&["unsquashfs"]) {
            prop_assert_eq!(unpacked(&bytes), tree);
        }
    }
}
