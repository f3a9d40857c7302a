//! What images hold that few trees have: large directories, large files, devices, attributes; and what none can hold.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[macro_use]
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

use squashfs::write::{Compression, Content, Device, Error, Kind, Node, Options, ReadAt, write};
use support::{Tree, in_image, noise, run, text};

fn node(path: &str, kind: Kind) -> Node {
    let path = path.as_bytes().to_vec();
    Node { path, mode: 0o755, uid: 0, gid: 0, mtime: 1, xattrs: Vec::new(), kind }
}

fn root() -> Node {
    node("", Kind::Directory)
}

fn file(path: &str, bytes: &[u8]) -> Node {
    node(path, Kind::File(Box::new(Arc::<[u8]>::from(bytes))))
}

const OPTIONS: Options = Options {
    compression: Compression::Zstd(1),
    block_size: 4096,
    made: 1,
    threads: NonZeroUsize::MIN.saturating_add(1),
};

fn image(nodes: Vec<Node>) -> Result<Vec<u8>, Error> {
    let mut out = Cursor::new(Vec::new());
    write(nodes, &mut out, &OPTIONS, &|_| {})?;
    Ok(out.into_inner())
}

fn seen(image: &[u8]) -> Tree {
    in_image(image, 0).unwrap()
}

fn content<'t>(tree: &'t Tree, path: &str) -> &'t [u8] {
    &tree[&PathBuf::from(path)].content
}

#[test]
fn large_directories_have_an_index() {
    let mut nodes = vec![root(), node("many", Kind::Directory)];
    let name = |number: u32| format!("many/{number:05}-{}", "long".repeat(30));
    // In another order than the image has.
    for number in (0..12_000).rev() {
        nodes.push(file(&name(number), &number.to_le_bytes()));
    }
    let bytes = image(nodes).unwrap();
    let tree = seen(&bytes);
    assert_eq!(tree.len(), 12_002);
    for number in [0, 1, 255, 256, 257, 6000, 11_999] {
        assert_eq!(content(&tree, &name(number)), number.to_le_bytes());
    }
}

#[test]
fn more_files_than_two_bytes_can_count() {
    let mut nodes = vec![root(), node("one", Kind::Directory)];
    nodes.extend((0..66_000_u32).map(|number| node(&format!("one/{number}"), Kind::Fifo)));
    for directory in 0..400 {
        nodes.push(node(&format!("{directory}"), Kind::Directory));
        nodes.extend((0..20).map(|number| file(&format!("{directory}/{number}"), b"x")));
    }
    let bytes = image(nodes).unwrap();
    assert_eq!(seen(&bytes).len(), 1 + 1 + 66_000 + 400 * 21);
}

#[test]
fn every_kind_and_owner() {
    let device = |major, minor| Device { major, minor };
    let nodes = vec![
        root(),
        node("null", Kind::CharacterDevice(device(1, 3))),
        node("large", Kind::BlockDevice(device(4095, 1_048_575))),
        node("pipe", Kind::Fifo),
        node("socket", Kind::Socket),
        Node { uid: 1000, gid: 4_000_000_000, mode: 0o4711, ..file("owned", b"mine") },
        node("link", Kind::Symlink(b"x".repeat(4095))),
    ];
    let bytes = image(nodes).unwrap();
    let tree = seen(&bytes);
    let kinds: BTreeMap<_, _> =
        tree.iter().map(|(path, seen)| (path.to_str().unwrap(), seen.kind)).collect();
    let expected = [
        ("", "directory"),
        ("large", "device"),
        ("link", "symlink"),
        ("null", "device"),
        ("owned", "file"),
        ("pipe", "fifo"),
        ("socket", "socket"),
    ];
    assert_eq!(kinds, BTreeMap::from(expected));
    assert_eq!(tree[&PathBuf::from("owned")].mode, 0o4711);
    let device = |path: &str| &tree[&PathBuf::from(path)].content;
    // The kernel's encoding: 12 bits of the one between 8 and 12 of the other.
    assert_eq!(*device("null"), 0x0103_u64.to_le_bytes());
    assert_eq!(*device("large"), u64::from(u32::MAX).to_le_bytes());
    peer!("unsquashfs");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, &bytes).unwrap();
    let listed = std::process::Command::new("unsquashfs").arg("-lln").arg(&path).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let line = |name: &str| listed.lines().find(|line| line.ends_with(name)).unwrap().to_owned();
    assert!(line("/null").starts_with("crwxr-xr-x 0/0") && line("/null").contains("1,  3"));
    assert!(line("/owned").starts_with("-rws--x--x 1000/4000000000"), "{}", line("/owned"));
    assert!(line("/pipe").starts_with('p') && line("/socket").starts_with('s'));
}

#[test]
fn attributes_are_stored_once() {
    let long = noise(1, 5000);
    let set = |names: &[&str]| {
        let value = |name: &&str| (name.as_bytes().to_vec(), long.clone());
        names.iter().map(value).collect::<Vec<_>>()
    };
    let nodes = |count: u32| {
        let mut nodes = vec![Node { xattrs: set(&["user.root"]), ..root() }];
        for number in 0..count {
            let xattrs = set(&["user.b", "security.a", "trusted.c"]);
            nodes.push(Node { xattrs, ..file(&format!("file {number}"), b"") });
        }
        nodes.push(Node { xattrs: set(&["user.z"]), ..node("pipe", Kind::Fifo) });
        let xattrs = vec![(b"user.empty".to_vec(), Vec::new())];
        nodes.push(Node { xattrs, ..node("link", Kind::Symlink(b"x".to_vec())) });
        nodes
    };
    let bytes = image(nodes(100)).unwrap();
    // The one value, which is noise, and little else.
    assert!(bytes.len() < 12_000, "{}", bytes.len());
    let tree = seen(&bytes);
    let of = |path: &str| &tree[&PathBuf::from(path)].xattrs;
    assert_eq!(of("file 7").len(), 3);
    assert!(of("file 7").values().chain(of("").values()).all(|value| *value == long));
    assert_eq!(of("link")[&b"user.empty"[..]], b"");
    assert!(of("pipe").contains_key(&b"user.z"[..]));
    for (name, value) in [("system.posix_acl_access", 1), ("user.", 1), ("user.x", 65_537)] {
        let xattrs = vec![(name.as_bytes().to_vec(), vec![0; value])];
        assert!(image(vec![Node { xattrs, ..root() }]).is_err(), "{name}");
    }
}

#[test]
fn what_is_the_same_is_stored_once() {
    let (large, small) = (noise(1, 40_000), noise(2, 3000));
    let mut nodes = vec![root()];
    for number in 0..50 {
        nodes.push(file(&format!("large {number}"), &large));
        nodes.push(file(&format!("small {number}"), &small));
        // Of the same size, and something else at the end.
        let mut other = large.clone();
        other.truncate(8192);
        other[8191] = number;
        nodes.push(file(&format!("other {number}"), &other));
    }
    let bytes = image(nodes).unwrap();
    assert!(bytes.len() < 50 * 8192 + 60_000, "{}", bytes.len());
    let tree = seen(&bytes);
    for number in 0..50_u8 {
        assert_eq!(content(&tree, &format!("large {number}")), large);
        assert_eq!(content(&tree, &format!("small {number}")), small);
        assert_eq!(content(&tree, &format!("other {number}"))[8191], number);
    }
}

/// A file of zeros but for a mark each GiB and at the end.
#[derive(Debug)]
struct Sparse(u64);

impl Content for Sparse {
    fn size(&self) -> u64 {
        self.0
    }

    fn open(&self) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(Self(self.0)))
    }
}

impl ReadAt for Sparse {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.0 - offset).unwrap());
        buffer[..count].fill(0);
        let end = offset + count as u64;
        for mark in (0..self.0).step_by(1 << 30).chain([self.0 - 1]) {
            if (offset..end).contains(&mark) {
                buffer[usize::try_from(mark - offset).unwrap()] = 0xff;
            }
        }
        Ok(count)
    }
}

#[test]
fn a_file_of_more_than_four_gigabytes() {
    let size = (4 << 30) + 5;
    let nodes = vec![root(), node("sparse", Kind::File(Box::new(Sparse(size))))];
    let options = Options { block_size: 1 << 20, ..OPTIONS };
    let mut out = Cursor::new(Vec::new());
    let written = write(nodes, &mut out, &options, &|_| {}).unwrap();
    assert_eq!(written.content, size);
    assert!(written.length < 100_000, "{written:?}");
    peer!("unsquashfs");
    let dir = tempfile::tempdir().unwrap();
    let (path, to) = (dir.path().join("x"), dir.path().join("out"));
    fs::write(&path, out.get_ref()).unwrap();
    run(
        "unsquashfs",
        &["-q".as_ref(), "-n".as_ref(), "-d".as_ref(), to.as_os_str(), path.as_os_str()],
    );
    let unpacked = File::open(to.join("sparse")).unwrap();
    assert_eq!(unpacked.metadata().unwrap().size(), size);
    for (mark, expected) in
        [(0, 0xff), (1, 0), (3 << 30, 0xff), ((4 << 30) - 1, 0), (size - 1, 0xff)]
    {
        let mut byte = [1];
        unpacked.read_exact_at(&mut byte, mark).unwrap();
        assert_eq!(byte, [expected], "{mark}");
    }
}

/// A file that gives other bytes than it says.
#[derive(Debug)]
struct Liar(u64, Arc<[u8]>);

impl Content for Liar {
    fn size(&self) -> u64 {
        self.0
    }

    fn open(&self) -> io::Result<Box<dyn ReadAt>> {
        self.1.open()
    }
}

#[test]
fn files_that_change_are_told() {
    let bytes: Arc<[u8]> = text(8192).into();
    for says in [1, 4095, 4096, 8191, 8193, 12_288, 1 << 40] {
        for twice in [false, true] {
            let liar = || Kind::File(Box::new(Liar(says, Arc::clone(&bytes))));
            let mut nodes = vec![root(), node("a", liar())];
            nodes.extend(twice.then(|| node("b", liar())));
            match image(nodes) {
                Err(Error::Size { path, expected, .. }) => {
                    assert_eq!((&path[..], expected), ("a", says));
                }
                other => panic!("{says}: {other:?}"),
            }
        }
    }
    assert!(image(vec![root(), node("a", Kind::File(Box::new(Liar(8192, bytes))))]).is_ok());
}

#[test]
fn what_no_image_can_hold_is_refused() {
    let long = "n".repeat(257);
    for path in [".", "..", "a/..", "a//b", "/a", "a/", "nul\0", &long, "no/parent", "file/x"] {
        let nodes = vec![root(), node("a", Kind::Directory), file("file", b""), file(path, b"")];
        assert!(image(nodes).is_err(), "{path:?}");
    }
    assert!(image(vec![root(), file(&long[1..], b"")]).is_ok());
    assert!(matches!(image(vec![]), Err(Error::NoRoot)));
    assert!(matches!(image(vec![file("", b"x")]), Err(Error::NoRoot)));
    let twice = vec![root(), file("a", b"1"), node("b", Kind::Fifo), file("a", b"2")];
    assert!(matches!(image(twice), Err(Error::Twice(path)) if path == "a"));
    for target in [0, 4096] {
        assert!(image(vec![root(), node("l", Kind::Symlink(vec![b'x'; target]))]).is_err());
    }
    let device = Kind::BlockDevice(Device { major: 4096, minor: 0 });
    assert!(image(vec![root(), node("d", device)]).is_err());
    assert!(image(vec![Node { mode: 0o10_000, ..root() }]).is_err());
    for block_size in [0, 2048, 4097, 2 << 20] {
        let options = Options { block_size, ..OPTIONS };
        assert!(write(vec![root()], Cursor::new(Vec::new()), &options, &|_| {}).is_err());
    }
    for compression in [Compression::Zstd(0), Compression::Zstd(23), Compression::Gzip(13)] {
        let options = Options { compression, ..OPTIONS };
        assert!(write(vec![root()], Cursor::new(Vec::new()), &options, &|_| {}).is_err());
    }
    let ids = (0..65_536).map(|id| Node { uid: id, gid: id, ..file(&id.to_string(), b"") });
    assert!(image(ids.chain([root()]).collect()).is_err());
}

#[test]
fn an_image_begins_where_its_output_is() {
    let nodes = || vec![root(), file("a", &text(10_000))];
    let alone = image(nodes()).unwrap();
    let mut out = Cursor::new(b"a runtime".to_vec());
    out.set_position(9);
    write(nodes(), &mut out, &OPTIONS, &|_| {}).unwrap();
    assert_eq!(out.position(), out.get_ref().len() as u64);
    assert!(out.get_ref().starts_with(b"a runtime") && out.get_ref()[9..] == alone);
    assert_eq!(alone.len() % 4096, 0);
}

/// Has room for so many bytes.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.0);
        self.0 -= count;
        if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(1 << 30)
    }
}

#[test]
fn a_full_disk_is_told_whenever_it_is_full() {
    let options = Options { compression: Compression::None, block_size: 1 << 20, ..OPTIONS };
    let content = noise(1, 20 << 20);
    for room in [0, 1, 300 << 10, 9 << 20, (20 << 20) + 100, 30 << 20] {
        let got = write(vec![root(), file("a", &content)], Disk(room), &options, &|_| {});
        match got {
            Err(Error::Write(source)) if room < 30 << 20 => {
                assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            }
            Ok(_) if room == 30 << 20 => {}
            other => panic!("{room}: {other:?}"),
        }
    }
}

#[test]
fn names_are_bytes() {
    let names: Vec<Vec<u8>> =
        (1..=255_u8).filter(|b| *b != b'/' && *b != b'.').map(|b| vec![b]).collect();
    let entry = |name: &Vec<u8>| Node { path: name.clone(), ..file("", name) };
    let bytes = image(names.iter().map(entry).chain([root()]).collect()).unwrap();
    let tree = seen(&bytes);
    for name in &names {
        assert_eq!(tree[&PathBuf::from(std::ffi::OsStr::from_bytes(name))].content, *name);
    }
}
