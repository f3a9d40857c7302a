//! `closure2img squashfs`: an image of one file that is mounted as it is.

use std::io::{self, IsTerminal, Seek, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use closure2img::output::{AtomicFile, OutputError};
use closure2img::progress::{Event, Progress, counted, human};
use closure2img::squashfs::{self, Codec, Node, Options, Policy, Time, Written};
use serde_json::json;

use super::closure_args::ClosureArgs;
use super::report::Usage;

#[derive(Args, Debug)]
#[command(
    after_help = "ROOT may also be a directory outside the store, whose content is then the image's."
)]
pub(crate) struct SquashfsArgs {
    #[command(flatten)]
    closure: ClosureArgs,

    /// Write the image to PATH: a file, or - for stdout
    #[arg(short, long, value_name = "PATH", help_heading = "Output")]
    output: PathBuf,

    /// Print what was made as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Compression: zstd[:LEVEL], gzip[:LEVEL] (what older kernels and AppImage runtimes read) or none
    #[arg(long, value_name = "HOW", default_value = "zstd", help_heading = "Image")]
    compress: Codec,

    /// Bytes that are compressed at a time, from 4K to 1M: more make the image smaller and reading
    /// here and there slower
    #[arg(long, value_name = "SIZE", default_value = "128K", help_heading = "Image")]
    block_size: BlockSize,

    /// Keep owners and groups of a directory's files, rather than 0 for both
    #[arg(long, help_heading = "Image")]
    keep_owner: bool,

    /// Keep extended attributes of a directory's files: those of user, trusted and security
    #[arg(long, help_heading = "Image")]
    xattrs: bool,

    /// Times of a directory's files: keep, seconds since 1970, or SOURCE_DATE_EPOCH to take them from
    /// that variable; in a store, all are 1 [default: keep]
    #[arg(long, value_name = "WHEN", help_heading = "Image")]
    mtime: Option<String>,
}

/// A power of two from 4 KiB to 1 MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockSize(pub(crate) u32);

impl FromStr for BlockSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
            Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
            _ => (text, 0),
        };
        let size = digits.parse().ok().and_then(|size: u32| size.checked_mul(1 << shift));
        size.filter(|size| size.is_power_of_two() && (4 << 10..=1 << 20).contains(size))
            .map(Self)
            .ok_or_else(|| "expected a power of two from 4K to 1M, such as 128K".into())
    }
}

/// Makes the image and takes it where it is wanted.
pub(crate) fn run(args: &SquashfsArgs) -> anyhow::Result<()> {
    let progress = args.closure.progress();
    let progress = &*progress;
    let time = args.time()?;
    let made = match time {
        Time::Kept => 1,
        Time::Fixed(time) => time,
    };
    let options = Options {
        compression: args.compress.0,
        block_size: args.block_size.0,
        made,
        threads: args.closure.threads(),
    };
    let output = Output::open(args)?;
    let nodes = args.nodes(time, progress)?;
    let written = output.write(nodes, &options, progress)?;
    args.tell(&written, progress)
}

impl SquashfsArgs {
    /// What the image is made of.
    fn nodes(&self, time: Time, progress: &dyn Progress) -> anyhow::Result<Vec<Node>> {
        if let Some(directory) = self.closure.directory() {
            let policy = Policy { owners: self.keep_owner, time, xattrs: self.xattrs };
            let found = squashfs::directory_nodes(directory, b"", policy)?;
            for text in &found.notes {
                progress.report(Event::Warning { text });
            }
            return Ok(found.nodes);
        }
        self.check_for_closure()?;
        let closure = self.closure.closure(false, progress)?;
        let nar_size = closure.paths.iter().map(|info| info.nar_size);
        let nar_size = super::display::total(nar_size);
        progress.report(Event::Closure { paths: closure.paths.len(), nar_size });
        let threads = self.closure.threads();
        let mut nodes = squashfs::closure_nodes(&closure, threads)?;
        nodes.push(squashfs::directory(Vec::new(), 0o755));
        Ok(nodes)
    }

    /// A store has no owners, times and attributes of its own: what asks for them is a mistake.
    fn check_for_closure(&self) -> anyhow::Result<()> {
        let time = self.mtime.as_deref().is_some_and(|time| !["keep", "1"].contains(&time));
        let flags =
            [("--keep-owner", self.keep_owner), ("--xattrs", self.xattrs), ("--mtime", time)];
        let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given) else { return Ok(()) };
        let text =
            format!("`{flag}` is for directories outside the store, and these are store paths");
        let hint = format!(
            "leave out `{flag}`: files of a store belong to root, are of time 1 and have no attributes"
        );
        Err(Usage::new(text, hint).into())
    }

    fn time(&self) -> anyhow::Result<Time> {
        let mtime = self.mtime.as_deref().unwrap_or("keep");
        let hint = "give `keep`, seconds since 1970, or `SOURCE_DATE_EPOCH` with the variable set";
        let seconds = |text: &str| text.parse().ok().map(Time::Fixed);
        let time = match mtime {
            "keep" => Some(Time::Kept),
            name @ "SOURCE_DATE_EPOCH" => std::env::var(name).ok().and_then(|text| seconds(&text)),
            text => seconds(text),
        };
        time.ok_or_else(|| Usage::new(format!("`{mtime}` is no time"), hint).into())
    }

    fn tell(&self, written: &Written, progress: &dyn Progress) -> anyhow::Result<()> {
        let file = self.output.display();
        if self.output != Path::new("-") {
            let text = format!(
                "wrote {file}: {}, {} of {}",
                counted(written.inodes as usize, "file"),
                human(written.length),
                human(written.content),
            );
            progress.report(Event::Made { text: &text });
        }
        if self.json {
            let mut out = io::stdout().lock();
            let told = json!({
                "output": self.output,
                "size": written.length,
                "files": written.inodes,
                "content": written.content,
                "duplicate": written.duplicate,
            });
            writeln!(out, "{told}")?;
            out.flush()?;
        }
        Ok(())
    }
}

/// Where the image goes.
enum Output {
    File(AtomicFile, PathBuf),
    /// What can only be written in one go waits in a file until all is there.
    Through(Box<dyn Write>, PathBuf),
}

impl Output {
    fn open(args: &SquashfsArgs) -> anyhow::Result<Self> {
        let path = args.output.clone();
        if path == Path::new("-") {
            if args.json {
                let hint = "write to a file with `-o app.sqfs`, or leave out `--json`";
                let text = "`-o -` leaves no room on stdout for anything else";
                return Err(Usage::new(text, hint).into());
            }
            if io::stdout().is_terminal() {
                let hint = "redirect it, or name a file";
                return Err(Usage::new("an image does not belong on a terminal", hint).into());
            }
            return Ok(Self::Through(Box::new(io::stdout()), path));
        }
        let file = AtomicFile::create(&path)?;
        match file.is_seekable() {
            true => Ok(Self::File(file, path)),
            false => Ok(Self::Through(Box::new(file), path)),
        }
    }

    fn write(
        self,
        nodes: Vec<Node>,
        options: &Options,
        progress: &dyn Progress,
    ) -> anyhow::Result<Written> {
        match self {
            Self::File(mut file, path) => {
                let written = squashfs::write(nodes, &mut file, options, progress)
                    .map_err(|error| in_file(error, &path))?;
                file.commit()?;
                Ok(written)
            }
            Self::Through(mut out, path) => {
                let place = std::env::temp_dir();
                let failed = |source| OutputError::Write { path: place.clone(), source };
                let mut file = tempfile::tempfile_in(&place).map_err(failed)?;
                let written = squashfs::write(nodes, &mut file, options, progress)
                    .map_err(|error| in_file(error, &place))?;
                file.rewind().map_err(failed)?;
                let copied = io::copy(&mut file, &mut out).and_then(|_| out.flush());
                copied.map_err(|source| match path == Path::new("-") {
                    true => OutputError::Stream(source),
                    false => OutputError::Write { path, source },
                })?;
                Ok(written)
            }
        }
    }
}

/// Says where writing failed, if that is what failed.
fn in_file(error: squashfs::Error, path: &Path) -> anyhow::Error {
    match error {
        squashfs::Error::Write(source) => OutputError::Write { path: path.into(), source }.into(),
        error => error.into(),
    }
}
