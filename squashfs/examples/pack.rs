//! Packs directories into an image, which has them side by side: `pack OUT HOW BLOCK_SIZE THREADS DIR…`, where HOW is
//! such as `zstd:3`, `gzip:6` or `none`.

use std::error::Error;
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use squashfs::write::{Compression, Content, Kind, Node, Options, ReadAt, write};

#[derive(Debug)]
struct OnDisk(PathBuf, u64);

impl Content for OnDisk {
    fn size(&self) -> u64 {
        self.1
    }

    fn open(&self) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(File::open(&self.0)?))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, how, block_size, threads, dirs @ ..] = &arguments[..] else {
        return Err("pack OUT HOW BLOCK_SIZE THREADS DIR…".into());
    };
    let compression = match how.split_once(':') {
        Some(("zstd", level)) => Compression::Zstd(level.parse()?),
        Some(("gzip", level)) => Compression::Gzip(level.parse()?),
        _ => Compression::None,
    };
    let (block_size, threads) = (block_size.parse()?, threads.parse()?);
    let options = Options { compression, block_size, made: 1, threads };
    let mut nodes = vec![node(Vec::new(), 0o755, Kind::Directory)];
    for dir in dirs {
        let dir = Path::new(dir);
        add(dir.parent().unwrap_or(dir), dir, &mut nodes)?;
    }
    let written = write(nodes, File::create(out)?, &options, &|_| {})?;
    Ok(writeln!(io::stdout(), "{written:?}")?)
}

fn node(path: Vec<u8>, mode: u16, kind: Kind) -> Node {
    Node { path, mode, uid: 0, gid: 0, mtime: 1, xattrs: Vec::new(), kind }
}

fn add(root: &Path, path: &Path, nodes: &mut Vec<Node>) -> Result<(), Box<dyn Error>> {
    let data: Metadata = fs::symlink_metadata(path)?;
    let kind = if data.is_dir() {
        for entry in fs::read_dir(path)? {
            add(root, &entry?.path(), nodes)?;
        }
        Kind::Directory
    } else if data.is_symlink() {
        Kind::Symlink(fs::read_link(path)?.into_os_string().into_vec())
    } else {
        Kind::File(Box::new(OnDisk(path.into(), data.len())))
    };
    let name = path.strip_prefix(root)?.as_os_str().as_bytes().to_vec();
    nodes.push(node(name, u16::try_from(data.mode() & 0o7777)?, kind));
    Ok(())
}
