//! From the first function to the exit code.

use alloc::ffi::CString;
use alloc::format;
use alloc::vec::Vec;
use core::ffi::CStr;

use rustix::fd::BorrowedFd;
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions};

use crate::engine::{self, Job, Ready};
use crate::environment::Environment;
use crate::extract::{self, extract};
use crate::failure::{CANNOT_RUN, Doing, Failure, Reason, shown};
use crate::file::AppFile;
use crate::flags::{EXTRACT_AND_RUN, HELP, Request};
use crate::image::{self, AppImage, AppImageReader};
use crate::message::{self, write_all};
use crate::metadata::{self, Metadata};
use crate::process::{Forked, execve, exit_group, fork, restore};
use crate::program;
use crate::start::Start;

/// What the program does; gives its exit code.
pub fn run(start: &Start) -> i32 {
    match dispatch(start) {
        Ok(code) => code,
        Err(failure) => {
            message::error(format_args!("{failure}"));
            failure.code
        }
    }
}

fn dispatch(start: &Start) -> Result<i32, Failure> {
    let request = Request::parse(&start.arguments);
    let file = AppFile::open(start)?;
    match request {
        Request::Run if start.variable("APPIMAGE_EXTRACT_AND_RUN").is_some() => {
            run_once(start, &file)
        }
        Request::Run => run_application(start, &file),
        Request::ExtractAndRun => run_once(start, &file),
        Request::Extract(pattern) => unpack(&file, pattern).map_err(|failure| failure.code(1)),
        Request::ExtractTooMany(count) => {
            let usage = "usage: --appimage-extract [PATTERN], and no other argument";
            Err(Failure::new(format!("{count} arguments\n{usage}")).code(1))
        }
        Request::Mount => {
            let image = open(&file)?;
            let bytes = read_metadata(&mut image.reader(image::Codecs::default()))?;
            let metadata = parse(bytes.as_deref())?;
            let job = Job { start, file: &file, image: &image, metadata: &metadata, program: None };
            engine::mount_and_wait(&job).map(|()| 0)
        }
        Request::Help => {
            let help = HELP.replace("{}", &shown(&file.path));
            say(STDERR, help.as_bytes())
        }
        Request::Version => {
            let version =
                format!("AppImage runtime version: closure2img {}\n", env!("CARGO_PKG_VERSION"));
            say(STDERR, version.as_bytes())
        }
        Request::Offset => say(STDOUT, format!("{}\n", file.offset).as_bytes()),
        Request::UpdateInformation => {
            say(STDOUT, &[&file.section(".upd_info")?[..], b"\n"].concat())
        }
        Request::Signature => say(STDOUT, &[&file.section(".sha256_sig")?[..], b"\n"].concat()),
        Request::PortableHome => portable(&file, "home"),
        Request::PortableConfig => portable(&file, "config"),
        Request::Unknown(option) => {
            let option = shown(option.to_bytes());
            Err(Failure::new(format!(
                "`{option}` is no option of this runtime\nhint: `--appimage-help` lists them"
            ))
            .code(1))
        }
    }
}

const STDOUT: i32 = 1;
const STDERR: i32 = 2;

fn say(descriptor: i32, bytes: &[u8]) -> Result<i32, Failure> {
    // SAFETY: writing to a descriptor that may be closed harms no memory.
    let fd = unsafe { BorrowedFd::borrow_raw(descriptor) };
    write_all(fd, bytes).doing("write").map(|()| 0)
}

fn open(file: &AppFile) -> Result<AppImage, Failure> {
    let source = rustix::io::fcntl_dupfd_cloexec(&file.source.0, 3).doing("open the image")?;
    image::open(source, file.offset)
        .doing(format_args!("read the image in `{}`", shown(&file.path)))
}

fn read_metadata(reader: &mut AppImageReader<'_>) -> Result<Option<Vec<u8>>, Failure> {
    let what = format_args!("read `{}` in the image", metadata::NAME);
    let Some(inode) = image::find(reader, metadata::NAME.as_bytes()).doing(what)? else {
        return Ok(None);
    };
    image::read_file(reader, &inode, metadata::LIMIT).doing(what)
}

fn parse(bytes: Option<&[u8]>) -> Result<Metadata<'_>, Failure> {
    bytes.map_or_else(
        || Ok(Metadata::default()),
        |bytes| {
            Metadata::parse(bytes).map_err(|error| Failure::new(format!("damaged image: {error}")))
        },
    )
}

/// The program of the store that `AppRun` is a link to. It is run by its own path: many programs look for their own files
/// beside it, or do what it says; `ARGV0` has the name that was typed.
fn linked_program(
    reader: &mut AppImageReader<'_>,
    metadata: &Metadata<'_>,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some(store) = metadata.store else { return Ok(None) };
    program::linked(reader, store).doing("look for `AppRun` in the image")
}

fn run_application(start: &Start, file: &AppFile) -> Result<i32, Failure> {
    let image = open(file)?;
    let mut reader = image.reader(image::Codecs::default());
    let bytes = read_metadata(&mut reader)?;
    let metadata = parse(bytes.as_deref())?;
    let program = linked_program(&mut reader, &metadata)?;
    let job = Job { start, file, image: &image, metadata: &metadata, program: program.as_deref() };
    // Known before the root changes: afterwards the directory may have no path.
    let directory = rustix::process::getcwd(Vec::new()).ok();
    let ready = engine::prepare(&job)?;
    let arguments: Vec<&CStr> = start.arguments.clone();
    Err(become_application(&job, &ready, directory.as_deref(), &arguments))
}

/// Sets the environment and becomes the application; comes back with the reason why not.
fn become_application(
    job: &Job<'_>,
    ready: &Ready,
    directory: Option<&CStr>,
    arguments: &[&CStr],
) -> Failure {
    let mut environment = Environment::new(&job.start.environment);
    for (name, value) in &job.metadata.environment {
        let mut value = value.clone();
        if let Some(rewrite) = &ready.rewrite {
            rewrite.apply(&mut value);
        }
        environment.set(name, &value);
    }
    environment.set(b"APPIMAGE", &job.file.path);
    environment.set(b"APPDIR", &ready.directory);
    let target = job.start.variable("TARGET_APPIMAGE").filter(|_| !job.start.secure);
    let name = target.or(job.start.arguments.first().copied()).unwrap_or_default();
    environment.set(b"ARGV0", name.to_bytes());
    if let Some(directory) = directory {
        environment.set(b"OWD", directory.to_bytes());
    }
    for (suffix, variable) in [("home", "HOME"), ("config", "XDG_CONFIG_HOME")] {
        let folder = [&job.file.path[..], b".", suffix.as_bytes()].concat();
        if rustix::fs::accessat(CWD, &folder[..], Access::WRITE_OK, AtFlags::EACCESS).is_ok()
            && is_directory(&folder)
        {
            message::error(format_args!("${variable} is `{}`", shown(&folder)));
            environment.set(variable.as_bytes(), &folder);
        }
    }
    let mut arguments = arguments.to_vec();
    let path = match job.program {
        Some(program) => {
            let mut program = program.to_vec();
            if let Some(rewrite) = &ready.rewrite {
                rewrite.apply(&mut program);
            }
            program
        }
        None => [&ready.directory[..], b"/AppRun"].concat(),
    };
    let Ok(path) = CString::new(path) else {
        return Failure::new("the path of `AppRun` has a zero in it");
    };
    if let (Some(first), Some(_)) = (arguments.first_mut(), job.program) {
        *first = &path;
    }
    let error = execve(&path, &arguments, &environment.entries());
    Failure::new(format!("cannot run `{}`: {}", shown(path.as_bytes()), Reason(error)))
}

fn is_directory(path: &[u8]) -> bool {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .is_ok()
}

/// Runs the application from a folder that is removed when it has ended.
fn run_once(start: &Start, file: &AppFile) -> Result<i32, Failure> {
    let image = open(file)?;
    let mut reader = image.reader(image::Codecs::default());
    let bytes = read_metadata(&mut reader)?;
    let metadata = parse(bytes.as_deref())?;
    let program = linked_program(&mut reader, &metadata)?;
    let job = Job { start, file, image: &image, metadata: &metadata, program: program.as_deref() };
    let once = engine::unpack_once(&job)?;
    // Ctrl-C is for the application; what it leaves is removed all the same.
    for signal in [Signal::INT, Signal::QUIT] {
        let _ = crate::process::ignore(signal);
    }
    // SAFETY: this program has one thread until its server starts others.
    let status = match unsafe { fork() } {
        Ok(Forked::Child) => {
            for signal in [Signal::INT, Signal::QUIT] {
                let _ = restore(signal);
            }
            let failure = match once.prepare(&job) {
                Ok(ready) => {
                    let rest = start
                        .arguments
                        .iter()
                        .copied()
                        .filter(|argument| *argument != EXTRACT_AND_RUN);
                    let arguments: Vec<&CStr> = rest.collect();
                    become_application(&job, &ready, None, &arguments)
                }
                Err(failure) => failure,
            };
            message::error(format_args!("{failure}"));
            exit_group(CANNOT_RUN)
        }
        Ok(Forked::Parent(child)) => loop {
            match rustix::process::waitpid(Some(child), WaitOptions::empty()) {
                Err(Errno::INTR) => {}
                Ok(Some((_, status))) => break Ok(status),
                Ok(None) => break Err(Errno::CHILD),
                Err(error) => break Err(error),
            }
        },
        Err(error) => Err(error),
    };
    let cleaned = match start.variable("NO_CLEANUP") {
        Some(_) => Ok(()),
        None => once.remove(),
    };
    let status = status.doing("run the application")?;
    if let Some(signal) = status.terminating_signal() {
        die_by(signal);
    }
    let code = status.exit_status().unwrap_or(CANNOT_RUN);
    match cleaned {
        Err(failure) if code == 0 => Err(failure),
        _ => Ok(code),
    }
}

/// Ends as the application did, so that whoever waits for us sees it. Nothing is dumped twice.
fn die_by(signal: i32) {
    let Some(signal) = Signal::from_named_raw(signal) else { return };
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    let _ = restore(signal);
    let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
}

fn unpack(file: &AppFile, pattern: Option<&CStr>) -> Result<i32, Failure> {
    const FOLDER: &str = "squashfs-root";
    let image = open(file)?;
    match rustix::fs::mkdir(FOLDER, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error).doing(format_args!("make `{FOLDER}`")),
    }
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder =
        rustix::fs::open(FOLDER, flags, Mode::empty()).doing(format_args!("open `{FOLDER}`"))?;
    let options = extract::Options {
        pattern: pattern.map(CStr::to_bytes),
        told: Some(b"squashfs-root/"),
        ..extract::Options::default()
    };
    extract(&image, rustix::fd::AsFd::as_fd(&folder), &options).map(|()| 0)
}

fn portable(file: &AppFile, suffix: &str) -> Result<i32, Failure> {
    let folder = [&file.path[..], b".", suffix.as_bytes()].concat();
    match rustix::fs::mkdir(&folder[..], Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error).doing(format_args!("make `{}`", shown(&folder))),
    }
    say(STDERR, format!("Portable {suffix} directory created at {}\n", shown(&folder)).as_bytes())
}
