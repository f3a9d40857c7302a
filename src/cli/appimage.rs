//! `closure2img appimage`: an application as one executable file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use closure2img::appimage::elf_head::RuntimeFile;
use closure2img::appimage::{AppDir, Finding, Ignore, Prepared, Request, Severity, arch, runtime};
use closure2img::closure::{Closure, Root, RootError, Store};
use closure2img::image::{Machine, config};
use closure2img::output::{AtomicFile, OutputError};
use closure2img::progress::{Event, Progress, counted, human};
use closure2img::squashfs::{self, Codec, Options, Written};
use serde_json::{Value, json};

use super::closure_args::ClosureArgs;
use super::display::total;
use super::report::Usage;
use super::squashfs::BlockSize;

/// Where `appimagetool` finds patterns, in the current directory.
const IGNORE_FILE: &str = ".appimageignore";

#[derive(Args, Debug)]
#[command(
    after_help = "ROOT may also be one AppDir: a directory with AppRun, a .desktop file and an icon, or one that becomes \
                  such. Store paths that it refers to are put into the AppImage."
)]
pub(crate) struct AppImageArgs {
    #[command(flatten)]
    closure: ClosureArgs,

    /// Write the AppImage to FILE [default: NAME[-VERSION]-ARCH.AppImage]
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Print what was made, or with --lint what was found, as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Print all that the checks find, and write nothing
    #[arg(long, help_heading = "Output")]
    lint: bool,

    /// Program to start; bin/x is looked up in the roots or the AppDir [default: AppRun, or else the only
    /// program]
    #[arg(long, value_name = "PROG", help_heading = "Application")]
    exec: Option<String>,

    /// What the application is called [default: as its desktop entry or program]
    #[arg(long, value_name = "NAME", help_heading = "Application")]
    name: Option<String>,

    /// Version of the application [default: as its desktop entry or root says]
    #[arg(long = "version", value_name = "VERSION", help_heading = "Application")]
    app_version: Option<String>,

    /// Icon: a PNG of 256x256 pixels or an SVG [default: the application's, or a plain one]
    #[arg(long, value_name = "FILE", help_heading = "Application")]
    icon: Option<PathBuf>,

    /// Desktop entry [default: the application's, or a plain one]
    #[arg(long, value_name = "FILE", help_heading = "Application")]
    desktop: Option<PathBuf>,

    /// Environment variable that is set when it starts
    #[arg(long, value_name = "K=V", value_parser = config::key_value, help_heading = "Application")]
    env: Vec<(String, String)>,

    /// Machine that it is for, such as x86_64 or aarch64 [default: that of its programs]
    #[arg(long, value_name = "ARCH", help_heading = "Application")]
    arch: Option<Machine>,

    /// Leave out files of the AppDir: patterns as `mksquashfs -wildcards -ef` takes them; those in
    /// ./.appimageignore count as well
    #[arg(long, value_name = "FILE", help_heading = "Image")]
    exclude_file: Vec<PathBuf>,

    /// Compression: zstd[:LEVEL], gzip[:LEVEL] or none
    #[arg(long, value_name = "HOW", default_value = "zstd", help_heading = "Image")]
    compress: Codec,

    /// Bytes that are compressed at a time, from 4K to 1M: more make the file smaller and the start slower
    #[arg(long, value_name = "SIZE", default_value = "128K", help_heading = "Image")]
    block_size: BlockSize,

    /// Time of the AppDir's files, in seconds since 1970, or SOURCE_DATE_EPOCH to take it from that
    /// variable; in a store, all are 1
    #[arg(long, value_name = "WHEN", default_value = "1", help_heading = "Image")]
    mtime: String,

    /// Put another runtime in front, such as that of type2-runtime
    #[arg(long, value_name = "FILE", help_heading = "Image")]
    runtime: Option<PathBuf>,
}

/// Errors that were listed.
#[derive(Debug, thiserror::Error)]
#[error("this cannot be an AppImage: {}", counted(*.0, "error"))]
pub(crate) struct LintErrors(usize);

impl LintErrors {
    pub(crate) fn hint() -> &'static str {
        "each line says what was found and what may be there"
    }
}

/// Checks and writes.
pub(crate) fn run(args: &AppImageArgs) -> anyhow::Result<()> {
    let progress = args.closure.progress();
    let progress = &*progress;
    let mtime = args.mtime()?;
    let prepared = args.prepared(progress)?;
    if args.lint {
        return args.list(prepared.findings());
    }
    for finding in prepared.findings().iter().filter(|it| it.severity == Severity::Warning) {
        progress.report(Event::Warning { text: &finding.to_string() });
    }
    prepared.check()?;
    let runtime = args.runtime()?;
    let machine = prepared.machine_with(&runtime)?;
    let output = match &args.output {
        Some(file) => file.clone(),
        None => prepared.file_name(&runtime)?.into(),
    };
    let mut file = AtomicFile::create(&output)?;
    if !file.is_seekable() {
        let text = format!("`{}` is a device or a pipe", output.display());
        return Err(Usage::new(text, "name a file: an AppImage is one that can be started").into());
    }
    let options = Options {
        compression: args.compress.0,
        block_size: args.block_size.0,
        made: mtime,
        threads: args.closure.threads(),
    };
    let (paths, findings) = (prepared.paths(), prepared.findings().to_vec());
    let written = prepared.write(&runtime, &mut file, mtime, &options, progress);
    let written = written.map_err(|error| in_file(error, &output))?;
    file.make_executable()?;
    file.commit()?;
    let size = runtime.size() + written.length;
    let text = format!(
        "wrote {}: {}, {} of {}",
        output.display(),
        counted(paths, "store path"),
        human(size),
        human(written.content),
    );
    progress.report(Event::Made { text: &text });
    if args.json {
        let made = made(&output, &machine, size, &runtime, &written, paths, &findings);
        let mut out = io::stdout().lock();
        writeln!(out, "{made}")?;
        out.flush()?;
    }
    Ok(())
}

fn made(
    output: &Path,
    machine: &Machine,
    size: u64,
    runtime: &RuntimeFile,
    written: &Written,
    paths: usize,
    findings: &[Finding],
) -> Value {
    json!({
        "output": output,
        "arch": arch(machine),
        "size": size,
        "offset": runtime.size(),
        "files": written.inodes,
        "content": written.content,
        "duplicate": written.duplicate,
        "paths": paths,
        "findings": findings.iter().map(described).collect::<Vec<_>>(),
    })
}

fn described(finding: &Finding) -> Value {
    let Finding { severity, check, file, place, got, expected } = finding;
    json!({
        "severity": severity.name(),
        "check": check,
        "file": file,
        "place": place,
        "got": got,
        "expected": expected,
    })
}

/// Where the application is.
enum Input {
    AppDir(PathBuf),
    Roots,
}

impl AppImageArgs {
    fn prepared(&self, progress: &dyn Progress) -> anyhow::Result<Prepared> {
        let store = self.closure.store()?;
        let threads = self.closure.threads();
        let request = Request {
            name: self.name.clone(),
            version: self.app_version.clone(),
            exec: self.exec.clone(),
            icon: self.icon.clone(),
            desktop: self.desktop.clone(),
            env: self.env.clone(),
            arch: self.arch.clone(),
        };
        let (app_dir, closure) = match self.input(&store) {
            Input::AppDir(dir) => {
                let app_dir = AppDir::read(&dir, &store, &self.ignore(progress)?)?;
                let wanted = app_dir.wanted(&store);
                let closure = match wanted.is_empty() {
                    true => None,
                    false => Some(self.closure.closure_of(wanted, false, progress)?),
                };
                (Some(app_dir), closure)
            }
            Input::Roots => (None, Some(self.closure.closure(false, progress)?)),
        };
        if let Some(closure) = &closure {
            tell(closure, progress);
        }
        Ok(Prepared::new(app_dir.as_ref(), closure, &store, &request, threads)?)
    }

    /// A single directory is an AppDir unless it is a store path that is none.
    fn input(&self, store: &Store) -> Input {
        let roots = self.closure.roots();
        let [root] = &roots[..] else { return Input::Roots };
        match Root::resolve(store, root) {
            Ok(Root { path, inner }) => {
                let dir = store.real_path(&path);
                let dir = inner.map_or_else(|| dir.clone(), |inner| dir.join(inner));
                if AppDir::is_one(&dir) { Input::AppDir(dir) } else { Input::Roots }
            }
            Err(RootError::Outside { .. }) if root.is_dir() => Input::AppDir(root.clone()),
            // Whoever looks for its closure says what is wrong with it.
            Err(_) => Input::Roots,
        }
    }

    fn ignore(&self, progress: &dyn Progress) -> anyhow::Result<Ignore> {
        let mut ignore = Ignore::default();
        let unasked = Path::new(IGNORE_FILE);
        if unasked.is_file() {
            let text = format!("files that `{IGNORE_FILE}` names are left out");
            progress.report(Event::Warning { text: &text });
        }
        let files = self.exclude_file.iter().map(PathBuf::as_path);
        for file in files.chain(unasked.is_file().then_some(unasked)) {
            let lines =
                std::fs::read(file).with_context(|| format!("reading `{}`", file.display()))?;
            ignore.add(&lines);
        }
        Ok(ignore)
    }

    fn runtime(&self) -> anyhow::Result<RuntimeFile> {
        let bytes = match &self.runtime {
            Some(file) => {
                std::fs::read(file).with_context(|| format!("reading `{}`", file.display()))?
            }
            None => runtime::embedded().to_vec(),
        };
        Ok(RuntimeFile::parse(bytes).map_err(closure2img::appimage::Error::from)?)
    }

    fn mtime(&self) -> anyhow::Result<u32> {
        let text = match &self.mtime[..] {
            name @ "SOURCE_DATE_EPOCH" => std::env::var(name).unwrap_or_default(),
            text => text.to_owned(),
        };
        text.parse().map_err(|_| {
            let hint = "give seconds since 1970, or `SOURCE_DATE_EPOCH` with the variable set";
            Usage::new(format!("`{}` is no time", self.mtime), hint).into()
        })
    }

    /// Prints what was found.
    fn list(&self, findings: &[Finding]) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            let findings: Vec<Value> = findings.iter().map(described).collect();
            writeln!(out, "{}", json!({ "findings": findings }))?;
        } else {
            for finding in findings {
                // Names may hold anything, and none shall pass for a line of ours.
                let text = finding.to_string();
                let plain = text.chars().flat_map(|letter| match letter.is_control() {
                    true => letter.escape_default().collect::<Vec<_>>(),
                    false => vec![letter],
                });
                writeln!(out, "{}: {}", finding.severity.name(), plain.collect::<String>())?;
            }
        }
        out.flush()?;
        match findings.iter().filter(|it| it.severity == Severity::Error).count() {
            0 => Ok(()),
            errors => Err(LintErrors(errors).into()),
        }
    }
}

fn tell(closure: &Closure, progress: &dyn Progress) {
    let nar_size = total(closure.paths.iter().map(|info| info.nar_size));
    progress.report(Event::Closure { paths: closure.paths.len(), nar_size });
}

/// Says where writing failed, if that is what failed.
fn in_file(error: closure2img::appimage::Error, path: &Path) -> anyhow::Error {
    match error {
        closure2img::appimage::Error::Image(squashfs::Error::Write(source)) => {
            OutputError::Write { path: path.into(), source }.into()
        }
        error => error.into(),
    }
}
