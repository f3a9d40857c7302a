//! The table of contents: which entries a layer has, and where in the blob their content is.
//!
//! Both formats have the JSON that stargz began with (stargz-snapshotter, `docs/estargz.md`, "TOC,
//! `TOCEntries` and Footer"; containers/storage, `pkg/chunked/internal/minimal/compression.go`).
//! They differ in what a file says of its chunks.

use data_encoding::HEXLOWER;
use serde::Serialize;

use super::Format;

/// When all files were changed, as their headers say it.
const MTIME: &str = "1970-01-01T00:00:01Z";

/// A chunk of a file's content, as it stands in the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Where its frame or member begins.
    pub(crate) offset: u64,
    /// How long that is.
    pub(crate) size: u64,
    /// SHA-256 of the content.
    pub(crate) digest: [u8; 32],
}

/// What an entry is.
#[derive(Debug)]
pub(super) enum Node {
    Directory,
    Symlink(Box<str>),
    HardLink(Box<str>),
    File {
        size: u64,
        /// SHA-256 of all, unless it is that of the only chunk.
        digest: Option<[u8; 32]>,
        chunks: u64,
    },
}

/// The entries of a layer, in order.
#[derive(Debug, Default)]
pub(super) struct Toc {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    mode: u32,
    node: Node,
}

/// An entry, or a chunk of one behind the first, in JSON. All owners are 0:0, and there are no
/// extended attributes.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    name: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<u32>,
    #[serde(skip_serializing_if = "is_zero")]
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    modtime: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    end_offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    chunk_size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    chunk_offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_digest: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// `sha256:` and the hexadecimal digits.
pub(super) fn sha256(digest: &[u8; 32]) -> String {
    format!("sha256:{}", HEXLOWER.encode(digest))
}

impl Toc {
    /// Adds an entry; `name` is as in the tar.
    pub(super) fn push(&mut self, name: String, mode: u32, node: Node) {
        self.entries.push(Entry { name: name.into(), mode, node });
    }

    /// Says what the content of the last entry, a file of several chunks, hashes to.
    pub(super) fn set_digest(&mut self, hash: [u8; 32]) {
        if let Some(Entry { node: Node::File { digest, .. }, .. }) = self.entries.last_mut() {
            *digest = Some(hash);
        }
    }

    /// The table as JSON, for these chunks of all files, in order. `tar_split` is the digest of
    /// the tar-split data, if there is any.
    pub(super) fn json(
        &self,
        format: Format,
        chunks: Vec<Chunk>,
        tar_split: Option<&str>,
    ) -> serde_json::Result<Vec<u8>> {
        let mut out = br#"{"version":1,"entries":["#.to_vec();
        let mut chunks = chunks.into_iter();
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let own: Vec<Chunk> = match entry.node {
                Node::File { chunks: count, .. } => {
                    chunks.by_ref().take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
                }
                _ => Vec::new(),
            };
            entry.write(&mut out, format, &own)?;
        }
        out.push(b']');
        if let Some(digest) = tar_split {
            out.extend_from_slice(br#","tarSplitDigest":"#);
            serde_json::to_writer(&mut out, digest)?;
        }
        out.push(b'}');
        Ok(out)
    }
}

impl Entry {
    fn write(&self, out: &mut Vec<u8>, format: Format, chunks: &[Chunk]) -> serde_json::Result<()> {
        let mut line = Line {
            name: &self.name,
            mode: Some(self.mode),
            modtime: Some(MTIME),
            ..Line::default()
        };
        let all = match &self.node {
            Node::Directory => {
                line.r#type = "dir";
                0
            }
            Node::Symlink(target) => {
                (line.r#type, line.link_name) = ("symlink", Some(&**target));
                0
            }
            Node::HardLink(target) => {
                (line.r#type, line.link_name) = ("hardlink", Some(&**target));
                0
            }
            Node::File { size, digest, .. } => {
                (line.r#type, line.size) = ("reg", *size);
                let only = chunks.first().map(|chunk| chunk.digest);
                line.digest = digest.or(only).as_ref().map(sha256);
                if let (Format::Chunked, Some(last)) = (format, chunks.last()) {
                    line.end_offset = last.offset + last.size;
                }
                *size
            }
        };
        let mut at = 0;
        for (index, chunk) in chunks.iter().enumerate() {
            let size = format.chunk_size().min(all - at);
            if index > 0 {
                out.push(b',');
                line = Line { name: &self.name, r#type: "chunk", ..Line::default() };
            }
            (line.offset, line.chunk_offset) = (chunk.offset, at);
            at += size;
            // In a zstd:chunked table, an only chunk is not said to be one. In an eStargz table,
            // the last goes to the end of its file, wherever that is.
            let (says_size, says_digest) = match format {
                Format::Chunked => (chunks.len() > 1, chunks.len() > 1),
                Format::Stargz => (index + 1 < chunks.len(), true),
            };
            line.chunk_size = if says_size { size } else { 0 };
            line.chunk_digest = says_digest.then(|| sha256(&chunk.digest));
            serde_json::to_writer(&mut *out, &line)?;
        }
        if chunks.is_empty() { serde_json::to_writer(out, &line) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn toc(format: Format) -> Vec<Value> {
        let mut toc = Toc::default();
        toc.push("a/".into(), 0o555, Node::Directory);
        toc.push("a/l".into(), 0o777, Node::Symlink("b\"".into()));
        toc.push("a/e".into(), 0o444, Node::File { size: 0, digest: None, chunks: 0 });
        toc.push("a/s".into(), 0o444, Node::File { size: 7, digest: None, chunks: 1 });
        let size = format.chunk_size() + 5;
        toc.push("a/t".into(), 0o555, Node::File { size, digest: None, chunks: 2 });
        toc.set_digest([9; 32]);
        toc.push("a/h".into(), 0o555, Node::HardLink("a/t".into()));
        let chunk = |offset, size, digest| Chunk { offset, size, digest: [digest; 32] };
        let chunks = vec![chunk(30, 10, 1), chunk(50, 20, 2), chunk(70, 6, 3)];
        let json = toc.json(format, chunks, None).unwrap();
        let mut json: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["version"], 1);
        json["entries"].as_array_mut().unwrap().drain(..).collect()
    }

    fn digest(byte: u8) -> String {
        sha256(&[byte; 32])
    }

    #[test]
    fn zstd_chunked_says_where_files_end() {
        let entries = toc(Format::Chunked);
        assert_eq!(
            entries[3],
            json!({"name": "a/s", "type": "reg", "mode": 0o444, "size": 7, "modtime": MTIME,
                "digest": digest(1), "offset": 30, "endOffset": 40})
        );
        let size = Format::Chunked.chunk_size();
        assert_eq!(
            entries[4],
            json!({"name": "a/t", "type": "reg", "mode": 0o555, "size": size + 5, "modtime": MTIME,
                "digest": digest(9), "offset": 50, "endOffset": 76, "chunkSize": size,
                "chunkDigest": digest(2)})
        );
        assert_eq!(
            entries[5],
            json!({"name": "a/t", "type": "chunk", "offset": 70, "chunkOffset": size,
                "chunkSize": 5, "chunkDigest": digest(3)})
        );
    }

    #[test]
    fn estargz_says_what_each_chunk_hashes_to() {
        let entries = toc(Format::Stargz);
        assert_eq!(
            entries[3],
            json!({"name": "a/s", "type": "reg", "mode": 0o444, "size": 7, "modtime": MTIME,
                "digest": digest(1), "offset": 30, "chunkDigest": digest(1)})
        );
        let size = Format::Stargz.chunk_size();
        assert_eq!(
            entries[4],
            json!({"name": "a/t", "type": "reg", "mode": 0o555, "size": size + 5, "modtime": MTIME,
                "digest": digest(9), "offset": 50, "chunkSize": size, "chunkDigest": digest(2)})
        );
        assert_eq!(
            entries[5],
            json!({"name": "a/t", "type": "chunk", "offset": 70, "chunkOffset": size,
                "chunkDigest": digest(3)})
        );
    }

    #[test]
    fn entries_without_content_are_the_same_in_both() {
        let (one, other) = (toc(Format::Chunked), toc(Format::Stargz));
        assert_eq!(one[..3], other[..3]);
        let common = |kind: &str, name: &str, mode: u32| {
            let modtime = MTIME;
            json!({"name": name, "type": kind, "mode": mode, "modtime": modtime})
        };
        assert_eq!(one[0], common("dir", "a/", 0o555));
        assert_eq!(one[2], common("reg", "a/e", 0o444));
        let link = |mut entry: Value, target: &str| {
            entry["linkName"] = json!(target);
            entry
        };
        assert_eq!(one[1], link(common("symlink", "a/l", 0o777), "b\""));
        for last in [one.last(), other.last()] {
            assert_eq!(*last.unwrap(), link(common("hardlink", "a/h", 0o555), "a/t"));
        }
    }
}
