//! `closure2img appimage`: an application as one executable file.

mod args;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use closure2img::appimage::elf_head::{ElfHead, RuntimeFile, Section};
use closure2img::appimage::signature::Signer;
use closure2img::appimage::{
    AppDir, Finding, Ignore, Prepared, Request, Severity, arch, runtime, zsync,
};
use closure2img::closure::{Closure, Root, RootError, Store};
use closure2img::image::Machine;
use closure2img::output::{AtomicFile, OutputError};
use closure2img::progress::{Event, Progress, counted, human};
use closure2img::squashfs::{self, Options, Written};
use serde_json::{Value, json};

use super::display::total;
use super::report::Usage;
pub(crate) use args::AppImageArgs;

/// Where `appimagetool` finds patterns, in the current directory.
const IGNORE_FILE: &str = ".appimageignore";

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
    let signer = args.sign.as_deref().map(Signer::new).transpose()?;
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
    let zsync = args.finish(&file, signer.as_ref(), &output, mtime)?;
    file.make_executable()?;
    file.commit()?;
    if let Some(zsync) = zsync {
        zsync.commit()?;
    }
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
            None => runtime::embedded()
                .ok_or_else(|| {
                    Usage::new(
                        "this closure2img has no runtime of its own for AppImages on this machine",
                        "give one with `--runtime FILE`",
                    )
                })?
                .to_vec(),
        };
        let mut runtime = RuntimeFile::parse(bytes).map_err(closure2img::appimage::Error::from)?;
        if let Some(text) = &self.update_information {
            runtime.set(Section::UpdateInformation, text.as_str().as_bytes())?;
        }
        Ok(runtime)
    }

    /// Signs what is written, and makes the file for updaters beside it.
    fn finish(
        &self,
        file: &AtomicFile,
        signer: Option<&Signer>,
        output: &Path,
        mtime: u32,
    ) -> anyhow::Result<Option<AtomicFile>> {
        let Some(file) = file.file() else { return Ok(None) };
        if let Some(signer) = signer {
            signer.sign(file, &ElfHead::read(file)?)?;
        }
        if self.update_information.is_none() {
            return Ok(None);
        }
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        let beside = output.with_file_name(format!("{name}.zsync"));
        let mut out = AtomicFile::create(&beside)?;
        let modified = jiff::Timestamp::from_second(mtime.into())?;
        zsync::write(file, zsync::Options { name: &name, modified }, &mut out)?;
        Ok(Some(out))
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
