//! Images that other programs make are read as the operating system reads the files that they were made of.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[macro_use]
mod support;

use std::fs::{self, File};
use std::path::Path;

use squashfs::read::{Codecs, Image, InodeRef, Kind, LocalCache};
use support::{Tree, in_image, make_tree, mksquashfs, noise, on_disk, run};
use tempfile::TempDir;

fn compare(image: &Path, offset: u64, expected: &Tree, made_by: &str) {
    let seen = in_image(File::open(image).unwrap(), offset)
        .unwrap_or_else(|error| panic!("{made_by}: {error}"));
    assert_eq!(seen.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{made_by}");
    for (path, file) in expected {
        let same = &seen[path] == file;
        let (mut seen, mut file) = (seen[path].clone(), file.clone());
        (seen.content, file.content) = (Vec::new(), Vec::new());
        assert!(same, "{made_by}: {}: {seen:?} {file:?}", path.display());
    }
}

#[test]
fn mksquashfs_with_many_options() {
    peer!("mksquashfs");
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    make_tree(&tree);
    let expected = on_disk(&tree);
    let image = dir.path().join("image");
    for options in [
        "",
        "-comp zstd -Xcompression-level 1",
        "-comp zstd -Xcompression-level 1 -b 4096",
        "-comp zstd -Xcompression-level 1 -b 1M -always-use-fragments",
        "-Xcompression-level 1 -b 64K -no-fragments -no-duplicates",
        "-Xcompression-level 1 -Xwindow-size 8 -always-use-fragments",
        "-noI -noId -noF -noX",
        "-noI -noD -noF",
        "-comp zstd -Xcompression-level 1 -noD -no-exports -no-sparse -nopad",
    ] {
        mksquashfs(&tree, &image, options);
        compare(&image, 0, &expected, &format!("mksquashfs {options}"));
    }
    fs::remove_file(&image).unwrap();
    mksquashfs(&tree, &image, "-comp zstd -Xcompression-level 1 -offset 5000");
    compare(&image, 5000, &expected, "mksquashfs at an offset");
}

#[test]
fn gensquashfs_with_many_options() {
    peer!("gensquashfs");
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    make_tree(&tree);
    // It takes hard links for files of their own.
    fs::remove_file(tree.join("other name")).unwrap();
    let mut expected = on_disk(&tree);
    // It makes the root anew.
    expected.get_mut(Path::new("")).unwrap().mtime = 0;
    let image = dir.path().join("image");
    for options in [
        "-c gzip -X level=1",
        "-c zstd -X level=1",
        "-c zstd -X level=1 -T -b 4096",
        "-c zstd -X level=1 -b 1048576 -e",
    ] {
        let mut args: Vec<_> = ["-q", "-f", "-k", "-D"].map(std::ffi::OsStr::new).into();
        args.push(tree.as_os_str());
        args.extend(options.split(' ').map(std::ffi::OsStr::new));
        args.push(image.as_os_str());
        run("gensquashfs", &args);
        compare(&image, 0, &expected, &format!("gensquashfs {options}"));
    }
}

#[test]
fn devices_pipes_and_owners() {
    peer!("gensquashfs");
    let dir = TempDir::new().unwrap();
    let (list, image) = (dir.path().join("list"), dir.path().join("image"));
    let files = "dir / 0755 1 2\nnod null 0666 3 4 c 1 3\nnod disk 0600 5 6 b 259 70000\n\
                 pipe fifo 0644 70000 80000\nsock socket 0640 0 9\n";
    fs::write(&list, files).unwrap();
    let args = ["-q", "-f", "-c", "gzip", "--pack-file"].map(std::ffi::OsStr::new);
    run("gensquashfs", &[&args[..], &[list.as_os_str(), image.as_os_str()]].concat());

    let file = File::open(&image).unwrap();
    let image = Image::open(file, 0, LocalCache::default(), Codecs::default()).unwrap();
    let mut reader = image.reader(Codecs::default());
    let root = reader.root().unwrap();
    assert_eq!((root.uid, root.gid, root.mode), (1, 2, 0o755));
    let mut find = |name: &str| {
        let (inode, file_type) = reader.lookup(&root, name.as_bytes()).unwrap().expect("the file");
        let inode = reader.inode(inode).unwrap();
        assert_eq!(inode.file_type(), file_type);
        inode
    };
    let null = find("null");
    assert!(matches!(null.kind, Kind::CharacterDevice(0x103)), "{null:?}");
    let disk = find("disk");
    // Minor 70000 is 0x11170: its low byte is lowest, the rest above the major number.
    assert!(matches!(disk.kind, Kind::BlockDevice(0x1111_0370)), "{disk:?}");
    let pipe = find("fifo");
    assert!(matches!(pipe.kind, Kind::Fifo));
    assert_eq!((pipe.uid, pipe.gid), (70000, 80000));
    assert!(matches!(find("socket").kind, Kind::Socket));
}

#[test]
fn extended_attributes() {
    peer!("mksquashfs", "setfattr");
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let long = "0123456789".repeat(100);
    for file in ["a", "b", "c"] {
        fs::write(tree.join(file), noise(3, 100)).unwrap();
        let path = tree.join(file);
        // The long value is stored once.
        for (name, value) in [("user.short", file), ("user.long", &long), ("user.empty", "")] {
            let args = ["-n", name, "-v", value].map(std::ffi::OsStr::new);
            run("setfattr", &[&args[..], &[path.as_os_str()]].concat());
        }
    }
    fs::write(tree.join("none"), "").unwrap();
    let mut expected = on_disk(&tree);
    for file in ["a", "b", "c"] {
        expected.get_mut(Path::new(file)).unwrap().xattrs = [
            (b"user.short".to_vec(), file.as_bytes().to_vec()),
            (b"user.long".to_vec(), long.as_bytes().to_vec()),
            (b"user.empty".to_vec(), Vec::new()),
        ]
        .into();
    }
    let image = dir.path().join("image");
    for options in ["-xattrs", "-xattrs -noI -noX -comp zstd"] {
        mksquashfs(&tree, &image, options);
        compare(&image, 0, &expected, &format!("mksquashfs {options}"));
    }
}

#[test]
fn every_name_is_found_and_every_place_of_a_listing() {
    peer!("mksquashfs");
    let dir = TempDir::new().unwrap();
    let (tree, path) = (dir.path().join("tree"), dir.path().join("image"));
    make_tree(&tree);
    mksquashfs(&tree, &path, "-comp zstd -Xcompression-level 1");
    let file = File::open(&path).unwrap();
    let image = Image::open(file, 0, LocalCache::default(), Codecs::default()).unwrap();
    let mut reader = image.reader(Codecs::default());
    let root = reader.root().unwrap();
    for name in ["many", "links", "names", "nothing"] {
        let (inode, _) = reader.lookup(&root, name.as_bytes()).unwrap().unwrap();
        let directory = reader.inode(inode).unwrap();
        let mut all = Vec::new();
        let mut listing = reader.list(&directory, 0).unwrap();
        while let Some(entry) = listing.next(&mut reader).unwrap() {
            all.push((entry.name.to_vec(), entry.inode, entry.next));
        }
        let on_disk = fs::read_dir(tree.join(name)).unwrap().count();
        assert_eq!(all.len(), on_disk);
        for (number, (name, inode, next)) in all.iter().enumerate() {
            assert_eq!(reader.lookup(&directory, name).unwrap().map(|found| found.0), Some(*inode));
            let mut listing = reader.list(&directory, *next).unwrap();
            let following = listing.next(&mut reader).unwrap().map(|entry| entry.name.to_vec());
            assert_eq!(following.as_ref(), all.get(number + 1).map(|(name, ..)| name));
            let own_number = reader.inode(*inode).unwrap().number;
            assert_eq!(reader.by_number(own_number).unwrap(), Some(*inode));
        }
        for name in ["", "zzz", "A", "a rather long name of a file 7", &"x".repeat(300)] {
            assert_eq!(reader.lookup(&directory, name.as_bytes()).unwrap(), None);
        }
    }
    assert_eq!(reader.by_number(0).unwrap(), None);
    assert_eq!(reader.by_number(u32::MAX).unwrap(), None);
    assert!(reader.inode(InodeRef(u64::MAX)).is_err());
}

#[test]
fn any_part_of_a_file() {
    peer!("mksquashfs");
    let dir = TempDir::new().unwrap();
    let (tree, path) = (dir.path().join("tree"), dir.path().join("image"));
    make_tree(&tree);
    for options in ["-b 4096 -comp zstd -Xcompression-level 1", "-always-use-fragments"] {
        mksquashfs(&tree, &path, options);
        let file = File::open(&path).unwrap();
        let image = Image::open(file, 0, LocalCache::default(), Codecs::default()).unwrap();
        let mut reader = image.reader(Codecs::default());
        let root = reader.root().unwrap();
        for name in ["text", "noise", "sparse", "byte", "empty"] {
            let (inode, _) = reader.lookup(&root, name.as_bytes()).unwrap().unwrap();
            let inode = reader.inode(inode).unwrap();
            let content = fs::read(tree.join(name)).unwrap();
            for (offset, len) in
                [(0, 1), (0, 4096), (4095, 2), (100_000, 200_000), (299_999, 10), (7 << 20, 5)]
            {
                let mut bytes = vec![0xee; len];
                let done = reader.read_at(&inode, offset as u64, &mut bytes).unwrap();
                let start = offset.min(content.len());
                let end = (offset + len).min(content.len());
                assert!(bytes[..done] == content[start..end], "{name} {offset} {len}");
            }
            let mut one = [0];
            assert_eq!(reader.read_at(&inode, u64::MAX, &mut one).unwrap(), 0);
            // A mark finds the way back.
            let mut content = reader.content(&inode).unwrap();
            content.skip_to(&mut reader, 5).unwrap();
            let mark = content.mark();
            let expected = content.next(&mut reader).unwrap();
            let mut again = reader.content_from(&inode, mark).unwrap();
            assert_eq!(again.next(&mut reader).unwrap(), expected);
        }
    }
}
