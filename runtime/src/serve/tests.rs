//! Requests as the kernel makes them, against an image that `squashfs::write` has made.

use alloc::vec::Vec;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::string::String;
use std::sync::Arc;
use std::{format, vec};

use rustix::fd::AsFd;
use squashfs::format::Compressor;
use squashfs::read::Decompress;
use squashfs::write::{self, Compression, Kind, Node, Options};

use super::data::Part;
use super::protocol::{ROOT, Request, operation};
use super::worker::{Answer, Worker};
use super::{Rewrite, Server};

/// For images that are not compressed.
#[derive(Default)]
struct Plain;

impl Decompress for Plain {
    fn decompress(&mut self, _: Compressor, _: &[u8], _: &mut [u8]) -> Option<usize> {
        None
    }
}

type Bytes = &'static [u8];

const BLOCK: usize = 4096;

/// Text with paths that lie across every border sooner or later.
fn text(len: usize) -> Vec<u8> {
    (0..).flat_map(|line| format!("{line}:/nix/store/x\n").into_bytes()).take(len).collect()
}

fn node(path: &str, kind: Kind) -> Node {
    let mode = if matches!(kind, Kind::Directory) { 0o555 } else { 0o4444 };
    let xattrs = match path {
        "text" => vec![(b"user.a".to_vec(), b"value".to_vec())],
        _ => Vec::new(),
    };
    let path = path.as_bytes().to_vec();
    Node { path, mode, uid: 1, gid: 2, mtime: 3, xattrs, kind }
}

fn file(path: &str, content: Vec<u8>) -> Node {
    let content: Arc<[u8]> = content.into();
    node(path, Kind::File(Box::new(content)))
}

fn sparse() -> Vec<u8> {
    [vec![0; 5 * BLOCK], text(BLOCK), vec![0; 3 * BLOCK + 1]].concat()
}

fn image() -> Vec<u8> {
    let mut nodes = vec![
        node("", Kind::Directory),
        file("text", text(10 * BLOCK + 100)),
        file("same", text(3 * BLOCK)),
        file("sparse", sparse()),
        file("empty", Vec::new()),
        node("link", Kind::Symlink(b"/nix/store/target".to_vec())),
        node("many", Kind::Directory),
    ];
    nodes.extend((0..700).map(|number| file(&format!("many/name {number:03}"), vec![b'x'; 9])));
    let options = Options {
        compression: Compression::None,
        block_size: 4096,
        made: 0,
        threads: std::num::NonZeroUsize::MIN,
    };
    let mut image = Cursor::new(Vec::new());
    write::write(nodes, &mut image, &options, &|_| {}).unwrap();
    image.into_inner()
}

fn worker(rewrite: Option<Rewrite>) -> Worker<Bytes, Plain> {
    // Nothing is read from it here, nor written to it.
    let nobody: &'static File = Box::leak(Box::new(File::open("/dev/null").unwrap()));
    let image: Bytes = image().leak();
    let server = Server::new::<Plain>(image, 0, 1, rewrite).unwrap();
    Worker::new(Box::leak(Box::new(server)), nobody.as_fd())
}

/// An answer's bytes, or its error number.
fn ask(
    worker: &mut Worker<Bytes, Plain>,
    operation: u32,
    node: u64,
    body: &[u8],
) -> Result<Vec<u8>, i32> {
    match worker.answer(&Request { operation, unique: 1, node, body }) {
        Answer::Nothing => panic!("no answer"),
        Answer::Error(number) => Err(number),
        Answer::Out => Ok(worker.out.clone()),
        Answer::Within(range) => Ok(worker.out[range].to_vec()),
        Answer::Parts(parts) => Ok(parts
            .iter()
            .flat_map(|part| match part {
                Part::Zeros(len) => vec![0; *len],
                Part::Block(block, range) => block[range.clone()].to_vec(),
            })
            .collect()),
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The entry that the kernel gets of a name.
fn look_up(worker: &mut Worker<Bytes, Plain>, directory: u64, name: &str) -> Vec<u8> {
    let name = [name.as_bytes(), b"\0"].concat();
    let entry = ask(worker, operation::LOOKUP, directory, &name).unwrap();
    assert_eq!(entry.len(), 128);
    entry
}

fn find(worker: &mut Worker<Bytes, Plain>, name: &str) -> u64 {
    u64_at(&look_up(worker, ROOT, name), 0)
}

fn read_body(offset: usize, size: usize) -> Vec<u8> {
    let mut body = vec![0; 40];
    body[8..16].copy_from_slice(&(offset as u64).to_ne_bytes());
    body[16..20].copy_from_slice(&u32::try_from(size).unwrap().to_ne_bytes());
    body
}

#[test]
fn names_lead_to_attributes() {
    let mut worker = worker(None);
    let entry = look_up(&mut worker, ROOT, "text");
    let attributes = ask(&mut worker, operation::GETATTR, u64_at(&entry, 0), &[0; 16]).unwrap();
    assert_eq!(attributes[16..], entry[40..]);
    assert_eq!(u64_at(&attributes, 24), 10 * 4096 + 100);
    assert_eq!(u64_at(&attributes, 48), 3);
    let rest: Vec<u32> = (76..96).step_by(4).map(|at| u32_at(&attributes, at)).collect();
    assert_eq!(rest, [0o104_444, 1, 1, 2, 0]);

    // That there is no such name is an answer that can be kept.
    let entry = look_up(&mut worker, ROOT, "no such name");
    assert_eq!(u64_at(&entry, 0), 0);
    assert!(u64_at(&entry, 16) > 1_000_000);

    let root = ask(&mut worker, operation::GETATTR, ROOT, &[0; 16]).unwrap();
    assert_eq!(u32_at(&root, 76), 0o040_555);
    assert!(ask(&mut worker, operation::GETATTR, u64::MAX, &[0; 16]).is_err());
    let text = find(&mut worker, "text");
    assert_eq!(ask(&mut worker, operation::LOOKUP, text, b"x\0"), Err(20));
}

#[test]
fn listings_of_any_length() {
    let mut worker = worker(None);
    let many = find(&mut worker, "many");
    for (operation, plus, size) in [
        (operation::READDIR, 0, 4096),
        (operation::READDIRPLUS, 128, 4096),
        (operation::READDIR, 0, 50),
    ] {
        let (mut names, mut offset) = (BTreeMap::new(), 0);
        loop {
            let listing = ask(&mut worker, operation, many, &read_body(offset, size)).unwrap();
            assert!(listing.len() <= size);
            let mut at = 0;
            while at < listing.len() {
                let entry = &listing[at..];
                let dirent = &entry[plus..];
                let len = u32_at(dirent, 16) as usize;
                let name = String::from_utf8(dirent[24..24 + len].to_vec()).unwrap();
                if plus > 0 && !name.starts_with('.') {
                    assert_eq!(entry[..128], look_up(&mut worker, many, &name));
                }
                offset = usize::try_from(u64_at(dirent, 8)).unwrap();
                assert_eq!(names.insert(name, u32_at(dirent, 20)), None);
                at += plus + (24 + len).next_multiple_of(8);
            }
            if listing.is_empty() {
                break;
            }
        }
        assert_eq!(names.len(), 702);
        assert_eq!((names["."], names[".."], names["name 699"]), (4, 4, 8));
    }
}

#[test]
fn any_part_of_a_file() {
    let mut worker = worker(None);
    for (name, content) in [
        ("text", text(10 * BLOCK + 100)),
        ("sparse", sparse()),
        ("same", text(3 * BLOCK)),
        ("empty", Vec::new()),
    ] {
        let node = find(&mut worker, name);
        for offset in [0, 1, 4095, 4096, 8191, 40_000, 40_960, 41_059, 50_000] {
            for size in [1, 2, 4096, 4097, 10_000, 1 << 20] {
                let bytes =
                    ask(&mut worker, operation::READ, node, &read_body(offset, size)).unwrap();
                let start = offset.min(content.len());
                let end = (offset + size).min(content.len());
                assert!(bytes == content[start..end], "{name} {offset} {size}");
            }
        }
    }
    let many = find(&mut worker, "many");
    assert_eq!(ask(&mut worker, operation::READ, many, &read_body(0, 1)), Err(22));
}

#[test]
fn paths_are_rewritten_across_all_borders() {
    let rewrite = Rewrite::new(b"/nix/store/", b"/tmp/abcde/").unwrap();
    let mut expected = text(10 * BLOCK + 100);
    rewrite.apply(&mut expected);
    assert!(!expected.windows(11).any(|window| window == b"/nix/store/"));
    let mut worker = worker(Some(rewrite));
    let node = find(&mut worker, "text");
    // All borders of blocks and of requests, wherever they cut a path.
    for size in [1, 7, 11, 4096, 5000] {
        let mut bytes = Vec::new();
        loop {
            let part =
                ask(&mut worker, operation::READ, node, &read_body(bytes.len(), size)).unwrap();
            if part.is_empty() {
                break;
            }
            bytes.extend(part);
        }
        assert!(bytes == expected, "in parts of {size}");
    }
    let link = find(&mut worker, "link");
    let target = ask(&mut worker, operation::READLINK, link, &[]).unwrap();
    assert_eq!(target, b"/tmp/abcde/target");
}

#[test]
fn extended_attributes_are_told_to_those_with_room() {
    let mut worker = worker(None);
    let (text, empty) = (find(&mut worker, "text"), find(&mut worker, "empty"));
    let body = |size: u32, name: &[u8]| [&size.to_ne_bytes()[..], &[0; 4], name].concat();
    let mut get = |node, size, name| ask(&mut worker, operation::GETXATTR, node, &body(size, name));
    assert_eq!(get(text, 100, b"user.a\0").unwrap(), b"value");
    assert_eq!(u32_at(&get(text, 0, b"user.a\0").unwrap(), 0), 5);
    assert_eq!(get(text, 4, b"user.a\0"), Err(34));
    assert_eq!(get(text, 100, b"user.b\0"), Err(61));
    assert_eq!(get(empty, 100, b"user.a\0"), Err(61));
    let list = ask(&mut worker, operation::LISTXATTR, text, &body(100, b"")).unwrap();
    assert_eq!(list, b"user.a\0");
}

#[test]
fn the_kernel_gets_no_more_than_it_offers() {
    let mut worker = worker(None);
    let mut body = vec![0; 64];
    body[..4].copy_from_slice(&7_u32.to_ne_bytes());
    body[4..8].copy_from_slice(&27_u32.to_ne_bytes());
    body[8..12].copy_from_slice(&131_072_u32.to_ne_bytes());
    let answer = ask(&mut worker, operation::INIT, 0, &body).unwrap();
    assert_eq!(answer.len(), 64);
    assert_eq!([0, 4, 8, 12].map(|at| u32_at(&answer, at)), [7, 27, 131_072, 0]);
    // Such a kernel insists on opening directories.
    assert_eq!(ask(&mut worker, operation::OPENDIR, ROOT, &[]).unwrap().len(), 16);
    body[12..16].fill(0xff);
    ask(&mut worker, operation::INIT, 0, &body).unwrap();
    assert_eq!(ask(&mut worker, operation::OPENDIR, ROOT, &[]), Err(38));
    assert_eq!(ask(&mut worker, operation::STATFS, ROOT, &[]).unwrap().len(), 80);
}

#[test]
fn the_program_is_given_to_the_kernel_when_it_opens_it() {
    for (path, rewrite) in
        [("text", None), ("text", Rewrite::new(b"/nix/store/", b"/tmp/abcde/")), ("sparse", None)]
    {
        let told: &'static File = Box::leak(Box::new(tempfile::tempfile().unwrap()));
        let mut worker = worker(rewrite.clone());
        worker.answer_from(told.as_fd());
        worker.read_ahead(path.as_bytes(), &|| false).unwrap();
        let (node, other) = (find(&mut worker, path), find(&mut worker, "same"));
        let expected = ask(&mut worker, operation::READ, node, &read_body(0, 1 << 20)).unwrap();
        assert_eq!(ask(&mut worker, operation::OPEN, node, &[0; 8]), Err(38));
        let mut told = told;
        let mut messages = Vec::new();
        told.seek(SeekFrom::Start(0)).unwrap();
        told.read_to_end(&mut messages).unwrap();
        let mut given = Vec::new();
        let mut rest = &messages[..];
        while !rest.is_empty() {
            let (message, behind) = rest.split_at(u32_at(rest, 0) as usize);
            // `FUSE_NOTIFY_STORE`, which is nobody's answer.
            assert_eq!((u32_at(message, 4), u64_at(message, 8)), (4, 0));
            assert_eq!((u64_at(message, 16), u64_at(message, 24)), (node, given.len() as u64));
            assert_eq!(u32_at(message, 32) as usize, message.len() - 40);
            given.extend_from_slice(&message[40..]);
            rest = behind;
        }
        assert!(given == expected, "{path}");
        // Once is enough.
        for opened in [node, other] {
            assert_eq!(ask(&mut worker, operation::OPEN, opened, &[0; 8]), Err(38));
        }
        assert_eq!(told.metadata().unwrap().len(), messages.len() as u64);
    }
}
