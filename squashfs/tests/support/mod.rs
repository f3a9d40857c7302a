//! Trees of files, the images that others make of them, and what our reader sees there.
#![allow(dead_code, reason = "each test binary compiles all of this and uses a part")]
#![allow(unreachable_pub, reason = "`pub` says which items are for tests")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[macro_use]
#[path = "../../../tests/support/peer.rs"]
pub mod peer;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use squashfs::read::{Codecs, Error, Image, Kind, LocalCache, ReadAt, Reader, Type, Walk};

/// A reader of an image in memory or in a file.
pub type Read<'i, S> = Reader<'i, S, LocalCache, Codecs>;

/// What is to be told of a file: everything but its place in the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: &'static str,
    pub mode: u32,
    pub mtime: u32,
    /// Content, target, or device number.
    pub content: Vec<u8>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Files that are the same have the same here.
    pub same: Option<PathBuf>,
}

/// All files by path.
pub type Tree = BTreeMap<PathBuf, Seen>;

/// Bytes that cannot be compressed, other ones for each seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[4]
        })
        .collect()
}

/// Text that can.
pub fn text(len: usize) -> Vec<u8> {
    (0..).flat_map(|line| format!("line {line}\n").into_bytes()).take(len).collect()
}

/// A tree that has one of everything that images store in different ways.
pub fn make_tree(dir: &Path) {
    let write = |name: &str, content: &[u8]| {
        let file = dir.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    };
    write("empty", b"");
    write("byte", b"x");
    write("text", &text(300_000));
    write("noise", &noise(1, 400_000));
    write("blocks/two", &noise(2, 2 << 20));
    write("blocks/two and a bit", &text((2 << 20) + 5));
    write("twice/a", &text(5000));
    write("twice/b", &text(5000));
    write("names/ü\u{202e} blank", b"1");
    write(&format!("names/{}", "n".repeat(255)), b"2");
    write("deep/1/2/3/4/5/6/7/8/9/file", b"bottom");
    fs::create_dir(dir.join("nothing")).unwrap();
    fs::hard_link(dir.join("noise"), dir.join("other name")).unwrap();
    symlink("text", dir.join("link")).unwrap();
    symlink("x".repeat(4000), dir.join("long link")).unwrap();
    // Longer than a metadata block and than 64 KiB.
    for number in 0..1500 {
        write(&format!("many/a rather long name of a file {number:050}"), &noise(number, 40));
    }
    fs::create_dir(dir.join("links")).unwrap();
    for number in 0..300 {
        symlink(format!("../target {number}"), dir.join(format!("links/{number}"))).unwrap();
    }
    // Sparse at the beginning, in the middle and at the end.
    let sparse = fs::File::create(dir.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"middle", 3 << 20).unwrap();
    sparse.set_len((6 << 20) + 17).unwrap();
    for (name, mode) in [("byte", 0o4755), ("empty", 0o000), ("nothing", 0o1777)] {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// What the operating system sees.
pub fn on_disk(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut inodes = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let file_type = meta.file_type();
        let relative = path.strip_prefix(root).unwrap().to_owned();
        let mut content = Vec::new();
        let kind = if file_type.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            "directory"
        } else if file_type.is_symlink() {
            content = fs::read_link(&path).unwrap().into_os_string().into_vec();
            "symlink"
        } else if file_type.is_file() {
            content = fs::read(&path).unwrap();
            "file"
        } else if file_type.is_fifo() {
            "fifo"
        } else if file_type.is_socket() {
            "socket"
        } else {
            content = meta.rdev().to_le_bytes().to_vec();
            "device"
        };
        let same = (kind != "directory" && meta.nlink() > 1).then_some((meta.dev(), meta.ino()));
        let seen = Seen {
            kind,
            mode: meta.mode() & 0o7777,
            mtime: u32::try_from(meta.mtime()).unwrap(),
            content,
            xattrs: BTreeMap::new(),
            same: None,
        };
        if let Some(inode) = same {
            inodes.entry(inode).or_insert_with(Vec::new).push(relative.clone());
        }
        tree.insert(relative, seen);
    }
    for mut paths in inodes.into_values() {
        paths.sort();
        for path in &paths {
            tree.get_mut(path).unwrap().same = Some(paths[0].clone());
        }
    }
    tree
}

/// What our reader sees.
pub fn in_image<S: ReadAt>(image: S, offset: u64) -> Result<Tree, Error> {
    let image = Image::open(image, offset, LocalCache::default(), Codecs::default())?;
    let mut reader = image.reader(Codecs::default());
    let mut tree = Tree::new();
    let mut inodes = BTreeMap::new();
    let mut walk = Walk::new(&reader);
    while let Some(visit) = walk.next(&mut reader)? {
        let inode = visit.inode;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(visit.path));
        if inode.file_type() != Type::Directory && inode.links > 1 {
            inodes.entry(inode.reference).or_insert_with(Vec::new).push(path.clone());
        }
        let mut content = Vec::new();
        let kind = match inode.kind {
            Kind::Directory(_) => "directory",
            Kind::File(_) => {
                content = read_file(&mut reader, &inode)?;
                "file"
            }
            Kind::Symlink(_) => {
                content = reader.read_link(&inode)?;
                "symlink"
            }
            Kind::BlockDevice(device) | Kind::CharacterDevice(device) => {
                content = u64::from(device).to_le_bytes().to_vec();
                "device"
            }
            Kind::Fifo => "fifo",
            Kind::Socket => "socket",
        };
        let mut xattrs = BTreeMap::new();
        let mut all = reader.xattrs(&inode)?;
        while let Some(xattr) = all.next(&mut reader)? {
            let value = reader.xattr_value(&xattr)?;
            assert!(xattrs.insert(xattr.name, value).is_none(), "an attribute is there twice");
        }
        let mode = inode.mode.into();
        let seen = Seen { kind, mode, mtime: inode.mtime, content, xattrs, same: None };
        assert!(tree.insert(path, seen).is_none(), "a path is there twice");
    }
    for mut paths in inodes.into_values() {
        paths.sort();
        for path in &paths {
            tree.get_mut(path).unwrap().same = Some(paths[0].clone());
        }
    }
    Ok(tree)
}

/// A file's content, piece by piece. Files of more than 8 MiB, which only hostile images have here, are read in part.
pub fn read_file<S: ReadAt>(
    reader: &mut Read<'_, S>,
    inode: &squashfs::read::Inode,
) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut content = reader.content(inode)?;
    while let Some(piece) = content.next(reader)? {
        assert_eq!(piece.offset, bytes.len() as u64);
        if bytes.len() > 8 << 20 {
            return Ok(bytes);
        }
        let start = bytes.len();
        bytes.resize(start + piece.len as usize, 0);
        reader.read_piece(&piece, &mut bytes[start..])?;
    }
    assert_eq!(bytes.len() as u64, inode.size());
    Ok(bytes)
}

/// Runs a program that makes an image.
pub fn run(program: &str, args: &[&std::ffi::OsStr]) {
    let output = Command::new(peer::program(program)).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Makes an image with `mksquashfs`.
pub fn mksquashfs(tree: &Path, image: &Path, options: &str) {
    let mut args = vec![tree.as_os_str(), image.as_os_str()];
    args.extend(["-noappend", "-no-progress", "-quiet"].map(std::ffi::OsStr::new));
    args.extend(options.split_whitespace().map(std::ffi::OsStr::new));
    run("mksquashfs", &args);
}
