//! What no build can beat on this machine: the work that must be done, each kind of it alone, on all
//! cores at once: `cargo bench --bench limits -- PATHS TAR [none|gzip:6|zstd:3]`.
//!
//! PATHS lists store paths, TAR (an absolute name) holds the layers that they make. What is written
//! goes next to it.

#![allow(clippy::print_stdout, reason = "the table is for whoever runs this")]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest, Sha256};

/// What is taken at a time: enough for any codec to show what it can, and what builds take.
const BLOCK: usize = 4 << 20;

fn main() -> Result<()> {
    // cargo adds flags of its own.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let [paths, tar, how @ ..] = arguments.as_slice() else {
        println!("cargo bench --bench limits -- PATHS TAR [none|gzip:6|zstd:3]");
        return Ok(());
    };
    let paths: Vec<PathBuf> = fs::read_to_string(paths)
        .with_context(|| format!("cannot read {paths}"))?
        .lines()
        .map(|line| Path::new("/").join(line))
        .collect();
    let path = tar;
    let tar = fs::read(path).with_context(|| format!("cannot read {path}"))?;
    let all = match how {
        [] => vec!["none", "gzip:6", "zstd:3"],
        how => how.iter().map(String::as_str).collect(),
    };

    println!("| work | seconds of one core | MB/s |\n|---|--:|--:|");
    let reading = on_all_cores(&paths, || {
        let mut buffer = vec![0; 1 << 20];
        move |path: &PathBuf| read(path, &mut buffer)
    })?;
    row("reading all files", &reading);
    let blocks: Vec<&[u8]> = tar.chunks(BLOCK).collect();
    let hashing = on_all_cores(&blocks, || {
        |block: &&[u8]| {
            std::hint::black_box(Sha256::digest(block));
            Ok(block.len())
        }
    })?;
    row("SHA-256 of the layers", &hashing);
    // Pages that the machine has not had lately cost more than writing: once to have them.
    let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
    write(&blocks, folder)?;
    let writing = write(&blocks, folder)?;
    row("writing the layers to the page cache", &writing);
    for name in all {
        // The blob is hashed and written instead of the tar, which is hashed as well.
        let (packing, left) = match name {
            "none" => (0.0, 0.0),
            _ => {
                let packed = on_all_cores(&blocks, packer(name)?)?;
                row(name, &Work { bytes: tar.len(), ..packed });
                (packed.seconds, packed.ratio(&tar))
            }
        };
        let kept = if name == "none" { 1.0 } else { left };
        let seconds =
            reading.seconds + hashing.seconds * (1.0 + left) + writing.seconds * kept + packing;
        println!(
            "| limit, {name} | {:.3} | {:.0} |",
            seconds / cores()?,
            rate(tar.len(), seconds / cores()?)
        );
    }
    Ok(())
}

/// What was done and how long cores took for it, all together.
#[derive(Clone, Copy)]
struct Work {
    bytes: usize,
    seconds: f64,
}

impl Work {
    #[allow(clippy::cast_precision_loss)]
    fn ratio(&self, tar: &[u8]) -> f64 {
        self.bytes as f64 / tar.len() as f64
    }
}

fn row(name: &str, work: &Work) {
    println!("| {name} | {:.3} | {:.0} |", work.seconds, rate(work.bytes, work.seconds));
}

#[allow(clippy::cast_precision_loss)]
fn rate(bytes: usize, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds
}

#[allow(clippy::cast_precision_loss)]
fn cores() -> Result<f64> {
    Ok(thread::available_parallelism()?.get() as f64)
}

/// Does the work for each item, with one worker for each core; the seconds are those that they were
/// running.
fn on_all_cores<T: Sync, W: FnMut(&T) -> Result<usize>>(
    items: &[T],
    worker: impl Fn() -> W + Sync,
) -> Result<Work> {
    let next = AtomicUsize::new(0);
    let one = || {
        let mut work = worker();
        let start = own_seconds()?;
        let mut bytes = 0;
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            bytes += work(item)?;
        }
        anyhow::Ok(Work { bytes, seconds: own_seconds()? - start })
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..thread::available_parallelism()?.get()).map(|_| scope.spawn(one)).collect();
        let mut sum = Work { bytes: 0, seconds: 0.0 };
        for thread in threads {
            let Ok(work) = thread.join() else { bail!("a thread panicked") };
            let work = work?;
            sum = Work { bytes: sum.bytes + work.bytes, seconds: sum.seconds + work.seconds };
        }
        Ok(sum)
    })
}

/// Reads every file of a store path and does nothing with it.
fn read(path: &Path, buffer: &mut [u8]) -> Result<usize> {
    let kind = fs::symlink_metadata(path)?.file_type();
    let mut bytes = 0;
    if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            bytes += read(&entry?.path(), buffer)?;
        }
    } else if kind.is_file() {
        let mut file = File::open(path)?;
        loop {
            match file.read(buffer)? {
                0 => break,
                n => bytes += n,
            }
        }
    }
    Ok(bytes)
}

/// What makes workers that compress blocks, as the libraries do it by themselves.
fn packer(name: &str) -> Result<fn() -> Packer> {
    Ok(match name {
        "gzip:6" => || {
            let mut compressor = Compressor::new(CompressionLvl::new(6).unwrap_or_default());
            let mut out = vec![0; compressor.deflate_compress_bound(BLOCK)];
            Box::new(move |block| Ok(compressor.deflate_compress(block, &mut out)?))
        },
        "zstd:3" => || {
            let mut compressor = zstd::bulk::Compressor::new(3);
            let mut out = vec![0; zstd::zstd_safe::compress_bound(BLOCK)];
            Box::new(move |block| {
                let compressor = compressor.as_mut().map_err(|error| anyhow!("{error}"))?;
                Ok(compressor.compress_to_buffer(block, &mut out[..])?)
            })
        },
        _ => bail!("expected none, gzip:6 or zstd:3, got {name}"),
    })
}

/// Compresses a block and gives the size of what came out.
type Packer = Box<dyn FnMut(&&[u8]) -> Result<usize>>;

/// Writes all blocks, with a file for each core: writers of one file wait for each other.
fn write(blocks: &[&[u8]], folder: &Path) -> Result<Work> {
    on_all_cores(blocks, || {
        let mut file = tempfile::tempfile_in(folder);
        move |block: &&[u8]| {
            let file = file.as_mut().map_err(|error| anyhow!("cannot write: {error}"))?;
            file.write_all(block)?;
            Ok(block.len())
        }
    })
}

/// Seconds that this thread has been running (proc(5), `schedstat`: nanoseconds).
fn own_seconds() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().unwrap_or_default();
    nanoseconds.parse::<f64>().map(|all| all / 1e9).map_err(io::Error::other)
}
