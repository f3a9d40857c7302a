//! What each compression costs and gives, next to the programs that people use:
//! `cargo bench --bench codecs -- FILE.tar`.

#![allow(clippy::print_stdout, reason = "the table is for whoever runs this")]

use std::fs::{self, File};
use std::io;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use closure2img::image::Compression;

const OURS: [&str; 14] = [
    "gzip:1", "gzip:2", "gzip:3", "gzip:4", "gzip:5", "gzip:6", "gzip:7", "gzip:8", "gzip:9",
    "zstd:1", "zstd:3", "zstd:6", "zstd:9", "zstd:12",
];
/// Those that are not installed are left out.
const PEERS: [&[&str]; 7] = [
    &["gzip", "-1"],
    &["gzip", "-6"],
    &["pigz", "-6"],
    &["igzip", "-1"],
    &["igzip", "-3"],
    &["zstd", "-1"],
    &["zstd", "-3"],
];
/// The fastest of so many counts, since other work only ever makes them slower.
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    // cargo adds flags of its own.
    let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
        println!("cargo bench --bench codecs -- FILE.tar");
        return Ok(());
    };
    let tar = fs::read(&path).with_context(|| format!("cannot read {path}"))?;
    println!("| compression | MB/s of one core | ratio | bytes |\n|---|--:|--:|--:|");
    for name in OURS {
        let compression: Compression = name.parse()?;
        row(name, tar.len(), || ours(compression, &tar))?;
    }
    for command in PEERS {
        if Command::new(command[0]).arg("--version").output().is_ok() {
            row(&format!("`{}`", command.join(" ")), tar.len(), || peer(command, &path))?;
        }
    }
    Ok(())
}

/// Prints the fastest of a few runs, each of which gives its seconds and what came out.
fn row(name: &str, bytes: usize, run: impl Fn() -> Result<(f64, u64)>) -> Result<()> {
    let (mut seconds, mut size) = run()?;
    for _ in 1..ROUNDS {
        let again = run()?;
        (seconds, size) = (seconds.min(again.0), again.1);
    }
    #[allow(clippy::cast_precision_loss)]
    let (all, left) = (bytes as f64, size as f64);
    println!("| {name} | {:.0} | {:.4} | {size} |", all / 1e6 / seconds, left / all);
    Ok(())
}

/// Compresses as the threads of a build do, here one; checksums included.
fn ours(compression: Compression, tar: &[u8]) -> Result<(f64, u64)> {
    let start = own_seconds()?;
    let size = compression.blob(tar)?.len() as u64;
    Ok((own_seconds()? - start, size))
}

/// Runs a program over the file; its seconds are those of all its threads.
fn peer(command: &[&str], path: &str) -> Result<(f64, u64)> {
    let start = child_seconds()?;
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .arg("-c")
        .stdin(File::open(path)?)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut out = child.stdout.take().context("no pipe")?;
    let size = io::copy(&mut out, &mut io::sink())?;
    if !child.wait()?.success() {
        bail!("{} failed", command.join(" "));
    }
    Ok((child_seconds()? - start, size))
}

/// Seconds that this thread has been running (proc(5), `schedstat`: nanoseconds).
fn own_seconds() -> Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().context("an empty schedstat")?;
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

/// Seconds, user and system, of all children that have ended (proc(5), `stat`: fields 16 and 17, in
/// hundredths).
fn child_seconds() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets, which may hold anything.
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(13).take(2).try_fold(0.0, |sum, ticks| Ok(sum + ticks.parse::<f64>()? / 100.0))
}
