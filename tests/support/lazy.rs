//! Lazy layers read back without our tool, as strictly as their formats are defined: each chunk by itself, all together,
//! and the table of contents against the tar.

use std::io::Read;

use data_encoding::{BASE64, HEXLOWER};
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A layer that was found to be what it says.
pub struct LazyLayer {
    /// The tar.
    pub tar: Vec<u8>,
    /// The table's entries.
    pub entries: Vec<Value>,
    /// How many chunks the files have.
    pub chunks: usize,
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(bytes)))
}

fn number(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        value => usize::try_from(value.as_u64().expect("a number")).expect("a size"),
    }
}

/// `a:b:c` as numbers.
fn position(annotation: &Value) -> Vec<usize> {
    let text = annotation.as_str().expect("an annotation");
    text.split(':').map(|number| number.parse().expect("a number")).collect()
}

/// The content of the skippable frame whose content begins at `at`.
fn skippable(blob: &[u8], at: usize) -> &[u8] {
    assert_eq!(blob[at - 8..at - 4], [0x50, 0x2a, 0x4d, 0x18]);
    let size = u32::from_le_bytes(blob[at - 4..at].try_into().expect("four bytes"));
    &blob[at..][..size as usize]
}

fn unzstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::decode_all(bytes).expect("valid zstd")
}

/// Reads a `zstd:chunked` layer, given what the manifest says of it.
#[track_caller]
pub fn zstd_chunked(blob: &[u8], descriptor: &Value) -> LazyLayer {
    let tar = unzstd(blob);
    let annotation = |name: &str| {
        &descriptor["annotations"][format!("io.github.containers.zstd-chunked.{name}")]
    };
    let [table_at, table_size, table_full, kind] = position(annotation("manifest-position"))[..]
    else {
        panic!("{descriptor}")
    };
    let [split_at, split_size, split_full] = position(annotation("tarsplit-position"))[..] else {
        panic!("{descriptor}")
    };
    let table = skippable(blob, table_at);
    assert_eq!((table.len(), kind), (table_size, 1));
    assert_eq!(*annotation("manifest-checksum"), sha256(table));
    let split = skippable(blob, split_at);
    assert_eq!((split.len(), split_at), (split_size, table_at + table_size + 8));
    assert_eq!(*annotation("tarsplit-checksum"), sha256(split));
    for name in ["manifest-position", "manifest-checksum"] {
        let old = format!("io.containers.zstd-chunked.{name}");
        assert_eq!(descriptor["annotations"][old], *annotation(name));
    }

    let footer = skippable(blob, split_at + split_size + 8);
    assert_eq!(split_at + split_size + 8 + footer.len(), blob.len());
    let (footer, magic) = footer.split_at(56);
    assert_eq!(magic, b"GNUlInUx");
    let numbers: Vec<usize> = footer
        .chunks(8)
        .map(|eight| number(&json!(u64::from_le_bytes(eight.try_into().expect("eight bytes")))))
        .collect();
    assert_eq!(numbers, [table_at, table_size, table_full, 1, split_at, split_size, split_full]);

    let table = unzstd(table);
    assert_eq!(table.len(), table_full);
    let table: Value = serde_json::from_slice(&table).expect("JSON");
    assert_eq!((&table["version"], &table["tarSplitDigest"]), (&json!(1), &json!(sha256(split))));
    let entries = table["entries"].as_array().expect("a list").clone();
    let mut contents = Vec::new();
    let mut chunks = 0;
    for group in files(&entries) {
        let file = group[0];
        let ends = group[1..].iter().map(|chunk| &chunk["offset"]).chain([&file["endOffset"]]);
        let mut content = Vec::new();
        for (chunk, end) in group.iter().zip(ends) {
            let bytes = &blob[number(&chunk["offset"])..number(end)];
            // One frame with its own size, of which every byte is used.
            let one = zstd::bulk::decompress(bytes, 1 << 20).expect("one frame");
            assert_eq!(number(&chunk["chunkOffset"]), content.len());
            if group.len() > 1 {
                assert_eq!(chunk["chunkDigest"], sha256(&one));
                assert_eq!(number(&chunk["chunkSize"]), one.len());
            } else {
                assert!(chunk["chunkDigest"].is_null() && chunk["chunkSize"].is_null());
            }
            content.extend(one);
            chunks += 1;
        }
        assert_eq!(
            (&file["digest"], number(&file["size"])),
            (&json!(sha256(&content)), content.len())
        );
        contents.push((file["name"].as_str().expect("a name").to_owned(), content));
    }
    assert!(again(&unzstd(split), split_full, &contents) == tar, "tar-split gives another tar");
    check_entries(&tar, &entries);
    LazyLayer { tar, entries, chunks }
}

/// Reads an `eStargz` layer, given what the manifest says of it.
#[track_caller]
pub fn estargz(blob: &[u8], descriptor: &Value) -> LazyLayer {
    let mut tar = Vec::new();
    MultiGzDecoder::new(blob).read_to_end(&mut tar).expect("valid gzip");
    let footer = &blob[blob.len() - 51..];
    assert_eq!(footer[..16], [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, b'S', b'G', 22, 0]);
    assert_eq!(footer[32..38], *b"STARGZ");
    assert_eq!(footer[38..], [1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    let at = std::str::from_utf8(&footer[16..32]).expect("digits");
    let at = usize::from_str_radix(at, 16).expect("a number");

    // One member from there to the footer: the last entry, and the end of the tar.
    let (mut last, mut member) = (Vec::new(), GzDecoder::new(&blob[at..]));
    member.read_to_end(&mut last).expect("valid gzip");
    assert_eq!(member.into_inner().len(), footer.len());
    assert!(tar.ends_with(&last));
    let mut archive = tar::Archive::new(&last[..]);
    let mut entry = archive.entries().expect("a tar").next().expect("an entry").expect("an entry");
    assert_eq!(entry.path().expect("a name").to_str(), Some("stargz.index.json"));
    let mut table = Vec::new();
    entry.read_to_end(&mut table).expect("content");
    let annotations = &descriptor["annotations"];
    assert_eq!(annotations["containerd.io/snapshot/stargz/toc.digest"], sha256(&table));
    let size = &annotations["io.containers.estargz.uncompressed-size"];
    assert_eq!(*size, tar.len().to_string());

    let table: Value = serde_json::from_slice(&table).expect("JSON");
    assert_eq!(table["version"], 1);
    let entries = table["entries"].as_array().expect("a list").clone();
    let mut chunks = 0;
    for group in files(&entries) {
        let (file, mut content) = (group[0], Vec::new());
        for (index, chunk) in group.iter().enumerate() {
            // The last of them, and it alone, goes to the end of the file.
            let last = index + 1 == group.len();
            assert_eq!(chunk["chunkSize"].is_null(), last);
            assert_eq!(number(&chunk["chunkOffset"]), content.len());
            let rest = number(&file["size"]) - content.len();
            let mut one = vec![0; if last { rest } else { number(&chunk["chunkSize"]) }];
            let mut member = GzDecoder::new(&blob[number(&chunk["offset"])..]);
            member.read_exact(&mut one).expect("valid gzip");
            assert_eq!(chunk["chunkDigest"], sha256(&one));
            content.extend(one);
            chunks += 1;
        }
        assert_eq!(file["digest"], sha256(&content));
    }
    let landmark = entries[0].clone();
    assert_eq!(
        (&landmark["name"], number(&landmark["size"])),
        (&json!(".no.prefetch.landmark"), 1)
    );
    assert_eq!(landmark["digest"], sha256(&[0xf]));
    check_entries(&tar[..tar.len() - last.len()], &entries);
    LazyLayer { tar, entries, chunks }
}

/// The files that are not empty, each with its chunks, the first of which is the file's entry itself.
fn files(entries: &[Value]) -> Vec<Vec<&Value>> {
    let mut files: Vec<Vec<&Value>> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match entry["type"].as_str() {
            Some("reg") if number(&entry["size"]) > 0 => files.push(vec![entry]),
            Some("chunk") => {
                assert_eq!(entry["name"], entries[index - 1]["name"]);
                files.last_mut().expect("a file before its chunks").push(entry);
            }
            _ => {}
        }
    }
    files
}

/// The tar that tar-split data give with these contents.
fn again(split: &[u8], size: usize, contents: &[(String, Vec<u8>)]) -> Vec<u8> {
    assert_eq!(split.len(), size);
    let mut contents = contents.iter();
    let mut tar = Vec::new();
    let lines = split.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    for (index, line) in lines.enumerate() {
        let line: Value = serde_json::from_slice(line).expect("JSON");
        assert_eq!(number(&line["position"]), index);
        let payload = line["payload"].as_str().map(|text| BASE64.decode(text.as_bytes()));
        let payload = payload.transpose().expect("base 64");
        match (number(&line["type"]), number(&line["size"])) {
            (2, 0) => tar.extend(payload.expect("a segment's bytes")),
            (1, 0) => assert!(payload.is_none()),
            (1, size) => {
                let (name, content) = contents.next().expect("a file");
                assert_eq!((&line["name"], size), (&json!(name), content.len()));
                assert_eq!(payload.map(|sum| sum.len()), Some(8));
                tar.extend(content);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(contents.next().is_none());
    tar
}

/// Checks that the table has the entries of the tar, in order, and says the same of them.
#[track_caller]
fn check_entries(tar: &[u8], entries: &[Value]) {
    let mut entries = entries.iter().filter(|entry| entry["type"] != "chunk");
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().expect("a tar") {
        let entry = entry.expect("an entry");
        let header = entry.header();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let kind = match header.entry_type() {
            tar::EntryType::Directory => "dir",
            tar::EntryType::Regular => "reg",
            tar::EntryType::Symlink => "symlink",
            tar::EntryType::Link => "hardlink",
            other => panic!("{other:?}"),
        };
        let mut expected = json!({
            "name": text(&entry.path_bytes()),
            "type": kind,
            "mode": header.mode().expect("a mode"),
            "modtime": "1970-01-01T00:00:01Z",
        });
        assert_eq!(header.mtime().expect("a time"), 1);
        if entry.size() > 0 {
            expected["size"] = json!(entry.size());
        }
        if let Some(target) = entry.link_name_bytes() {
            expected["linkName"] = json!(text(&target));
        }
        let mut got = entries.next().expect("as many entries as in the tar").clone();
        for place in ["digest", "offset", "endOffset", "chunkSize", "chunkDigest"] {
            got.as_object_mut().expect("an object").remove(place);
        }
        assert_eq!(got, expected);
    }
    assert_eq!(entries.next(), None);
}
